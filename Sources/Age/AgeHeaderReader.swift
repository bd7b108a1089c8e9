// SPDX-License-Identifier: Apache-2.0

import Failures

/// Reads a header that arrives in pieces, line by line, and not one byte further.
struct AgeHeaderReader {
    /// Room for some ten thousand recipients of X25519, or 670 post-quantum ones.
    static let bytesMax = 1 << 20
    private static let lineBytesMax = 8192
    private static let versionMark = Array("age-encryption.org/".utf8)

    private var line: [UInt8] = []
    /// All lines so far, with their ends.
    private var read: [UInt8] = []
    private var linesRead = 0
    private var stanzas: [AgeHeader.Stanza] = []
    /// The stanza whose body is being read.
    private var open: (arguments: [String], body: [UInt8])?

    /// - Returns: the header, and how many bytes of this piece belong to it; `nil` while it goes on.
    mutating func consume(_ piece: ArraySlice<UInt8>) throws -> (header: AgeHeader, count: Int)? {
        for (index, byte) in zip(piece.indices, piece) {
            guard byte == UInt8(ascii: "\n") else {
                line.append(byte)
                try requireHope()
                continue
            }
            if let header = try take() { return (header, index + 1 - piece.startIndex) }
            line = []
        }
        return nil
    }

    /// Tells that nothing more comes.
    func finish() throws -> Never {
        let count = read.count + line.count
        throw Failure(
            .truncated,
            count == 0
                ? "read the header of an age file: the file is empty"
                : "read the header of an age file: it ends after \(count) bytes, inside of its header"
        )
    }

    /// What is no age file is refused before its first line ends.
    private func requireHope() throws {
        guard line.count <= Self.lineBytesMax, read.count + line.count <= Self.bytesMax else {
            throw AgeHeader.broken("it is larger than \(Self.bytesMax) bytes, or a line of it is")
        }
        guard linesRead == 0 else { return }
        guard line.starts(with: Self.versionMark.prefix(line.count)) else {
            throw AgeHeader.broken("it does not begin like one")
        }
    }

    /// Takes the line that came to its end.
    private mutating func take() throws -> AgeHeader? {
        defer { linesRead += 1 }
        if linesRead == 0 {
            try takeVersion()
        } else if var stanza = open {
            try Self.take(line, into: &stanza.body)
            open = stanza
            if line.count < AgeHeader.bodyLineLetters { try close(stanza) }
        } else if line.starts(with: AgeHeader.stanzaMark) {
            open = (try Self.arguments(line.dropFirst(AgeHeader.stanzaMark.count)), [])
        } else {
            return try end()
        }
        read += line + [UInt8(ascii: "\n")]
        return nil
    }

    private func takeVersion() throws {
        guard line != AgeHeader.firstLine else { return }
        guard line.starts(with: Self.versionMark), line.last != UInt8(ascii: "\r") else {
            throw AgeHeader.broken("it does not begin like one")
        }
        throw Failure(
            .unsupported,
            "read the header of an age file: it is of another version than age-encryption.org/v1"
        )
    }

    private static func take(_ line: [UInt8], into body: inout [UInt8]) throws {
        guard line.count <= AgeHeader.bodyLineLetters, let bytes = RawBase64.decode(line) else {
            throw AgeHeader.broken("a line of Base64 is none, or too long")
        }
        body += bytes
    }

    private mutating func close(_ stanza: (arguments: [String], body: [UInt8])) throws {
        stanzas.append(try AgeHeader.Stanza(reading: stanza.arguments, stanza.body))
        open = nil
    }

    private static func arguments(_ text: ArraySlice<UInt8>) throws -> [String] {
        let arguments = text.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard arguments.allSatisfy({ !$0.isEmpty && $0.allSatisfy { (33...126).contains($0) } }) else {
            throw AgeHeader.broken("an argument of a stanza is empty, or not of printable ASCII")
        }
        return arguments.map { String(decoding: $0, as: UTF8.self) }
    }

    /// `--- ` and the code.
    private func end() throws -> AgeHeader {
        let mark = AgeHeader.codeMark + [UInt8(ascii: " ")]
        guard line.starts(with: mark), let code = RawBase64.decode(line.dropFirst(mark.count)),
            code.count == AgeHeader.codeBytes
        else { throw AgeHeader.broken("where a stanza or the authentication code should stand is neither") }
        return try AgeHeader(reading: stanzas, coded: read + AgeHeader.codeMark, code: code)
    }
}
