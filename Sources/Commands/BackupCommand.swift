// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import Failures
import ObjectStorage
import Operations
import RedisClient

extension BackupRequest.Choice: ExpressibleByArgument {}

/// How a member's snapshot is taken.
enum SnapshotMethod: String, Sendable, CaseIterable, ExpressibleByArgument {
    case replication
    case volume
}

struct BackupCommand: RunnableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Take a backup set: a proven snapshot of every member.",
        discussion: """
            Each member is asked for a BGSAVE, and its snapshot is proven while it streams. Only proven snapshots are \
            committed. Exit code 3: some members failed, the rest is committed. Anything else but 0: nothing is.
            """
    )

    @Option(help: ArgumentHelp("Store to write to: file:///dir or s3://bucket/prefix.", valueName: "url"))
    var to: String

    @Option(help: "Subject of the backup. Otherwise <namespace>.<statefulset>, or the host of the first endpoint.")
    var name: String?

    @Option(help: "Which members give a snapshot.")
    var members: BackupRequest.Choice = .each

    @Option(
        help: "replication streams the snapshot over the wire; volume reads the file that BGSAVE leaves in --data-dir."
    )
    var source: SnapshotMethod = .replication

    @Option(help: "With --source volume: the server's data directory, as it is mounted here.")
    var dataDir: String?

    @OptionGroup var proof: ProofOptions
    @OptionGroup(title: "Compression") var compression: CompressionOptions
    @OptionGroup(title: "Fitness of a member") var fitness: FitnessOptions
    @OptionGroup(title: "Servers") var servers: ServerOptions
    @OptionGroup(title: "Store") var store: StoreOptions
    @OptionGroup(title: "Output") var outputs: OutputOptions

    func validate() throws {
        if servers.isEmpty {
            throw ValidationError("name the members: --endpoint redis://host:port, or --statefulset")
        }
        if (source == .volume) != (dataDir != nil) {
            throw ValidationError("--source volume and --data-dir need each other")
        }
        if source == .volume, servers.endpoint.count + (servers.set.replicas ?? 0) != 1 {
            throw ValidationError("--source volume reads the folder of one server: give one --endpoint")
        }
        if let name, !ObjectKey.isValid(component: name) || name.hasPrefix(".") || name.utf8.count > 100 {
            throw ValidationError("--name is 1 to 100 of A-Z a-z 0-9 . _ - and does not begin with a dot")
        }
    }

    func execute() async throws -> ExitCode {
        let session = outputs.session()
        let chosen = try MemberFactory(
            servers: servers,
            fitness: fitness,
            method: source,
            dataDirectory: dataDir
        ).members(session)
        let request = BackupRequest(
            name: name ?? servers.set.subjectName ?? chosen[0].endpoint.subjectName,
            members: chosen,
            choice: members,
            compression: try compression.choice(),
            proof: proof.proof,
            source: servers.set.source,
            tool: .init(name: "redoubt", version: redoubtVersion),
            allowsWatchedPrimary: fitness.fromWatchedPrimary,
            runID: session.runID
        )
        let outcome = try await store.withStore(at: to, session) { store in
            let backup = Backup(
                request,
                into: Catalog(store: store),
                meter: session.meter,
                logger: session.logger
            )
            return try await session.progress.show { try await backup.run() }
        }
        let text = BackupText(outcome)
        try session.result(text.text, outcome.manifest, verdict: text.verdict)
        return outcome.manifest.isPartial ? .partial : .done
    }
}
