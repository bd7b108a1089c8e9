// SPDX-License-Identifier: Apache-2.0

/// One header of a tar archive (POSIX.1-2017, pax, "ustar Interchange Format"): 512 bytes before the bytes of a file.
package struct TarHeader: Sendable, Hashable {
    /// What an entry is, as far as it matters here; the letters are those of the format.
    package enum Kind: UInt8, Sendable {
        case file = 0x30
        case folder = 0x35
        /// Records about the next entry (`pax Header Block`), and about all that follow.
        case extended = 0x78
        case global = 0x67
        /// The name of the next entry, as GNU tar writes long ones.
        case longName = 0x4C
    }

    package static let blockBytes = 512
    /// What ends an archive: two blocks of zeros.
    package static let end = [UInt8](repeating: 0, count: 2 * blockBytes)

    package var kind: Kind
    package var path: String
    package var bytes: Int64

    /// What follows bytes of a file, up to the end of a block.
    package static func padding(after bytes: Int64) -> Int {
        let rest = Int(bytes % Int64(blockBytes))
        return rest == 0 ? 0 : blockBytes - rest
    }

    private static let pathLengthMax = 100
    /// Eleven octal digits.
    private static let octalMax: Int64 = 0o77_777_777_777

    /// The header of a file, with an extended one before it where the plain fields are too small.
    package static func encoded(path: String, bytes: Int64, modifiedAtSeconds: Int64) -> [UInt8] {
        var records = ""
        if path.utf8.count > pathLengthMax { records += record("path", path) }
        if bytes > octalMax { records += record("size", String(bytes)) }
        var encoded: [UInt8] = []
        if !records.isEmpty {
            let body = Array(records.utf8)
            encoded += block(.extended, "pax", bytes: Int64(body.count), modifiedAtSeconds) + body
            encoded += [UInt8](repeating: 0, count: padding(after: Int64(body.count)))
        }
        let name = String(decoding: path.utf8.suffix(pathLengthMax), as: UTF8.self)
        return encoded + block(.file, name, bytes: min(bytes, octalMax), modifiedAtSeconds)
    }

    /// `25 path=…\n`: the number counts all of the record, itself too.
    private static func record(_ name: String, _ value: String) -> String {
        let rest = " \(name)=\(value)\n".utf8.count
        var length = rest
        while rest + String(length).utf8.count != length { length = rest + String(length).utf8.count }
        return "\(length) \(name)=\(value)\n"
    }

    private static func block(_ kind: Kind, _ path: String, bytes: Int64, _ modifiedAtSeconds: Int64) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: blockBytes)
        func put(_ text: String, at offset: Int) {
            block.replaceSubrange(offset..<offset + text.utf8.count, with: Array(text.utf8))
        }
        put(path, at: 0)
        put("0000644\0", at: 100)
        put("0000000\0", at: 108)
        put("0000000\0", at: 116)
        put(octal(bytes, digits: 11) + "\0", at: 124)
        put(octal(max(0, min(modifiedAtSeconds, octalMax)), digits: 11) + "\0", at: 136)
        put("        ", at: 148)
        put(String(UnicodeScalar(kind.rawValue)), at: 156)
        put("ustar\0" + "00", at: 257)
        put(octal(Int64(block.reduce(0) { $0 + Int($1) }), digits: 6) + "\0 ", at: 148)
        return block
    }

    private static func octal(_ number: Int64, digits: Int) -> String {
        let text = String(number, radix: 8)
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }
}

extension TarHeader {
    /// - Returns: `nil` for a block of zeros, which ends an archive.
    /// - Throws: `TarDamage` when the block is no header, or one of what no backup is made of.
    package init?(decoding block: [UInt8]) throws(TarDamage) {
        precondition(block.count == Self.blockBytes)
        if block.allSatisfy({ $0 == 0 }) { return nil }
        let sum = block.enumerated().reduce(0) { $0 + ((148..<156).contains($1.offset) ? 0x20 : Int($1.element)) }
        guard try Self.number(block[148..<156]) == Int64(sum) else { throw TarDamage(reason: "a header is damaged") }
        // Of old archives: a plain file.
        let letter = block[156] == 0 ? Kind.file.rawValue : block[156]
        guard let kind = Kind(rawValue: letter) else {
            throw TarDamage(reason: "it holds something that is neither a file nor a folder")
        }
        self.kind = kind
        let isUstar = block[257..<262].elementsEqual("ustar".utf8)
        // GNU's own format has other fields where the rest of the name would be.
        let prefix = isUstar && block[262] == 0 ? Self.text(block[345..<500]) : ""
        path = (prefix.isEmpty ? "" : prefix + "/") + Self.text(block[0..<100])
        bytes = kind == .folder ? 0 : try Self.number(block[124..<136])
    }

    private static func text(_ field: ArraySlice<UInt8>) -> String {
        String(decoding: field.prefix { $0 != 0 }, as: UTF8.self)
    }

    /// Octal digits; or, where the first bit is set, a binary number (GNU, star).
    private static func number(_ field: ArraySlice<UInt8>) throws(TarDamage) -> Int64 {
        if field.first == 0x80 {
            guard field.dropFirst().dropLast(8).allSatisfy({ $0 == 0 }), field.suffix(8).first ?? 0xFF < 0x80 else {
                throw TarDamage(reason: "a number in a header is too large")
            }
            return field.suffix(8).reduce(0) { $0 << 8 | Int64($1) }
        }
        let digits = field.drop { $0 == 0x20 }.prefix { $0 != 0x20 && $0 != 0 }
        guard let number = Int64(String(decoding: digits, as: UTF8.self), radix: 8), number >= 0 else {
            throw TarDamage(reason: "a number in a header is none")
        }
        return number
    }

    /// Takes what an extended header says of this entry.
    package mutating func take(records: [UInt8]) throws(TarDamage) {
        var rest = records[...]
        while !rest.isEmpty {
            let digits = rest.prefix { $0 != 0x20 }
            guard let length = Int(String(decoding: digits, as: UTF8.self)), length > digits.count + 1,
                length <= rest.count, rest[rest.startIndex + length - 1] == 0x0A
            else { throw TarDamage(reason: "an extended header is damaged") }
            let record = rest.dropFirst(digits.count + 1).prefix(length - digits.count - 2)
            let name = record.prefix { $0 != UInt8(ascii: "=") }
            let value = String(decoding: record.dropFirst(name.count + 1), as: UTF8.self)
            rest = rest.dropFirst(length)
            switch String(decoding: name, as: UTF8.self) {
            case "path": path = value
            case "size":
                guard let size = Int64(value), size >= 0 else { throw TarDamage(reason: "a size is none") }
                bytes = size
            default: continue
            }
        }
    }
}

/// What is wrong with an archive.
package struct TarDamage: Error, Hashable {
    package let reason: String
}
