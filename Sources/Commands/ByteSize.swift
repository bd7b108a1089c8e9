// SPDX-License-Identifier: Apache-2.0

import Kubernetes

/// An amount of bytes as people write it: `5`, `5k`, `5M`, `5Mi`, `5MiB`, `1.5Gi`.
///
/// As Kubernetes has it: `k`, `M`, `G`, `T` are powers of 1000, `Ki`, `Mi`, `Gi`, `Ti` of 1024. A `B` may follow, and a
/// number alone is bytes. `m` is a thousandth there, which nobody means, and is refused.
package struct ByteSize: Sendable, Hashable, CustomStringConvertible {
    package let bytes: Int64

    /// Why a text is no size, and what to write instead.
    package struct Refusal: Error, CustomStringConvertible {
        package let description: String
    }

    package init(bytes: Int64) {
        self.bytes = bytes
    }

    /// - Throws: `Refusal`.
    package init(reading text: String) throws {
        var plain = text[...]
        if plain.last == "B" { plain.removeLast() }
        if plain.last == "K" {
            plain.removeLast()
            plain += "k"
        }
        guard plain.last.map({ !"mnu".contains($0) }) ?? false, let bytes = Kubernetes.Quantity.bytes(String(plain)),
            text.first != "+"
        else { throw Self.refusal(of: text) }
        self.bytes = bytes
    }

    /// What an option takes, as one that throws.
    package static func reading(_ text: String) throws -> ByteSize { try ByteSize(reading: text) }

    /// The same, where a number alone is of mebibytes.
    package static func readingMebibytes(_ text: String) throws -> ByteSize {
        try ByteSize(reading: text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? text + "Mi" : text)
    }

    private static func refusal(of text: String) -> Refusal {
        if let last = text.last, "mgt".contains(last) {
            let unit = last.uppercased()
            return Refusal(description: "write \(unit) for a power of 1000, \(unit)i for one of 1024")
        }
        return Refusal(
            description: "a number of bytes, or one with k, M, G, T or Ki, Mi, Gi, Ti, as 512Mi, 8GiB or 20G"
        )
    }

    /// With the largest unit that leaves a whole number.
    package var description: String {
        let units: [(String, Int64)] = [("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)]
        for (name, factor) in units where bytes > 0 && bytes % factor == 0 { return "\(bytes / factor)\(name)" }
        return "\(bytes)"
    }
}
