// SPDX-License-Identifier: Apache-2.0

extension InspectText {
    /// The prefixes with most keys, and those with most bytes; the keys without one stand below the first ones.
    var prefixes: String {
        let prefixes = report.prefixes
        guard !prefixes.byKeys.isEmpty else { return "" }
        let without = prefixes.withoutPrefix
        var rest: [[String]] = []
        if without.count > 0 {
            rest.append([
                "(no prefix)", Quantity.count(without.count), Quantity.bytes(without.bytes),
                Bar.text(Double(without.count), of: Double(report.keys.count)),
            ])
        }
        let byKeys = table("PREFIX BY KEYS", prefixes.byKeys, rest) {
            Bar.text(Double($0.keys ?? 0), of: Double(report.keys.count))
        }
        let byBytes = table("PREFIX BY BYTES", prefixes.byBytes, []) {
            Bar.text(Double($0.bytes ?? 0), of: Double(report.keys.bytes))
        }
        return "\(byKeys)\n\(remark)\n\n\(byBytes)"
    }

    private var remark: String {
        let prefixes = report.prefixes
        guard let keys = prefixes.unwatchedKeysMax, let bytes = prefixes.unwatchedBytesMax else {
            return "\(Quantity.count(UInt64(prefixes.watched))) prefixes, all numbers exact"
        }
        return "more than \(Quantity.count(UInt64(prefixes.watched))) prefixes: estimates, at most the number behind "
            + "the + too many;\none that is not here has at most \(Quantity.count(keys)) keys and "
            + "\(Quantity.bytes(Int64(clamping: bytes)))"
    }

    private func table(
        _ heading: String,
        _ prefixes: [InspectReport.Prefix],
        _ rest: [[String]],
        _ bar: (InspectReport.Prefix) -> String
    ) -> String {
        var table = TextTable([(heading, .left), ("KEYS", .right), ("BYTES", .right), ("", .left)])
        for prefix in prefixes {
            table.append([
                PrintableASCII.cut(prefix.prefix, to: 60) + report.prefixes.delimiter,
                bounded(prefix.keys, prefix.keysExcess) { Quantity.count($0) },
                bounded(prefix.bytes, prefix.bytesExcess) { Quantity.bytes(Int64(clamping: $0)) },
                bar(prefix),
            ])
        }
        for row in rest { table.append(row) }
        return table.text
    }

    /// A number, with how much of it may be too much.
    private func bounded(_ number: UInt64?, _ excess: UInt64?, _ text: (UInt64) -> String) -> String {
        guard let number else { return "?" }
        guard let excess, excess > 0 else { return text(number) }
        return "\(text(number)) (+\(text(excess)))"
    }
}
