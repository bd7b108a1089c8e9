// SPDX-License-Identifier: Apache-2.0

/// Bytes as hexadecimal digits.
enum Hexadecimal {
    private static let digits = Array("0123456789abcdef".utf8)

    /// In lower case.
    static func text(_ bytes: some Sequence<UInt8>) -> String {
        String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// `nil` when the text is anything but pairs of digits, of either case.
    static func bytes(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var rest = Substring(text)
        while let high = rest.popFirst() {
            guard let low = rest.popFirst(), high.isASCII, low.isASCII, let highValue = high.hexDigitValue,
                let lowValue = low.hexDigitValue
            else { return nil }
            bytes.append(UInt8(highValue << 4 | lowValue))
        }
        return bytes
    }
}

/// Base64 of RFC 4648 §4.
enum Base64 {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func text(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for place in 0..<4 {
                text.append(place <= group.count ? digits[bits >> (18 - 6 * place) & 63] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// `nil` when the text is anything but groups of four digits, the last of them filled up with `=`.
    static func bytes(_ text: String) -> [UInt8]? {
        let all = Array(text.utf8)
        let filled = all.suffix(2).count { $0 == UInt8(ascii: "=") }
        guard all.count % 4 == 0 else { return nil }
        var bytes: [UInt8] = []
        var (bits, count) = (0, 0)
        for digit in all.dropLast(filled) {
            guard let value = digits.firstIndex(of: digit) else { return nil }
            (bits, count) = (bits << 6 | value, count + 6)
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> count))
                bits &= (1 << count) - 1
            }
        }
        return bytes
    }

    /// The same, where the `=` at the end may be left out.
    static func bytes(unfilled text: some StringProtocol) -> [UInt8]? {
        bytes(text + String(repeating: "=", count: text.hasSuffix("=") ? 0 : (4 - text.utf8.count % 4) % 4))
    }
}
