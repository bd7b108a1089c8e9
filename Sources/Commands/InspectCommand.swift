// SPDX-License-Identifier: Apache-2.0

import Age
import ArgumentParser
import Catalog
import Failures
import Operations
import RDB

struct InspectCommand: RunnableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what is in a snapshot: keys by type, prefix, size and expiry, and what a server needs for it.",
        discussion: """
            With --from, BACKUP is latest, an id, or NAME/ID. Without it, BACKUP is a file: an RDB, or one that is \
            compressed (.zst, .gz) or encrypted (.age). All of it is read and proven on the way; exit code 4 when \
            anything is not what it should be. Names are shown in printable ASCII, other bytes as \\xhh.
            """
    )

    @Argument(help: "latest, an id, NAME/ID, or without --from the path of a file.")
    var backup: String?

    @Option(
        help: ArgumentHelp(
            "Store to read from: file://, s3://, azblob://, gs://, sftp://, webdavs:// or https://.",
            valueName: "url"
        )
    )
    var from: String?

    @Option(help: "Subject of the backup, where the store holds several.")
    var name: String?

    @Option(help: "Member whose snapshot is shown. Otherwise the first one that is stored.")
    var member: String?

    @Option(help: ArgumentHelp("How many prefixes and largest keys are shown, 0 to 1000.", valueName: "n"))
    var top = 10

    @Option(help: "What ends the prefix of a key.")
    var delimiter = ":"

    @OptionGroup var proof: ReplayProofOptions
    @OptionGroup(title: "Encryption") var identity: IdentityOptions

    @OptionGroup var store: StoreOptions
    @OptionGroup var outputs: OutputOptions

    func validate() throws {
        if from == nil && backup == nil { throw ValidationError("give a file, or a store with --from") }
        if from == nil && member != nil { throw ValidationError("--member goes with --from") }
        if !(0...1000).contains(top) { throw ValidationError("--top must be 0 to 1000") }
        if !(1...64).contains(delimiter.utf8.count) { throw ValidationError("--delimiter must have 1 to 64 bytes") }
    }

    func execute() async throws -> ExitCode {
        let session = outputs.session()
        let inspect = Inspect(Inspect.Request(top: top, delimiter: delimiter, proof: proof.proof), meter: session.meter)
        let keyring = try await identity.keyring(session)
        let report: InspectReport
        if let from {
            report = try await inspected(in: from, by: keyring, with: inspect, session)
        } else {
            guard let backup else { return .usage }
            let findings = try await session.progress.show { try await inspect.run(file: backup, with: keyring) }
            report = InspectReport(.init(file: backup), findings, top: top)
        }
        try session.result(InspectText(report).text, report)
        return .done
    }

    private func inspected(
        in from: String,
        by keyring: AgeKeyring,
        with inspect: Inspect,
        _ session: Session
    ) async throws -> InspectReport {
        let reference = try BackupReference(backup ?? "latest")
        return try await store.withStore(at: from, session) { store in
            let catalog = Catalog(store: store, keyring: keyring)
            let manifest = try await catalog.require(reference, name: name)
            let member = try Inspect.member(member, of: manifest)
            let findings = try await session.progress.show { try await inspect.run(member, in: catalog) }
            return InspectReport(.init(manifest, member), findings, top: top)
        }
    }
}
