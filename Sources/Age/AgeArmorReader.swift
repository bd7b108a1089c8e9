// SPDX-License-Identifier: Apache-2.0

import Failures

/// Takes a file out of its armor: Base64 between two marks, for what goes through text. Nothing but the one spelling is
/// accepted, so that no two texts are the same file; only around the marks there may be white space.
struct AgeArmorReader: Sendable {
    private static let begin = Array("-----BEGIN AGE ENCRYPTED FILE-----".utf8)
    private static let end = Array("-----END AGE ENCRYPTED FILE-----".utf8)
    private static let lineLetters = 64
    /// How much white space may stand on either side.
    private static let spaceBytesMax = 1024

    private enum Place: Sendable {
        case before
        case inside
        /// After a line that is shorter, or padded: only the mark of the end may come.
        case lastLine
        case after
    }

    private var place = Place.before
    private var line: [UInt8] = []
    private var spaceBytes = 0

    /// Whether a file that begins with this byte is in armor.
    static func begins(with byte: UInt8) -> Bool { byte == UInt8(ascii: "-") || isSpace(byte) }

    /// - Throws: `.corruptEncryption`.
    mutating func consume(_ piece: [UInt8]) throws -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(piece.count * 3 / 4)
        for byte in piece {
            if byte == UInt8(ascii: "\n") {
                if line.last == UInt8(ascii: "\r") { line.removeLast() }
                try take(into: &bytes)
                line.removeAll(keepingCapacity: true)
                try countSpace(1)
            } else {
                line.append(byte)
                // One byte more than the longest line: the first half of its end.
                guard line.count <= Self.lineLetters + 1 || line.allSatisfy(Self.isSpace) else {
                    throw Self.broken("a line is too long")
                }
                if line.count > Self.lineLetters { try countSpace(line.count) }
            }
        }
        return bytes
    }

    /// - Throws: `.truncated` when the mark of the end is missing.
    mutating func finish() throws {
        var bytes: [UInt8] = []
        let isCutInMark = Self.begin.starts(with: line) || Self.end.starts(with: line)
        if !line.isEmpty, !isCutInMark || line == Self.end { try take(into: &bytes) }
        guard case .after = place else {
            throw Failure(.truncated, "read the armor of an age file: it ends before its last line")
        }
    }

    private mutating func take(into bytes: inout [UInt8]) throws {
        switch place {
        case .before:
            if line == Self.begin {
                place = .inside
            } else if !line.allSatisfy(Self.isSpace) {
                throw Self.broken("it does not begin like one")
            } else {
                try countSpace(line.count)
            }
        case .inside, .lastLine:
            if line == Self.end {
                place = .after
                spaceBytes = 0
            } else if case .lastLine = place {
                throw Self.broken("a line stands after the last one")
            } else {
                bytes += try content()
            }
        case .after:
            guard line.allSatisfy(Self.isSpace) else { throw Self.broken("something follows its end") }
            try countSpace(line.count)
        }
    }

    /// What a line says, which is as long as all the others, or the last one.
    private mutating func content() throws -> [UInt8] {
        let letters = line.prefix { $0 != UInt8(ascii: "=") }
        let padding = line.dropFirst(letters.count)
        guard (1...Self.lineLetters).contains(line.count), line.count.isMultiple(of: 4), padding.count <= 2,
            padding.allSatisfy({ $0 == UInt8(ascii: "=") }), let bytes = RawBase64.decode(letters)
        else { throw Self.broken("a line of Base64 is none") }
        if line.count < Self.lineLetters || !padding.isEmpty { place = .lastLine }
        return bytes
    }

    private mutating func countSpace(_ count: Int) throws {
        switch place {
        case .before, .after: spaceBytes += count
        case .inside, .lastLine: return
        }
        guard spaceBytes <= Self.spaceBytesMax else { throw Self.broken("there is too much white space around it") }
    }

    static func isSpace(_ byte: UInt8) -> Bool {
        [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n"), 0x0b, 0x0c].contains(byte)
    }

    private static func broken(_ rule: String) -> Failure {
        Failure(.corruptEncryption, "read the armor of an age file: \(rule)")
    }
}
