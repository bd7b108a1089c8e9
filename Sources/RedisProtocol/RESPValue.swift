// SPDX-License-Identifier: Apache-2.0

/// One value of the Redis serialization protocol, version 2 or 3.
///
/// Strings of the wire are bytes: only the short lines (simple strings, errors, numbers) are text here.
/// See https://redis.io/docs/latest/develop/reference/protocol-spec/.
package indirect enum RESPValue: Sendable, Hashable {
    /// `+OK`: a line of text.
    case simple(String)
    /// `-ERR …` or `!21`: what the server refuses, and why.
    case error(RESPError)
    /// `:42`.
    case integer(Int64)
    /// `$5`: any bytes.
    case bulk([UInt8])
    /// `_`, `$-1` or `*-1`.
    case null
    /// `*3`.
    case array([RESPValue])
    /// `,3.14`.
    case double(Double)
    /// `#t`.
    case boolean(Bool)
    /// `(3492890328409238509324850943850943825024385`: its digits, as written.
    case bigNumber(String)
    /// `=15`: text with the three letters of its format.
    case verbatim(format: String, text: [UInt8])
    /// `%2`, in the order of the wire.
    case map([RESPEntry])
    /// `~3`, in the order of the wire.
    case set([RESPValue])
    /// `>3`: not the reply to a command.
    case push([RESPValue])
}

/// A key and its value in a map.
package struct RESPEntry: Sendable, Hashable {
    package let key: RESPValue
    package let value: RESPValue

    package init(key: RESPValue, value: RESPValue) {
        self.key = key
        self.value = value
    }
}

/// An error reply: its first word, in upper case by custom, and the text after it.
package struct RESPError: Sendable, Hashable, CustomStringConvertible {
    /// `ERR`, `NOAUTH`, `NOPERM`, `LOADING`, …; empty when the line does not start with such a word.
    package let kind: String
    /// The rest of the line; the whole line when there is no `kind`.
    package let message: String

    package init(kind: String, message: String) {
        self.kind = kind
        self.message = message
    }

    /// - Parameter line: the reply without its `-` and its end of line.
    ///
    /// A bare `-ERR` exists: Redis answers it when `fork` fails (rdb.c, `bgsaveCommand`).
    /// Some errors of the replication come as `--NOMASTERLINK`, because their authors wrote the dash twice.
    package init(line: some StringProtocol) {
        let line = line.first == "-" ? line.dropFirst() : line[...]
        let word = line.prefix { $0 != " " }
        let isKind = !word.isEmpty && word.allSatisfy { $0.isASCII && ($0.isUppercase || $0.isNumber || $0 == "_") }
        kind = isKind ? String(word) : ""
        message = isKind ? String(line.dropFirst(word.count + 1)) : String(line)
    }

    package var description: String {
        if kind.isEmpty { return message }
        return message.isEmpty ? kind : "\(kind) \(message)"
    }
}

extension RESPValue {
    /// The text of a simple, bulk or verbatim string, or of a big number; bytes that are not UTF-8 are replaced.
    package var text: String? {
        switch self {
        case .simple(let text), .bigNumber(let text): text
        case .bulk(let bytes), .verbatim(_, let bytes): String(decoding: bytes, as: UTF8.self)
        default: nil
        }
    }

    /// The bytes of a simple, bulk or verbatim string.
    package var bytes: [UInt8]? {
        switch self {
        case .simple(let text): Array(text.utf8)
        case .bulk(let bytes), .verbatim(_, let bytes): bytes
        default: nil
        }
    }

    /// An integer, or a string of its digits (`TIME` and `CONFIG GET` give those).
    package var integer: Int64? {
        if case .integer(let value) = self { return value }
        return text.flatMap { Int64($0) }
    }

    /// The elements of an array, a set or a push.
    package var elements: [RESPValue]? {
        switch self {
        case .array(let elements), .set(let elements), .push(let elements): elements
        default: nil
        }
    }

    /// Pairs: of a map, or of an array with keys and values in turn, as version 2 sends a map.
    package var entries: [RESPEntry]? {
        switch self {
        case .map(let entries):
            return entries
        case .array(let elements) where elements.count.isMultiple(of: 2):
            return stride(from: 0, to: elements.count, by: 2).map {
                RESPEntry(key: elements[$0], value: elements[$0 + 1])
            }
        default:
            return nil
        }
    }

    /// The error, if this is one.
    package var error: RESPError? {
        if case .error(let error) = self { return error }
        return nil
    }
}
