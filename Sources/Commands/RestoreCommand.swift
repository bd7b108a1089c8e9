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
        abstract: "Put a backup into the data directory of a server, before it starts.",
        discussion: """
            It ends in one of three ways. Restored: exit code 0. Nothing to restore, because a complete listing shows \
            no \
            backup of that name, or because the folder holds data already: exit code 0, and it says so. An error: any \
            other exit code, the folder is as it was, and the server must not start.
            """
    )

    @Argument(help: "latest, an id, or NAME/ID.")
    var backup = "latest"

    @Option(help: ArgumentHelp("Data directory of the server that does not run yet.", valueName: "dir"))
    var dataDir: String

    @Option(help: "Member whose snapshot is restored. Otherwise the one that is furthest in the history they share.")
    var member: String?

    @Flag(help: "Move data that is there to pre-restore-<id>/. Nothing is ever deleted.")
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

    @Flag(help: "Say what would be done, and do nothing.")
    var dryRun = false

    @OptionGroup var source: SourceStoreOptions
    @OptionGroup(title: "Output") var outputs: OutputOptions

    func execute() async throws -> ExitCode {
        let session = outputs.session()
        let request = try await request()
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
        try session.result(report.text, report, verdict: report.text)
        guard requireBackup, case .nothingToRestore = outcome else { return .done }
        throw Failure(.noSuchBackup, "restore into \(dataDir): there is no backup to restore (--require-backup)")
    }

    private func request() async throws -> DataDirectoryRequest {
        let configuration: ServerConfiguration? =
            if let serverConfig { try await ServerConfiguration.load(path: serverConfig) } else { nil }
        var target = try serverVersion.map(RestoreTargetServer.init(parsing:)) ?? RestoreTargetServer()
        target.databases = configuration?.databases
        target.ignoresObstacles = ignoreCompatibility
        target.maxMemoryBytes = configuration?.maxMemoryBytes
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
            isDryRun: dryRun
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
    /// `restored`, `would-restore`, `already-restored`, `left-alone` or `nothing-to-restore`.
    let outcome: String
    let dataDirectory: String
    var backup: String?
    var member: String?
    var bytes: Int64?
    var keys: UInt64?
    var files: [String]?
    var movedTo: String?
    var detail: String

    init(_ outcome: DataDirectoryOutcome, dataDirectory: String) {
        self.dataDirectory = dataDirectory
        switch outcome {
        case .restored(let manifest, let member, let marker):
            self.outcome = "restored"
            backup = "\(manifest.name)/\(manifest.id)"
            files = marker.files
            movedTo = marker.archive
            detail = "\(marker.files.joined(separator: ", ")) in place, equal to the manifest"
            describe(member)
        case .wouldRestore(let manifest, let member):
            self.outcome = "would-restore"
            backup = "\(manifest.name)/\(manifest.id)"
            detail = "nothing was done (--dry-run)"
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

    var text: String {
        switch outcome {
        case "restored", "would-restore":
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
