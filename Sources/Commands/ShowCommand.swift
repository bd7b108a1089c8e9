// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import Failures

struct ShowCommand: RunnableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one backup: its members and what is known of each snapshot."
    )

    @Argument(help: "latest, an id, or NAME/ID.")
    var backup = "latest"

    @OptionGroup var source: SourceStoreOptions
    @OptionGroup var outputs: OutputOptions

    func execute() async throws -> ExitCode {
        let session = outputs.session()
        let reference = try BackupReference(backup)
        let (manifest, drill) = try await source.store.withStore(at: source.from, session) { store in
            let catalog = Catalog(store: store)
            let manifest = try await catalog.require(reference, name: source.name)
            return (manifest, await LastDrill.find(manifest, in: catalog, session))
        }
        try session.result(ManifestText(manifest).text + (drill?.line ?? ""), manifest)
        return .done
    }
}

/// A manifest as a person reads it.
struct ManifestText {
    private let manifest: Manifest

    init(_ manifest: Manifest) {
        self.manifest = manifest
    }

    var text: String {
        var lines = [
            "backup    \(manifest.name)/\(manifest.id)\(manifest.isPartial ? "  (partial)" : "")",
            "taken     \(manifest.startedAt) to \(manifest.finishedAt)",
            "by        \(manifest.tool.name) \(manifest.tool.version)",
            "size      \(Quantity.bytes(manifest.rawBytes)), stored \(Quantity.bytes(manifest.storedBytes))",
        ]
        for member in manifest.members { lines += [""] + Self.lines(of: member) }
        return lines.joined(separator: "\n")
    }

    private static func lines(of member: Manifest.Member) -> [String] {
        var lines = ["\(member.member)  \(member.role ?? "")"]
        if let server = member.server {
            lines.append("  server    \(server.product) \(server.version), \(server.mode)")
        }
        if let replication = member.replication {
            lines.append("  history   \(replication.id) at \(replication.offset)")
        }
        if let shard = member.shard {
            lines.append("  shard     slots \(shard.slots.isEmpty ? "none" : shard.slots)")
            if let node = shard.nodeId { lines.append("            node \(node) of primary \(shard.primaryId ?? "?")") }
        }
        if let rdb = member.rdb { lines += Self.lines(of: rdb) }
        if let stored = member.stored {
            lines.append("  object    \(stored.key)")
            lines.append("            \(Quantity.bytes(stored.bytes)), \(stored.compression), SHA-256 \(stored.sha256)")
        }
        if let seconds = member.seconds {
            lines.append(
                "  took      \(Quantity.seconds(seconds.save)) to save, \(Quantity.seconds(seconds.stream)) to stream"
            )
        }
        for warning in member.warnings ?? [] { lines.append("  warning   \(warning)") }
        if let error = member.error { lines.append("  failed    \(error.message) [\(error.code)]") }
        return lines
    }

    private static func lines(of rdb: Manifest.Snapshot) -> [String] {
        func listed<Key>(_ counts: some Sequence<(key: Key, value: UInt64)>, by name: (Key) -> String) -> String {
            counts.map { "\(name($0.key)) \(Quantity.count($0.value))" }.joined(separator: ", ")
        }
        let databases = rdb.keys.sorted { (Int($0.key) ?? 0) < (Int($1.key) ?? 0) }
        var lines = [
            "  snapshot  RDB version \(rdb.version), \(Quantity.bytes(rdb.bytes)), SHA-256 \(rdb.sha256)",
            "  keys      \(Quantity.count(rdb.keyCount))"
                + (databases.isEmpty ? "" : " (\(listed(databases) { "db\($0)" }))")
                + ", \(Quantity.count(rdb.expires)) with an expiry",
        ]
        if !rdb.types.isEmpty { lines.append("  types     \(listed(rdb.types.sorted { $0.key < $1.key }) { $0 })") }
        if let digest = rdb.contentDigest { lines.append("  content   \(digest)") }
        if rdb.functions > 0 { lines.append("  functions \(rdb.functions) libraries") }
        if !rdb.modules.isEmpty { lines.append("  modules   \(rdb.modules.joined(separator: ", "))") }
        return lines
    }
}
