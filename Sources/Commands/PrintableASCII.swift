// SPDX-License-Identifier: Apache-2.0

/// Bytes of anyone, made fit for a terminal: printable ASCII stays, a quote and a backslash get a backslash, and any
/// other byte is written as `\xhh`, as `redis-cli` does.
package enum PrintableASCII {
    private static let digits = Array("0123456789abcdef".utf8)

    package static func text(_ bytes: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        for byte in bytes {
            switch byte {
            case 0x22, 0x5c: text += [0x5c, byte]
            case 0x20..<0x7f: text.append(byte)
            default: text += [0x5c, 0x78, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    package static func text(_ text: String) -> String { Self.text(Array(text.utf8)) }

    /// A text of these bytes that is cut off where it is too long for a table, with `...` in place of the rest.
    package static func cut(_ text: String, to columns: Int, isCutAlready: Bool = false) -> String {
        if text.utf8.count <= columns, !isCutAlready { return text }
        return text.prefix(columns - 3) + "..."
    }
}
