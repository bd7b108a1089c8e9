// SPDX-License-Identifier: Apache-2.0

extension InspectText {
    /// What a server must be and have to load the snapshot.
    var target: String {
        let target = report.target
        let redis = target.oldestRedis.map { "Redis \($0) or later" } ?? "no Redis"
        var valkey = target.oldestValkey.map { "Valkey \($0) or later" } ?? "no Valkey"
        if let relaxed = target.oldestValkeyRelaxed {
            valkey = "Valkey \(relaxed) or later with rdb-version-check relaxed"
        }
        var lines = ["A server that loads it", "  release    \(redis); \(valkey)"]
        lines.append("  databases  \(target.databases) or more")
        if let bytes = target.maxmemoryBytes {
            lines.append("  maxmemory  0, or at least \(bytes) (\(Quantity.bytes(bytes)))")
        }
        for module in report.modules {
            let name = module.readBy.isEmpty ? "of the type \(module.type)" : module.readBy.joined(separator: " or ")
            lines.append("  module     \(name)")
        }
        if report.functions.count > 0 { lines.append("  functions  \(report.functions.count) libraries") }
        return lines.joined(separator: "\n")
    }
}
