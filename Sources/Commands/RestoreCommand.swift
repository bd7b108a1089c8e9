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

struct RestoreCommand: RunnableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Put a backup back: into a data directory, or into servers that run.",
        discussion: """
            With --data-dir, before the server starts, it ends in one of three ways. Restored: exit code 0. Nothing to \
            restore, because a complete listing shows no backup of that name, or because the folder holds data \
            already: exit code 0, and it says so. An error: any other exit code, the folder is as it was, and the \
            server must not start.

            With --endpoint or --statefulset, the servers run and are empty. Each is told to replicate this program, \
            which sends it the snapshot from the store; then one of them becomes the primary, and the others follow it \
            by partial synchronization. Run it again after any interruption: it goes on from what it finds.
            """
    )

    @Argument(help: "latest, an id, or NAME/ID.")
    var backup = "latest"

    @Option(help: ArgumentHelp("Data directory of the server that does not run yet.", valueName: "dir"))
    var dataDir: String?

    @Option(help: "Member whose snapshot is restored. Otherwise the one that is furthest in the history they share.")
    var member: String?

    @Flag(
        help: "With --data-dir, move data that is there to pre-restore-<id>/. With servers that run, it is lost."
    )
    var replace = false

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

    @OptionGroup var proof: ReplayProofOptions

    @Flag(help: "Print the plan, and do nothing. Exit code 0 when it may go ahead, 8 when not.")
    var dryRun = false

    @OptionGroup var plan: RestorePlanOptions

    @OptionGroup var source: SourceStoreOptions
    @OptionGroup(title: "Servers") var servers: ServerOptions
    @OptionGroup(title: "Restoring into servers") var serving: RestoreServersOptions
    @OptionGroup(title: "Output") var outputs: OutputOptions

    func validate() throws {
        guard (dataDir == nil) != servers.isEmpty else {
            throw ValidationError("give a target: either --data-dir, or --endpoint or --statefulset")
        }
    }

    func execute() async throws -> ExitCode {
        let session = outputs.session()
        guard let dataDir else { return try await intoServers(session) }
        return try await into(dataDir, session)
    }

    private func into(_ dataDir: String, _ session: Session) async throws -> ExitCode {
        let request = try await request(dataDir)
        let outcome = try await source.store.withStore(at: source.from, session) { store in
            let restore = RestoreDataDirectory(
                request,
                from: Catalog(store: store),
                meter: session.meter,
                logger: session.logger
            )
            return try await session.progress.show { try await restore.run() }
        }
        let report = RestoreReport(outcome, dataDirectory: dataDir)
        try session.result(report.text, report, verdict: report.sentence)
        if case .wouldRestore(let manifest, let member, let plan) = outcome {
            try plan.requireGo("\(member.member) of \(manifest.name)/\(manifest.id) into \(dataDir)")
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
        return DataDirectoryRequest(
            reference: try BackupReference(backup),
            name: source.name,
            member: member,
            path: dataDir,
            mode: replace ? .replace : .freshOnly,
            fileNames: try configuration?.fileNames() ?? .standard,
            purpose: purpose(configuration),
            target: target,
            owner: try owner.map(FileOwner.init(parsing:)),
            requestID: requestID,
            proof: proof.proof,
            isDryRun: dryRun,
            ignoresCompatibility: ignoreCompatibility
        )
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

/// How a restore ended, for people and for programs.
private struct RestoreReport: Encodable {
    /// `restored`, `would-restore`, `would-refuse`, `already-restored`, `left-alone` or `nothing-to-restore`.
    let outcome: String
    let dataDirectory: String
    var backup: String?
    var member: String?
    var bytes: Int64?
    var keys: UInt64?
    var files: [String]?
    var movedTo: String?
    var plan: RestorePlan?
    var detail: String

    init(_ outcome: DataDirectoryOutcome, dataDirectory: String) {
        self.dataDirectory = dataDirectory
        switch outcome {
        case .restored(let manifest, let member, let marker, let plan):
            self.outcome = "restored"
            backup = "\(manifest.name)/\(manifest.id)"
            files = marker.files
            movedTo = marker.archive
            detail = "\(marker.files.joined(separator: ", ")) in place, equal to the manifest"
            self.plan = plan
            describe(member)
        case .wouldRestore(let manifest, let member, let plan):
            self.outcome = plan.isGo ? "would-restore" : "would-refuse"
            backup = "\(manifest.name)/\(manifest.id)"
            detail = "nothing was done (--dry-run)"
            self.plan = plan
            describe(member)
        case .alreadyRestored(let marker):
            self.outcome = "already-restored"
            backup = marker.backupID
            member = marker.member
            detail =
                "it was restored at \(marker.finishedAt), and the folder holds data since; "
                + "another --request-id, or the id of another backup, restores again"
        case .leftAlone(let contents):
            self.outcome = "left-alone"
            let names = contents.data.map(\.name).joined(separator: ", ")
            detail = "the folder holds data (\(names)); --replace moves it to pre-restore-<id>/ and restores"
        case .nothingToRestore(let others):
            self.outcome = "nothing-to-restore"
            let known =
                others.isEmpty
                ? "the store holds no backup" : "the store holds backups of \(others.joined(separator: ", "))"
            detail = "a complete listing shows no backup of that name: \(known)"
        }
    }

    private mutating func describe(_ member: Manifest.Member) {
        self.member = member.member
        bytes = member.rdb?.bytes
        keys = member.rdb?.keyCount
    }

    /// With the plan, where nothing but that was asked for.
    var text: String {
        guard outcome.hasPrefix("would-"), let plan else { return sentence }
        return "\(sentence)\n\n\(RestorePlanText.text(plan))"
    }

    var sentence: String {
        switch outcome {
        case "restored", "would-restore", "would-refuse":
            let size = "\(Quantity.count(keys ?? 0)) keys, \(Quantity.bytes(bytes ?? 0))"
            let moved = movedTo.map { "\nthe data from before is in \($0)/" } ?? ""
            return
                "\(outcome): \(backup ?? ""), member \(member ?? ""), \(size), into \(dataDirectory)\n\(detail)\(moved)"
        case "already-restored":
            return "already restored: \(backup ?? ""), member \(member ?? ""), in \(dataDirectory): \(detail)"
        case "left-alone":
            return "left alone: \(dataDirectory): \(detail)"
        default:
            return "nothing to restore into \(dataDirectory): \(detail)"
        }
    }
}
