// SPDX-License-Identifier: Apache-2.0

/// What is in a snapshot, as a person reads it.
struct InspectText {
    /// How many databases are shown; a cluster of tenants may have thousands.
    private static let databasesMax = 32

    let report: InspectReport

    init(_ report: InspectReport) { self.report = report }

    var text: String {
        let sections = [
            head, databases, types, encodings, prefixes, expiry, largest("by bytes", report.largestKeys.byBytes),
            largest("by elements", report.largestKeys.byElements), target,
        ]
        return sections.filter { !$0.isEmpty }.joined(separator: "\n\n")
    }

    // MARK: The head

    private var head: String {
        let rdb = report.rdb
        var lines = source
        lines.append(
            "snapshot  \(rdb.dialect == "valkey" ? "VALKEY" : "REDIS") version \(rdb.version), "
                + "\(Quantity.bytes(rdb.bytes)), CRC-64 \(rdb.crc64)\(rdb.hasChecksum ? "" : " (not in the file)")"
        )
        if let version = rdb.serverVersion { lines.append("server    \(rdb.serverProduct ?? "") \(version)") }
        if let created = rdb.createdAt { lines.append("created   \(created)") }
        if let id = rdb.replicationID {
            lines.append("history   \(id)\(rdb.replicationOffset.map { " at \($0)" } ?? "")")
        }
        let aux = rdb.aux.filter { !Self.auxShown.contains($0.key) }.sorted { $0.key < $1.key }
        if !aux.isEmpty {
            let fields = aux.map { "\($0.key) \(PrintableASCII.cut($0.value, to: 64))" }
            lines.append("aux       \(fields.joined(separator: ", "))")
        }
        lines.append(
            "keys      \(Quantity.count(report.keys.count)), \(Quantity.count(report.keys.withExpiry)) with an expiry"
        )
        return (lines + memory + modules + functions).joined(separator: "\n")
    }

    private static let auxShown: Set = ["redis-ver", "valkey-ver", "ctime", "repl-id", "repl-offset", "used-mem"]

    private var source: [String] {
        let source = report.source
        if let file = source.file { return ["file      \(PrintableASCII.text(file))"] }
        let (name, member) = (PrintableASCII.text(source.name ?? ""), PrintableASCII.text(source.member ?? ""))
        let others = (source.storedMembers ?? 1) - 1
        return [
            "backup    \(name)/\(source.id ?? "")",
            "member    \(member)\(others > 0 ? "  (of \(others + 1); --member shows another)" : "")",
        ]
    }

    private var memory: [String] {
        let estimated = "\(Quantity.bytes(report.memory.estimatedBytes)) estimated for the keys"
        guard let used = report.memory.usedBytes else { return ["memory    \(estimated)"] }
        return ["memory    \(Quantity.bytes(used)) used by the server, \(estimated)"]
    }

    private var modules: [String] {
        report.modules.map { module in
            let readers = module.readBy.isEmpty ? "" : ", read by \(module.readBy.joined(separator: " or "))"
            return "module    data of type \(module.type)\(readers)"
        }
    }

    private var functions: [String] {
        guard report.functions.count > 0 else { return [] }
        let names = report.functions.libraries.map { "\($0.name ?? "?") (\($0.engine ?? "?"))" }
        let more = report.functions.count - UInt64(min(names.count, Self.databasesMax))
        let shown = names.prefix(Self.databasesMax) + (more > 0 ? ["\(Quantity.count(more)) more"] : [])
        return ["functions \(shown.joined(separator: ", "))"]
    }

    // MARK: Keys

    private var databases: String {
        let shown = report.databases.sorted { $0.keys > $1.keys }.prefix(Self.databasesMax)
        guard !shown.isEmpty else { return "" }
        var table = TextTable([
            ("DATABASE", .right), ("KEYS", .right), ("EXPIRE", .right), ("BYTES", .right), ("", .left),
        ])
        for database in shown.sorted(by: { $0.database < $1.database }) {
            table.append([
                "\(database.database)", Quantity.count(database.keys), Quantity.count(database.withExpiry),
                Quantity.bytes(database.bytes), bar(database.keys, of: report.keys.count),
            ])
        }
        let left = report.databases.count - shown.count
        return table.text + (left > 0 ? "\n\(left) databases with fewer keys are left out" : "")
    }

    private var types: String {
        groups(report.types, name: ("TYPE", { $0.type }))
    }

    private var encodings: String {
        groups(report.encodings, name: ("ENCODING", { "\($0.type): \($0.encoding ?? "") (\($0.valueType ?? 0))" }))
    }

    private func groups(
        _ groups: [InspectReport.Group],
        name: (heading: String, cell: (InspectReport.Group) -> String)
    ) -> String {
        guard !groups.isEmpty else { return "" }
        var table = TextTable([
            (name.heading, .left), ("KEYS", .right), ("ELEMENTS", .right), ("BYTES", .right), ("MEAN", .right),
            ("LARGEST", .right), ("", .left),
        ])
        for group in groups {
            table.append([
                name.cell(group), Quantity.count(group.keys), Quantity.count(group.elements),
                Quantity.bytes(group.bytes), Quantity.bytes(group.meanBytes), Quantity.bytes(group.largestBytes),
                bar(UInt64(max(0, group.bytes)), of: UInt64(max(0, report.keys.bytes))),
            ])
        }
        return table.text
    }

    private var expiry: String {
        let classes = report.expiry.classes
        guard report.keys.withExpiry > 0 else { return "" }
        var table = TextTable([("EXPIRES", .left), ("KEYS", .right), ("", .left)])
        for one in classes where one.keys > 0 {
            table.append([
                Self.lifetimes[one.lifetime] ?? one.lifetime, Quantity.count(one.keys),
                bar(one.keys, of: report.keys.count),
            ])
        }
        return table.text + "\nmeasured from \(report.expiry.measuredFrom)"
    }

    private static let lifetimes = [
        "expired": "already", "under1Minute": "in less than a minute", "under1Hour": "in less than an hour",
        "under1Day": "in less than a day", "under7Days": "in less than 7 days",
        "under30Days": "in less than 30 days", "under1Year": "in less than a year", "later": "later", "none": "never",
    ]

    private func largest(_ measure: String, _ keys: [InspectReport.Key]) -> String {
        guard !keys.isEmpty else { return "" }
        var table = TextTable([
            ("LARGEST \(measure.uppercased())", .left), ("DATABASE", .right), ("TYPE", .left), ("BYTES", .right),
            ("ELEMENTS", .right),
        ])
        for key in keys {
            table.append([
                PrintableASCII.cut(key.key, to: 60, isCutAlready: key.isNameCut), "\(key.database)", key.type,
                Quantity.bytes(key.bytes), Quantity.count(key.elements),
            ])
        }
        return table.text
    }

    private func bar(_ part: UInt64, of whole: UInt64) -> String { Bar.text(Double(part), of: Double(whole)) }
}
