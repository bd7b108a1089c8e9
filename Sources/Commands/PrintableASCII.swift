// SPDX-License-Identifier: Apache-2.0

import RDB

/// Bytes of anyone, made fit for a terminal, in the form in which errors of the reader show them.
package enum PrintableASCII {
    package static func text(_ bytes: some Sequence<UInt8>) -> String { escaped(bytes, limit: .max) }

    package static func text(_ text: String) -> String { Self.text(Array(text.utf8)) }

    /// A text of these bytes that is cut off where it is too long for a table, with `...` in place of the rest.
    package static func cut(_ text: String, to columns: Int, isCutAlready: Bool = false) -> String {
        if text.utf8.count <= columns, !isCutAlready { return text }
        return text.prefix(columns - 3) + "..."
    }
}
