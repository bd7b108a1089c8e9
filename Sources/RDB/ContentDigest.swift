// SPDX-License-Identifier: Apache-2.0

import Crypto

/// One value for what a dataset says: its databases, keys, types, elements and expiries, and its function libraries.
/// Two snapshots of the same content have the same digest, whatever the order of their keys and the encodings of their
/// values. docs/backup-format.md defines it for third parties.
package struct ContentDigest: Sendable, Hashable, CustomStringConvertible {
    /// Which definition it follows. Another definition would get another number.
    package static let version = 1

    private let sum: DigestSum

    init(_ sum: DigestSum) { self.sum = sum }

    /// Whether another one, as text, follows the same definition.
    package func isComparable(with text: String) -> Bool { text.hasPrefix("\(Self.version):") }

    /// `1:` and 64 hexadecimal digits, the lowest byte of the sum first.
    package var description: String {
        let digits = sum.bytes.map { hexadecimal($0).dropFirst(2) }.joined()
        return "\(Self.version):\(digits)"
    }
}

/// A sum of SHA-256 values modulo 2^256, each taken as an integer, lowest byte first. The order of what is added does
/// not matter, and nothing of it has to be kept.
struct DigestSum: Sendable, Hashable {
    private var words: InlineArray<4, UInt64> = .init(repeating: 0)

    mutating func add(_ digest: SHA256.Digest) {
        var carry: UInt64 = 0
        digest.withUnsafeBytes { bytes in
            for index in 0..<4 {
                let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))
                let (partial, first) = words[index].addingReportingOverflow(word)
                let (total, second) = partial.addingReportingOverflow(carry)
                words[index] = total
                carry = first || second ? 1 : 0
            }
        }
    }

    /// 32 bytes, lowest first.
    var bytes: [UInt8] {
        (0..<32).map { UInt8(truncatingIfNeeded: words[$0 / 8] >> UInt64(8 * ($0 % 8))) }
    }

    static func == (left: Self, right: Self) -> Bool { left.bytes == right.bytes }

    func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
}

/// The SHA-256 of a sequence of integers and texts. Short ones are gathered, because every call of the hash costs more
/// than a short text does.
struct ItemHash {
    private static let gatheredBytesMax = 4096

    private var gathered: [UInt8] = []
    /// What was hashed already, if the item is longer.
    private var hash: SHA256?

    mutating func begin() {
        gathered.removeAll(keepingCapacity: true)
        hash = nil
    }

    mutating func add(_ byte: UInt8) { gathered.append(byte) }

    /// Eight bytes, lowest first.
    mutating func add(_ number: UInt64) {
        // A value may be nothing but numbers, or texts of no bytes.
        if gathered.count >= Self.gatheredBytesMax { hashGathered() }
        withUnsafeBytes(of: number.littleEndian) { gathered.append(contentsOf: $0) }
    }

    mutating func add(_ id: RDBStreamID) {
        add(id.milliseconds)
        add(id.sequence)
    }

    /// A text as a whole: its length, and its bytes.
    mutating func addText(_ bytes: UnsafeRawBufferPointer) {
        add(UInt64(bytes.count))
        add(bytes)
    }

    mutating func addText(_ integer: Int64) {
        var digits = DecimalDigits(integer)
        digits.withBytes { addText($0) }
    }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        if gathered.count + bytes.count <= Self.gatheredBytesMax {
            gathered.append(contentsOf: bytes)
            return
        }
        hashGathered()
        hash?.update(bufferPointer: bytes)
    }

    private mutating func hashGathered() {
        var hash = hash ?? SHA256()
        self.hash = nil
        gathered.withUnsafeBytes { hash.update(bufferPointer: $0) }
        self.hash = hash
        gathered.removeAll(keepingCapacity: true)
    }

    mutating func add(_ digest: SHA256.Digest) { digest.withUnsafeBytes { add($0) } }

    func finished() -> SHA256.Digest {
        gathered.withUnsafeBytes { gathered in
            guard var hash else {
                var hash = SHA256()
                hash.update(bufferPointer: gathered)
                return hash.finalize()
            }
            hash.update(bufferPointer: gathered)
            return hash.finalize()
        }
    }
}
