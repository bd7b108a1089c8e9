// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A JSON value of the tests. Bytes travel as `{"$bytes": base64}`.
package enum TestJSON: Sendable, Hashable {
    case null
    case bool(Bool)
    case number(Double)
    case text(String)
    case bytes([UInt8])
    case array([TestJSON])
    case object([String: TestJSON])

    /// Reads a document.
    package init(parsing text: String) throws {
        self = try JSONDecoder().decode(TestJSON.self, from: Data(text.utf8))
    }

    package subscript(_ name: String) -> TestJSON? { object?[name] }
    package subscript(_ index: Int) -> TestJSON? {
        guard let array, array.indices.contains(index) else { return nil }
        return array[index]
    }

    package var text: String? { if case .text(let value) = self { value } else { nil } }
    package var int: Int? { if case .number(let value) = self { Int(exactly: value) } else { nil } }
    package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    package var bytes: [UInt8]? { if case .bytes(let value) = self { value } else { nil } }
    package var array: [TestJSON]? { if case .array(let value) = self { value } else { nil } }
    package var object: [String: TestJSON]? { if case .object(let value) = self { value } else { nil } }
}

extension TestJSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
    package init(stringLiteral value: String) { self = .text(value) }
    package init(integerLiteral value: Int) { self = .number(Double(value)) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
}

extension TestJSON: Codable {
    private static let bytesName = "$bytes"

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else if let value = try? container.decode([TestJSON].self) {
            self = .array(value)
        } else {
            let object = try container.decode([String: TestJSON].self)
            let bytes = object[Self.bytesName]?.text.flatMap { Data(base64Encoded: $0) }
            self = bytes.map { .bytes(Array($0)) } ?? .object(object)
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .number(let value): try Int(exactly: value).map { try container.encode($0) } ?? container.encode(value)
        case .text(let value): try container.encode(value)
        case .bytes(let value): try container.encode([Self.bytesName: Data(value).base64EncodedString()])
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }
}
