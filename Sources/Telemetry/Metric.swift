// SPDX-License-Identifier: Apache-2.0

/// A family of values of one kind, as Prometheus knows it. All are gauges: a run is too short to count anything.
package struct MetricFamily: Sendable, Hashable {
    /// As `redoubt_backup_raw_bytes`.
    package let name: String
    /// One sentence.
    package let help: String

    package init(_ name: String, _ help: String) {
        self.name = name
        self.help = help
    }
}

/// One value of a family.
package struct MetricSample: Sendable, Hashable {
    package let family: MetricFamily
    /// In the order in which they are written. Names of few: never a key, a file, or a time.
    package let labels: [MetricLabel]
    package let value: Double

    package init(_ family: MetricFamily, labels: [MetricLabel] = [], _ value: Double) {
        self.family = family
        self.labels = labels
        self.value = value
    }
}

package struct MetricLabel: Sendable, Hashable {
    package let name: String
    package let value: String

    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// The text format of Prometheus, version 0.0.4.
package enum MetricText {
    /// The samples, family by family in the order of names; without times, which textfiles and Pushgateways refuse.
    package static func encode(_ samples: [MetricSample]) -> String {
        let families = Dictionary(grouping: samples, by: \.family.name).sorted { $0.key < $1.key }
        return families.map { name, samples in
            let help = samples.first.map { escaped($0.family.help, quotes: false) } ?? ""
            let values = samples.map { "\(series($0.family.name, $0.labels)) \(number($0.value))" }.sorted()
            return "# HELP \(name) \(help)\n# TYPE \(name) gauge\n" + values.map { $0 + "\n" }.joined()
        }
        .joined()
    }

    static func series(_ name: String, _ labels: [MetricLabel]) -> String {
        let shown = labels.filter { !$0.value.isEmpty }
        guard !shown.isEmpty else { return name }
        return name + "{" + shown.map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }.joined(separator: ",")
            + "}"
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        let lines = text.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
        return quotes ? lines.replacing("\"", with: "\\\"") : lines
    }

    /// Whole numbers in full: a time in the form 1.8e9 would have lost its seconds.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value.rounded() == value && abs(value) < 0x1p53 ? "\(Int64(value))" : "\(value)"
    }
}

/// What a textfile holds already, line by line: whatever is not written anew is carried over.
package struct MetricLines: Sendable {
    /// The comment lines of each family, and its values by series.
    private var families: [String: Family] = [:]

    struct Family: Sendable {
        var comments: [String] = []
        var values: [String: String] = [:]
    }

    /// What is not understood is passed over.
    package init(parsing text: String) {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 3)
            if line.hasPrefix("#") {
                guard words.count >= 4, ["HELP", "TYPE"].contains(words[1]) else { continue }
                families[String(words[2]), default: Family()].comments.append(String(line))
            } else if let (series, value) = Self.sample(line) {
                families[Self.name(of: series), default: Family()].values[series] = value
            }
        }
        families = families.filter { $0.key.hasPrefix("redoubt_") && !$0.value.values.isEmpty }
    }

    private static func sample(_ line: Substring) -> (series: String, value: String)? {
        // A label may hold spaces; the value holds none.
        guard let space = line.lastIndex(of: " ") else { return nil }
        let (series, value) = (line[..<space], line[line.index(after: space)...])
        guard Double(value) != nil || ["NaN", "+Inf", "-Inf"].contains(value) else { return nil }
        let isWhole = series.contains("{") == series.hasSuffix("}") && !series.isEmpty
        guard isWhole, name(of: String(series)).utf8.allSatisfy(isNameByte) else { return nil }
        return (String(series), String(value))
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "_") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func name(of series: String) -> String { String(series.prefix { $0 != "{" }) }

    /// Writes samples over those that are there; families that are written anew get their words anew too.
    package mutating func merge(_ samples: [MetricSample]) {
        for sample in samples {
            let name = sample.family.name
            let fresh = MetricLines(parsing: MetricText.encode([sample])).families[name] ?? Family()
            families[name, default: Family()].comments = fresh.comments
            families[name, default: Family()].values.merge(fresh.values) { $1 }
        }
    }

    /// Takes away what one run says of a name that another will say no more: all families of that prefix.
    mutating func remove(where isGone: (_ name: String, _ series: String) -> Bool) {
        for (name, family) in families {
            families[name]?.values = family.values.filter { !isGone(name, $0.key) }
        }
        families = families.filter { !$0.value.values.isEmpty }
    }

    /// The values of a label in the families with that prefix.
    package func values(ofLabel label: String, inFamiliesOf prefix: String) -> Set<String> {
        var found: Set<String> = []
        for (name, family) in families where name.hasPrefix(prefix) {
            for series in family.values.keys {
                guard let start = series.firstRange(of: "\(label)=\"")?.upperBound else { continue }
                found.insert(String(series[start...].prefix { $0 != "\"" }))
            }
        }
        return found
    }

    package var text: String {
        families.sorted { $0.key < $1.key }.map { _, family in
            (family.comments + family.values.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" })
                .map { $0 + "\n" }.joined()
        }
        .joined()
    }
}
