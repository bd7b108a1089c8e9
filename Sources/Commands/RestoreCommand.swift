// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import DataDirectory
import Failures
import Operations

/// The server's setting of `appendonly`.
enum AppendOnlySetting: String, Sendable, CaseIterable, ExpressibleByArgument {
    case yes
    case no
}

struct RestoreCommand: MonitoredCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Put a backup back: into a data directory, or into servers that run.",
        discussion: """
            With --data-dir, before the server starts, it ends in one of three ways. Restored: exit code 0. Nothing to \
            restore, because a complete listing shows no backup of that name, or because the folder holds data \
            already: exit code 0, and it says so. An error: any other exit code, the folder is as it was, and the \
            server must not start. With --guard, for an init container, it waits for a store that cannot be reached, \
            and never moves data.

            With --endpoint or --statefulset, the servers run and are empty. Each is told to replicate this program, \
            which sends it the snapshot from the store; then one of them becomes the primary, and the others follow it \
            by partial synchronization. Run it again after any interruption: it goes on from what it finds.

            A cluster takes two steps: --data-dir with --shard for one node of each shard before it starts, then \
            --cluster with all nodes.

            With --keys and --endpoint, the keys of the backup that match are written to a running server, which keeps \
            all others. Exit code 3: some were there already and were left alone; --replace overwrites those.
            """
    )

    @Argument(help: "latest, an id, or NAME/ID.")
    var backup = "latest"

    @Option(
        help: ArgumentHelp(
            "Data directory of the server that does not run yet; with --via volumes, the one in its container.",
            valueName: "dir"
        )
    )
    var dataDir: String?

    @Option(help: "Member whose snapshot is restored. Otherwise the one that is furthest in the history they share.")
    var member: String?

    @Flag(
        help: """
            With --data-dir, move data that is there to pre-restore-<id>/; nothing is deleted. With --keys, overwrite \
            keys. With servers that run, what they hold is lost.
            """
    )
    var replace = false

    @Flag(help: "Move data without keys out of the way, as a server leaves it that started empty; no other.")
    var replaceEmpty = false

    @Option(help: "redis.conf of the server: says whether AOF is on, and how the files are called.")
    var serverConfig: String?

    @Option(
        help:
            "Whether the server runs with appendonly. Files for both are written where nothing says so."
    )
    var appendonly: AppendOnlySetting?

    @Option(help: "Version of the server that will start: 7.0.15, valkey-9.1. A snapshot it cannot load is refused.")
    var serverVersion: String?

    @Flag(help: "Restore a snapshot although the server, as far as it is known, could not load it.")
    var ignoreCompatibility = false

    @Option(
        help: ArgumentHelp(
            "Name of this restore: with --replace, one of another name is done although an earlier one was.",
            valueName: "name"
        )
    )
    var requestID: String?

    @Option(help: "Whom the files are given to, as <uid>:<gid>. Otherwise the owner of the folder.")
    var owner: String?

    @Flag(
        help:
            "Fail with exit code 10 when the store holds no backup of that name, instead of having nothing to restore."
    )
    var requireBackup = false

    @Flag(help: "Fail with exit code 8 when the folder holds data, instead of leaving it alone.")
    var requireFresh = false

    @OptionGroup var proof: ReplayProofOptions
    @OptionGroup var ttl: TTLOptions

    @Flag(name: .shortAndLong, help: "Do not ask before servers are restored that are several, or hold data, or stop.")
    var yes = false

    @Flag(help: "Print the plan, and do nothing. Exit code 0 when it may go ahead, 8 when not.")
    var dryRun = false

    @OptionGroup var plan: RestorePlanOptions
    @OptionGroup(title: "Encryption") var identity: IdentityOptions
    @OptionGroup(title: "Store") var source: SourceStoreOptions
    @OptionGroup(title: "Servers") var servers: ServerOptions
    @OptionGroup(title: "Restoring into servers") var serving: RestoreServersOptions
    @OptionGroup(title: "How servers reach this program") var route: SeedRouteOptions
    @OptionGroup(title: "Some keys only") var selective: SelectiveOptions
    @OptionGroup(title: "Guard of a start") var holding: GuardOptions
    @OptionGroup(title: "Clusters") var clustering: ClusterOptions
    @OptionGroup(title: "Volumes of a StatefulSet") var volumes: VolumeRestoreOptions
    @OptionGroup(title: "Monitoring") var monitoring: MonitoringOptions
    @OptionGroup(title: "Output") var outputs: OutputOptions

    var watchedSubject: WatchedSubject { .init(source.name, orElse: .unknown) }
    var isRehearsal: Bool { dryRun }

    func validate() throws {
        try clustering.validate(with: self)
        guard selective.isEmpty else { return try validateKeys() }
        if volumes.via != nil { return try volumes.validate(with: self) }
        guard dataDir != nil || !servers.isEmpty else {
            throw ValidationError("give a target: either --data-dir, or --endpoint or --statefulset")
        }
        guard dataDir == nil || servers.isEmpty else {
            throw ValidationError("give one target: --data-dir, and --endpoint or --statefulset, exclude each other")
        }
        if volumes.identitySecret != nil { throw ValidationError("--identity-secret goes with --via volumes") }
        if dataDir == nil { try validateServers() } else { try serving.validateNone() }
        if holding.guard && replace { throw ValidationError("--guard never moves data: leave --replace out") }
    }

    func execute() async throws -> ExitCode {
        let session = outputs.session()
        if clustering.cluster { return try await formingCluster(session) }
        guard selective.isEmpty else { return try await restoreKeys(session) }
        guard volumes.via == nil else { return try await restoreVolumes(session) }
        guard let dataDir else { return try await intoServers(session) }
        return try await into(dataDir, session)
    }

    private func into(_ dataDir: String, _ session: Session) async throws -> ExitCode {
        let request = try await request(dataDir)
        if holding.guard { return try await runGuard(request, session) }
        let keyring = try await identity.keyring(session)
        let outcome = try await source.store.withStore(at: source.from, session) { store in
            let restore = RestoreDataDirectory(
                request,
                from: Catalog(store: store, keyring: keyring),
                meter: session.meter,
                logger: session.logger
            )
            return try await session.progress.show { try await restore.run() }
        }
        return try finish(outcome, in: dataDir, session)
    }

    /// Says how it ended, and whether that is as it was asked for.
    func finish(
        _ outcome: DataDirectoryOutcome,
        in dataDir: String,
        remarks: [String] = [],
        _ session: Session
    ) throws -> ExitCode {
        let report = RestoreReport(
            outcome,
            dataDirectory: dataDir,
            remarks: remarks,
            isGuarded: holding.guard
        )
        RunFacts.note { [name = source.name] in $0.restored(outcome, named: name) }
        try session.result(report.text, report, verdict: report.sentence)
        if case .wouldRestore(let manifest, let member, let plan) = outcome {
            try plan.requireGo("\(member.member) of \(manifest.name)/\(manifest.id) into \(dataDir)")
        }
        if requireFresh, case .leftAlone = outcome {
            throw Failure(
                .guardRefused,
                "restore into \(dataDir): it holds data (--require-fresh)",
                hint: "--replace moves it to pre-restore-<id>/ and restores."
            )
        }
        guard requireBackup, case .nothingToRestore = outcome else { return .done }
        throw Failure(.noSuchBackup, "restore into \(dataDir): there is no backup to restore (--require-backup)")
    }

    private func request(_ dataDir: String) async throws -> DataDirectoryRequest {
        let configuration: ServerConfiguration? =
            if let serverConfig { try await ServerConfiguration.load(path: serverConfig) } else { nil }
        var target = try serverVersion.map(RestoreTargetFacts.init(parsing:)) ?? RestoreTargetFacts()
        if let configuration { target.apply(configuration) }
        target.isAppendOnly = target.isAppendOnly ?? appendonly.map { $0 == .yes }
        target.containerLimitBytes = plan.memoryLimitBytes
        var request = DataDirectoryRequest(
            reference: try BackupReference(backup),
            name: source.name,
            member: member,
            shard: clustering.shardReference,
            path: dataDir,
            mode: replace ? .replace : replaceEmpty ? .replaceEmpty : .freshOnly,
            fileNames: try configuration?.fileNames() ?? .standard,
            purpose: purpose(configuration),
            target: target,
            owner: try owner.map(FileOwner.init(parsing:)),
            requestID: requestID,
            proof: proof.proof,
            isDryRun: dryRun,
            ignoresCompatibility: ignoreCompatibility
        )
        request.expiries = ttl.ttl
        return request
    }

    /// What is said on the command line wins over the file; where nothing is said, the files serve either setting.
    private func purpose(_ configuration: ServerConfiguration?) -> PersistenceLayout.Purpose {
        switch (appendonly, configuration?.isAppendOnly) {
        case (.yes, _), (nil, true?): .appendOnly
        case (.no, _), (nil, false?): .snapshot
        case (nil, nil): .either
        }
    }
}
