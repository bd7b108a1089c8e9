// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import Failures
import Operations

struct ShowCommand: RunnableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one backup: its members and what is known of each snapshot.",
        discussion: """
            Who signed it is told by the names of the signatures; with --public-key, whether they are right. Exit code \
            4 when none of these keys signed it.
            """
    )

    @Argument(help: "latest, an id, or NAME/ID.")
    var backup = "latest"

    @OptionGroup var signers: PublicKeyOptions
    @OptionGroup var source: SourceStoreOptions
    @OptionGroup var outputs: OutputOptions

    func execute() async throws -> ExitCode {
        let session = outputs.session()
        let reference = try BackupReference(backup)
        let keys = try signers.keys()
        let (shown, drill) = try await source.store.withStore(at: source.from, session) { store in
            let catalog = Catalog(store: store)
            let meant = try await catalog.require(reference, name: source.name)
            let (manifest, bytes) = try await catalog.storedManifest(name: meant.name, id: meant.id)
            let shown = ShownSet(
                manifest: manifest,
                pin: await ShownPin.find(manifest, in: catalog, session),
                signatures: try await ShownSignatures.find(manifest, bytes, in: catalog, by: keys, session)
            )
            return (shown, await LastDrill.find(manifest, in: catalog, session))
        }
        let parts = [ManifestText(shown.manifest).text, shown.signatures?.text, shown.pin?.line, drill?.line]
        try session.result(parts.compactMap { $0 }.joined(separator: "\n\n"), shown)
        try shown.signatures?.requireAccepted(of: shown.manifest)
        return .done
    }
}

/// The document for programs: the manifest, and what is known of the set beside it.
private struct ShownSet: Encodable {
    let manifest: Manifest
    /// Both absent where the store did not say.
    let pin: ShownPin?
    let signatures: ShownSignatures?

    private enum CodingKeys: CodingKey {
        case encrypted, recipients, pinned, pinReason, signatures
    }

    func encode(to encoder: any Encoder) throws {
        try manifest.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        let encryption = SetEncryption(manifest)
        try container.encode(encryption.isWhole, forKey: .encrypted)
        if !encryption.recipients.isEmpty { try container.encode(encryption.recipients, forKey: .recipients) }
        try container.encodeIfPresent(pin?.isPinned, forKey: .pinned)
        try container.encodeIfPresent(pin?.pin?.reason, forKey: .pinReason)
        try container.encodeIfPresent(signatures?.all, forKey: .signatures)
    }
}

/// Whether a set is pinned, for whoever looks at it.
private struct ShownPin {
    let isPinned: Bool
    let pin: Pin?

    /// A store that does not let us look for pins still shows its sets.
    static func find(_ manifest: Manifest, in catalog: Catalog, _ session: Session) async -> ShownPin? {
        do {
            let isPinned = try await catalog.isPinned(name: manifest.name, id: manifest.id)
            let pin = isPinned ? try await catalog.pin(name: manifest.name, id: manifest.id) : nil
            return ShownPin(isPinned: isPinned, pin: pin)
        } catch {
            session.logger.warning("could not look for a pin of \(manifest.name)/\(manifest.id): \(error)")
            return nil
        }
    }

    var line: String? {
        guard isPinned else { return nil }
        return "pinned    " + (pin.map { "\($0.pinnedAt)\($0.reason.map { ": \($0)" } ?? "")" } ?? "yes")
    }
}

/// A manifest as a person reads it.
struct ManifestText {
    private let manifest: Manifest

    init(_ manifest: Manifest) {
        self.manifest = manifest
    }

    var text: String {
        // Replicas of one shard are one dataset.
        let extent = DatasetExtent(of: manifest)
        var lines = [
            "backup    \(manifest.name)/\(manifest.id)\(manifest.isPartial ? "  (partial)" : "")",
            "taken     \(manifest.startedAt) to \(manifest.finishedAt)",
            "by        \(manifest.tool.name) \(manifest.tool.version)",
            "holds     \(Quantity.count(extent.keys)) keys, \(Quantity.bytes(extent.rawBytes)); "
                + "stored \(Quantity.bytes(manifest.storedBytes))",
        ]
        let encryption = SetEncryption(manifest)
        lines.append("encrypted \(encryption.text)")
        if let tags = manifest.tags, !tags.isEmpty { lines.append("tags      \(tags.joined(separator: ", "))") }
        for member in manifest.members { lines += [""] + Self.lines(of: member, namesRecipients: encryption.isMixed) }
        return lines.joined(separator: "\n")
    }

    private static func lines(of member: Manifest.Member, namesRecipients: Bool) -> [String] {
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
            if namesRecipients { lines.append("  encrypted \(SetEncryption([stored]).text)") }
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
