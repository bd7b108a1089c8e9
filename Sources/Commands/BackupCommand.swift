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

struct BackupCommand: MonitoredCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Take a backup set: a proven snapshot of every member.",
        discussion: """
            Each member is asked for a BGSAVE, and its snapshot is proven while it streams. Only proven snapshots are \
            committed. Exit code 3: some members failed, or some stores, and the rest is committed. Anything else but \
            0: nothing is.
            """
    )

    @Option(
        help: ArgumentHelp(
            "Store to write to: file://, s3://, azblob://, gs://, sftp://, webdavs:// or https://. Repeatable: every "
                + "store gets the same set.",
            valueName: "url"
        )
    )
    var to: [String] = []

    @Option(help: "Subject of the backup. Otherwise <namespace>.<statefulset>, or the host of the first endpoint.")
    var name: String?

    @Option(
        help: ArgumentHelp(
            "What the set is called, for prune --keep-tag. Repeatable; 1 to 64 of A-Z a-z 0-9 . _ - + : = / @.",
            valueName: "tag"
        )
    )
    var tag: [String] = []

    @Option(help: "Which members give a snapshot.")
    var members: BackupRequest.Choice = .each

    @Option(
        help: "replication streams the snapshot over the wire; volume reads the file that BGSAVE leaves in --data-dir."
    )
    var source: SnapshotMethod = .replication

    @Option(help: "With --source volume: the server's data directory, as it is mounted here.")
    var dataDir: String?

    @Option(help: "How many snapshots are taken at a time: at most one on each node of Kubernetes and in each shard.")
    var parallel = 1

    @Flag(help: "Take a set of a cluster although its slots are moving: a key may be in two snapshots, or in none.")
    var allowSlotMigration = false

    @Flag(help: "Take a set of a cluster although no member is in the shards of some of its slots.")
    var allowMissingSlots = false

    @OptionGroup(title: "Indexed Jobs") var part: PartOptions
    @OptionGroup var signing: SigningOptions
    @OptionGroup(title: "Kubernetes") var telling: TellingOptions
    @OptionGroup var proof: ProofOptions
    @OptionGroup(title: "Compression") var compression: CompressionOptions
    @OptionGroup(title: "Encryption") var encryption: EncryptionOptions
    @OptionGroup(title: "Fitness of a member") var fitness: FitnessOptions
    @OptionGroup(title: "Servers") var servers: ServerOptions
    @OptionGroup(title: "Store") var store: StoreOptions
    @OptionGroup(title: "Spool") var spool: SpoolOptions
    @OptionGroup(title: "Monitoring") var monitoring: MonitoringOptions
    @OptionGroup(title: "Output") var outputs: OutputOptions

    var watchedSubject: WatchedSubject { .init(name, orElse: .unknown) }
    var tellsItsBeginning: Bool { part.shardCount == nil }

    func validate() throws {
        if to.isEmpty {
            throw ValidationError("name the store: --to file:///dir, s3://bucket/prefix or another (docs/stores.md)")
        }
        if to.count > 1, part.shardCount != nil {
            throw ValidationError(
                "--shard-count takes one store: the pods of the Job agree on their plan there. redoubt copy brings the "
                    + "set to another one (docs/several-stores.md)"
            )
        }
        if servers.isEmpty {
            throw ValidationError("name the members: --endpoint redis://host:port, or --statefulset")
        }
        if (source == .volume) != (dataDir != nil) {
            throw ValidationError("--source volume and --data-dir need each other")
        }
        if source == .volume, servers.set.usesAPI {
            throw ValidationError("--source volume reads the folder of one server: give one --endpoint")
        }
        if !(1...Self.parallelMax).contains(parallel) {
            throw ValidationError("--parallel is 1 to \(Self.parallelMax)")
        }
        if source == .volume, servers.endpoint.count + (servers.set.replicas ?? 0) != 1 {
            throw ValidationError("--source volume reads the folder of one server: give one --endpoint")
        }
        if let name, !ObjectKey.isValid(component: name) || name.hasPrefix(".") || name.utf8.count > 100 {
            throw ValidationError("--name is 1 to 100 of A-Z a-z 0-9 . _ - and does not begin with a dot")
        }
        if let bad = tag.first(where: { !Manifest.isTag($0) }) {
            throw ValidationError("--tag is 1 to 64 of A-Z a-z 0-9 . _ - + : = / @, and not \(String(reflecting: bad))")
        }
        if tag.count > Manifest.tagsMax { throw ValidationError("a set has at most \(Manifest.tagsMax) tags") }
    }

    private static let parallelMax = 256

    func execute() async throws -> ExitCode {
        let session = outputs.session()
        try store.requireDistinct(to)
        let part = try part.part(session.environment)
        let compression = try compression.choice()
        let signingKey = try signing.key(session)
        let encryption = try encryption.choice(session)
        let factory = MemberFactory(servers: servers, fitness: fitness, method: source, dataDirectory: dataDir)
        return try await factory.withMembers(session) { found in
            try await telling.telling(of: found, session) {
                var request = request(found, compression, session)
                request.encryption = encryption
                RunFacts.note { [name = request.name] in $0.subjects[name] = RunFacts.Subject() }
                request.leaseSeats = await telling.leaseSeats(found, session)
                request.signingKey = signingKey
                return try await store.withStores(at: to, session) { [request] stores in
                    try await spool.withSpool(session) { spool in
                        guard let part else {
                            let destinations = Destinations(stores, spool: spool, logger: session.logger)
                            return try await run(request, into: destinations, session)
                        }
                        return try await run(part, of: request, into: Catalog(store: stores[0]), spool, session)
                    }
                }
            }
        }
    }

    private func request(
        _ found: FoundMembers,
        _ compression: CompressionChoice,
        _ session: Session
    ) -> BackupRequest {
        var overrides = BackupRequest.Overrides()
        overrides.ignoresMemoryHeadroom = fitness.ignoreMemoryHeadroom
        overrides.allowsSlotMigration = allowSlotMigration
        overrides.allowsMissingSlots = allowMissingSlots
        return BackupRequest(
            name: name ?? found.subjectName,
            members: found.members,
            choice: members,
            compression: compression,
            proof: proof.proof,
            source: found.source,
            tags: tag,
            tool: .init(name: "redoubt", version: redoubtVersion),
            allowsWatchedPrimary: fitness.fromWatchedPrimary,
            parallel: parallel,
            overrides: overrides,
            runID: session.runID
        )
    }

    private func run(
        _ request: BackupRequest,
        into destinations: Destinations,
        _ session: Session
    ) async throws -> RunVerdict {
        let backup = Backup(request, into: destinations, meter: session.meter, logger: session.logger)
        let outcome = try await session.progress.show { try await backup.run() }
        RunFacts.note { $0.backedUp(outcome.manifest, isWhole: !outcome.isPartial) }
        let text = BackupText(outcome)
        try session.result(text.text, BackupDocument(outcome), verdict: text.verdict)
        return RunVerdict(code: outcome.isPartial ? .partial : .done, committed: text.verdict)
    }

    private func run(
        _ part: IndexedBackup.Part,
        of request: BackupRequest,
        into catalog: Catalog,
        _ spool: Spool?,
        _ session: Session
    ) async throws -> RunVerdict {
        let backup = IndexedBackup(
            request,
            part: part,
            into: catalog,
            spool: spool,
            meter: session.meter,
            logger: session.logger
        )
        let outcome = try await session.progress.show { try await backup.run() }
        // Only the pod that makes the set exist speaks of it.
        RunFacts.note { $0.isPart = !outcome.isCommitter }
        let text = PartText(outcome, part, of: request.name)
        try session.result(text.text, text.document, verdict: text.verdict)
        return RunVerdict(
            code: outcome.isPartial ? .partial : .done,
            committed: outcome.isCommitter ? text.verdict : nil
        )
    }
}
