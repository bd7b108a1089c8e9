// SPDX-License-Identifier: Apache-2.0

import Catalog

/// What a drill found, for programs: its record, and where that and the report are.
struct DrillDocument: Encodable {
    let record: DrillRecord
    /// `nil` where none was kept.
    let recordKey: String?
    let report: String?

    func encode(to encoder: any Encoder) throws {
        try record.encode(to: encoder)
        var container = encoder.container(keyedBy: Place.self)
        try container.encode(record.secondsToRestore, forKey: .secondsToRestore)
        try container.encode(recordKey, forKey: .recordKey)
        try container.encodeIfPresent(report, forKey: .report)
    }

    private enum Place: String, CodingKey {
        case secondsToRestore, recordKey, report
    }
}

/// What a drill found, as a person reads it.
struct DrillText {
    private let document: DrillDocument
    private var record: DrillRecord { document.record }

    init(_ document: DrillDocument) {
        self.document = document
    }

    var text: String {
        var table = TextTable([
            ("MEMBER", .left), ("VERDICT", .left), ("KEYS", .right), ("EXPIRED", .right), ("RAW", .right),
            ("RESTORE", .right), ("LOAD", .right), ("READ BACK", .right), ("COMPARE", .right),
        ])
        for member in record.members {
            func took(_ seconds: Double?) -> String { seconds.map(Quantity.duration) ?? "-" }
            table.append([
                member.member, member.verdict == .proven ? "proven" : member.verdict.rawValue.uppercased(),
                Quantity.count(member.found?.keyCount ?? member.keys), member.expired.map(Quantity.count) ?? "-",
                Quantity.bytes(member.bytes), took(member.seconds.restore), took(member.seconds.load),
                took(member.seconds.readBack), took(member.seconds.compare),
            ])
        }
        let digests = record.members.compactMap { member in
            member.found.map { "\(member.member): content \($0.digest)" }
        }
        let places = [
            document.recordKey.map { "record    \($0)" }, document.report.map { "report    \($0)" },
        ].compactMap { $0 }
        return (["\(record.name)/\(record.backup)", table.text] + digests + places + [verdict])
            .joined(separator: "\n")
    }

    /// What came of it, in a sentence.
    var verdict: String {
        let server = record.server.map { "\($0.product) \($0.version)" } ?? "a server"
        let what = "drill of \(record.name)/\(record.backup) into \(server)"
        guard record.verdict == .proven else { return "\(what): \(unprovenText)" }
        let seconds = record.secondsToRestore ?? 0
        return "\(what): content proven, \(Quantity.bytes(record.bytes)) restored in \(Quantity.duration(seconds))"
            + (seconds > 0 ? " (\(Quantity.bytes(Int64(Double(record.bytes) / seconds)))/s)" : "")
    }

    var unprovenText: String {
        let different = record.members.filter { $0.verdict == .different }.count
        let failed = record.members.filter { $0.verdict == .failed }.count
        let counts = [(different, "differ"), (failed, "could not be drilled")].filter { $0.0 > 0 }
        return counts.map { "\($0.0) of \(record.members.count) members \($0.1)" }.joined(separator: ", ")
    }
}
