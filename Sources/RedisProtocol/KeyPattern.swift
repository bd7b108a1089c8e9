// SPDX-License-Identifier: Apache-2.0

/// A pattern of keys as `KEYS` and `SCAN … MATCH` take it, over bytes: `*`, `?`, `[abc]`, `[a-z]`, `[^a]`, and `\`
/// before a byte that shall mean itself (redis src/util.c, `stringmatchlen`).
package struct KeyPattern: Sendable, Hashable {
    private enum Token: Sendable, Hashable {
        /// Any number of any bytes.
        case any
        case one(ByteSet)
    }

    /// Which bytes stand in a place.
    private struct ByteSet: Sendable, Hashable {
        private var words: [UInt64] = [0, 0, 0, 0]

        static let all: ByteSet = {
            var set = ByteSet()
            set.insert(0...255)
            return set
        }()

        init() {}

        init(_ byte: UInt8) { insert(byte...byte) }

        mutating func insert(_ range: ClosedRange<UInt8>) {
            for byte in range { words[Int(byte >> 6)] |= 1 << UInt64(byte & 63) }
        }

        mutating func invert() { for index in 0..<4 { words[index] = ~words[index] } }

        func contains(_ byte: UInt8) -> Bool { words[Int(byte >> 6)] & 1 << UInt64(byte & 63) != 0 }
    }

    private let tokens: [Token]

    package init(_ text: String) { self.init(Array(text.utf8)) }

    /// Every sequence of bytes is a pattern.
    package init(_ pattern: [UInt8]) {
        var tokens: [Token] = []
        var rest = pattern[...]
        while let first = rest.popFirst() {
            switch first {
            case UInt8(ascii: "*"): if tokens.last != .any { tokens.append(.any) }
            case UInt8(ascii: "?"): tokens.append(.one(.all))
            case UInt8(ascii: "["): tokens.append(.one(Self.set(&rest)))
            case UInt8(ascii: "\\"): tokens.append(.one(ByteSet(rest.popFirst() ?? first)))
            default: tokens.append(.one(ByteSet(first)))
            }
        }
        self.tokens = tokens
    }

    /// What stands between brackets; without the second one, up to the end.
    private static func set(_ rest: inout ArraySlice<UInt8>) -> ByteSet {
        var set = ByteSet()
        let isInverted = rest.first == UInt8(ascii: "^")
        if isInverted { rest.removeFirst() }
        while let first = rest.popFirst() {
            if first == UInt8(ascii: "\\"), let escaped = rest.popFirst() {
                set.insert(escaped...escaped)
            } else if first == UInt8(ascii: "]") {
                break
            } else if rest.count >= 2, rest.first == UInt8(ascii: "-") {
                let last = rest.removeFirst(2)
                set.insert(min(first, last)...max(first, last))
            } else {
                set.insert(first...first)
            }
        }
        if isInverted { set.invert() }
        return set
    }

    /// Whether a name is meant by the pattern. Takes no longer than their lengths multiplied.
    package func matches(_ name: [UInt8]) -> Bool {
        var (token, byte) = (0, 0)
        /// Where to go on when what follows the last star does not match.
        var retry: (token: Int, byte: Int)?
        while byte < name.count {
            if token < tokens.count, case .one(let set) = tokens[token], set.contains(name[byte]) {
                token += 1
                byte += 1
            } else if token < tokens.count, tokens[token] == .any {
                token += 1
                retry = (token, byte)
            } else if let last = retry {
                token = last.token
                byte = last.byte + 1
                retry = (token, byte)
            } else {
                return false
            }
        }
        return tokens[token...].allSatisfy { $0 == .any }
    }
}

extension ArraySlice<UInt8> {
    /// Takes so many away, at least one, and gives the last of them.
    fileprivate mutating func removeFirst(_ count: Int) -> UInt8 {
        let last = self[startIndex + count - 1]
        self = dropFirst(count)
        return last
    }
}
