// SPDX-License-Identifier: Apache-2.0

/// The beginning of a string that is kept while the rest is skipped: a key, so that an error can name it, or the text
/// of an AUX field.
struct RDBExcerpt {
    private var bytes: [UInt8] = []
    private var header = RDBStringHeader(size: 0, stored: 0, length: 0)
    /// How many bytes more are kept.
    private(set) var room = 0

    /// Begins with a string, of which at most `limit` stored bytes are kept.
    mutating func begin(_ header: RDBStringHeader, limit: Int) {
        self.header = header
        bytes.removeAll(keepingCapacity: true)
        room = min(limit, header.stored)
    }

    /// Adds stored bytes, as far as there is room.
    mutating func append(_ more: Slice<UnsafeRawBufferPointer>) {
        let kept = min(room, more.count)
        bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: more.prefix(kept)))
        room -= kept
    }

    /// The string as bytes, if all of it was kept and it is no longer than `limit`.
    ///
    /// - Throws: if it does not decompress.
    func whole(limit: Int) throws(RDBViolation) -> [UInt8]? {
        guard bytes.count == header.stored, header.length <= limit else { return nil }
        let (text, isWhole) = decoded(limit: header.length)
        guard header.encoding != .compressed || (isWhole && text.count == header.length) else {
            throw RDBViolation(.compressedString, "\(header.stored) bytes do not decompress to \(header.length)")
        }
        return text
    }

    /// The beginning of the string.
    func beginning(limit: Int) -> [UInt8] { decoded(limit: limit).bytes }

    /// The beginning of the string in printable characters.
    func escaped(limit: Int) -> String {
        RDB.escaped(decoded(limit: limit).bytes, limit: limit)
    }

    private func decoded(limit: Int) -> (bytes: [UInt8], isWhole: Bool) {
        switch header.encoding {
        case .plain: (bytes, true)
        case .compressed: LZF.inflate(bytes, limit: limit)
        case .integer: (Array(String(integer).utf8), true)
        }
    }

    /// The signed integer that `bytes` are, lowest first.
    private var integer: Int64 {
        let unsigned = bytes.reversed().reduce(Int64(0)) { $0 << 8 | Int64($1) }
        let shift = 64 - 8 * Int64(bytes.count)
        return (unsigned << shift) >> shift
    }
}

/// Bytes in printable ASCII, at most `limit` characters of it: a quote and a backslash get a backslash, and any other
/// byte is written as `\xhh`, as `redis-cli` does.
package func escaped(_ bytes: some Sequence<UInt8>, limit: Int = 64) -> String {
    var text = ""
    for byte in bytes {
        let next =
            switch byte {
            case 0x22, 0x5c: "\\" + String(UnicodeScalar(byte))
            case 0x20..<0x7f: String(UnicodeScalar(byte))
            default: "\\x" + hexadecimal(byte).dropFirst(2)
            }
        guard text.utf8.count + next.utf8.count <= limit else { break }
        text += next
    }
    return text
}
