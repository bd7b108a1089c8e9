// SPDX-License-Identifier: Apache-2.0

/// A password or another text that no output may ever show: it prints, dumps and reflects as `***`.
package struct Secret: Sendable, Hashable {
    /// The text itself, for the one place that sends it.
    package let value: String

    package init(_ value: String) {
        self.value = value
    }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "***" }
    package var debugDescription: String { "***" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
