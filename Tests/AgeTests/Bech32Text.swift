// SPDX-License-Identifier: Apache-2.0

/// The spelling of keys, written apart from the module that is tested (BIP 173, by bits).
enum Bech32Text {
    static func of(_ prefix: String, _ bytes: [UInt8]) -> String {
        var bits = bytes.flatMap { byte in (0..<8).reversed().map { byte >> $0 & 1 } }
        while !bits.count.isMultiple(of: 5) { bits.append(0) }
        let values = stride(from: 0, to: bits.count, by: 5).map { Int(bits[$0..<($0 + 5)].reduce(0) { $0 << 1 | $1 }) }
        let expanded = prefix.utf8.map { Int($0) >> 5 } + [0] + prefix.utf8.map { Int($0) & 31 }
        let sum = checksum(expanded + values + [0, 0, 0, 0, 0, 0]) ^ 1
        let letters = Array("qpzry9x8gf2tvdw0s3jn54khce6mua7l")
        return prefix + "1" + String((values + (0..<6).map { sum >> (5 * (5 - $0)) & 31 }).map { letters[$0] })
    }

    private static func checksum(_ values: [Int]) -> Int {
        var sum = 1
        for value in values {
            let top = sum >> 25
            sum = (sum & 0x1ff_ffff) << 5 ^ value
            for (bit, generator) in [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3].enumerated()
            where top >> bit & 1 == 1 {
                sum ^= generator
            }
        }
        return sum
    }
}
