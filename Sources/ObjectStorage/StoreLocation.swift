// SPDX-License-Identifier: Apache-2.0

import Failures

/// Which store is meant: what `--to` and `--from` say.
package enum StoreLocation: Sendable, Hashable {
    case folder(path: String)
    case bucket(BucketLocation)
}
extension StoreLocation: CustomStringConvertible { package var description: String { "" } }
package struct BucketLocation: Sendable, Hashable {}
