// SPDX-License-Identifier: Apache-2.0

/// What a server answered, in RESP2. Written apart from the product's own parser, which it helps to test.
package enum TestReply: Sendable, Hashable {
    case simple(String)
    case error(String)
    case integer(Int)
    case bulk([UInt8])
    case null
    case array([TestReply])

    /// A simple or bulk string as text.
    package var text: String? {
        switch self {
        case .simple(let text): text
        case .bulk(let bytes): String(decoding: bytes, as: UTF8.self)
        default: nil
        }
    }

    /// A bulk string.
    package var bytes: [UInt8]? {
        if case .bulk(let bytes) = self { bytes } else { nil }
    }

    /// An integer, or a string that reads as one.
    package var int: Int? {
        if case .integer(let value) = self { value } else { text.flatMap { Int($0) } }
    }

    package var array: [TestReply]? {
        if case .array(let items) = self { items } else { nil }
    }

    package var errorText: String? {
        if case .error(let text) = self { text } else { nil }
    }
}

extension TestReply: CustomStringConvertible {
    package var description: String {
        switch self {
        case .simple(let text): "+\(text)"
        case .error(let text): "-\(text)"
        case .integer(let value): ":\(value)"
        case .bulk: "\"\(text ?? "")\""
        case .null: "(nil)"
        case .array(let items): "[\(items.map(\.description).joined(separator: ", "))]"
        }
    }
}

/// The server answered with an error where the test expected none.
package struct TestReplyError: Error, CustomStringConvertible {
    package let command: String
    package let message: String

    package var description: String { "\(command): \(message)" }
}
