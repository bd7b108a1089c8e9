// SPDX-License-Identifier: Apache-2.0

/// The spelling of keys (BIP 173): a prefix, a `1`, the bytes in letters of five bits, and a checksum of six letters.
/// Without the limit of 90 characters, as age has it.
enum Bech32 {
    private static let letters = Array("qpzry9x8gf2tvdw0s3jn54khce6mua7l".utf8)
    private static let checksumLetters = 6

    /// - Parameter prefix: lower case; so is what comes out.
    static func text(prefix: String, _ bytes: [UInt8]) -> String {
        let values = regrouped(bytes, from: 8, to: 5, pads: true) ?? []
        let sum = polymod(expanded(Array(prefix.utf8)) + values + [UInt8](repeating: 0, count: checksumLetters)) ^ 1
        let check = (0..<checksumLetters).map { UInt8((sum >> (5 * UInt32(checksumLetters - 1 - $0))) & 31) }
        return prefix + "1" + String(decoding: (values + check).map { letters[Int($0)] }, as: UTF8.self)
    }

    /// - Returns: the prefix, in lower case, and the bytes; `nil` when any rule is broken.
    static func decode(_ text: String) -> (prefix: String, bytes: [UInt8])? {
        let isUpper = text.utf8.contains { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
        let isLower = text.utf8.contains { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }
        guard !(isUpper && isLower), text.utf8.allSatisfy({ (33...126).contains($0) }) else { return nil }
        let given = Array(text.lowercased().utf8)
        guard let mark = given.lastIndex(of: UInt8(ascii: "1")), mark > 0, given.count - mark > checksumLetters else {
            return nil
        }
        let prefix = Array(given[..<mark])
        let values = given[(mark + 1)...].compactMap { letters.firstIndex(of: $0).map { UInt8($0) } }
        guard values.count == given.count - mark - 1, polymod(expanded(prefix) + values) == 1,
            let bytes = regrouped(values.dropLast(checksumLetters), from: 5, to: 8, pads: false)
        else { return nil }
        return (String(decoding: prefix, as: UTF8.self), bytes)
    }

    private static func expanded(_ prefix: [UInt8]) -> [UInt8] {
        prefix.map { $0 >> 5 } + [0] + prefix.map { $0 & 31 }
    }

    private static func polymod(_ values: [UInt8]) -> UInt32 {
        let generator: [UInt32] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3]
        return values.reduce(1) { sum, value in
            let top = sum >> 25
            let shifted = (sum & 0x1ff_ffff) << 5 ^ UInt32(value)
            return generator.indices.reduce(shifted) { (top >> UInt32($1)) & 1 == 1 ? $0 ^ generator[$1] : $0 }
        }
    }

    /// - Parameter pads: whether bits that are left over are filled up with zeros; otherwise they must be fewer than a
    ///   group, and zeros.
    private static func regrouped(
        _ values: some Collection<UInt8>,
        from: UInt32,
        to: UInt32,
        pads: Bool
    ) -> [UInt8]? {
        var (held, bits): (UInt32, UInt32) = (0, 0)
        var groups: [UInt8] = []
        for value in values {
            held = (held << from | UInt32(value)) & 0xfff
            bits += from
            while bits >= to {
                bits -= to
                groups.append(UInt8(truncatingIfNeeded: held >> bits & ((1 << to) - 1)))
            }
        }
        let rest = held & ((1 << bits) - 1)
        if pads {
            if bits > 0 { groups.append(UInt8(truncatingIfNeeded: rest << (to - bits))) }
        } else if bits >= from || rest != 0 {
            return nil
        }
        return groups
    }
}
