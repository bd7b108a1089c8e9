// SPDX-License-Identifier: Apache-2.0

import Age
import ArgumentParser
import Catalog
import Failures
import Operations

struct VerifyCommand: MonitoredCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read backups again and prove them: stored digest, decompression, RDB, counts.",
        discussion: """
            With --from, BACKUP is latest, an id, or NAME/ID. Without it, BACKUP is a file: an RDB, or one that is \
            compressed (.zst, .gz) or encrypted (.age). With --all, every backup has its turn, over as many runs as it \
            takes. With --chain, the history of a subject is held against itself; with --all too, both. Exit code 4 \
            when anything is not what it should be, 12 when what is encrypted cannot be opened: then the objects \
            alone are proven, by their SHA-256.
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

    @Flag(help: "Do not keep a record of the proof in the store.")
    var noRecord = false

    @Flag(help: "Prove the objects alone, by their SHA-256, as can be done without a key; not what is in them.")
    var storedOnly = false

    @OptionGroup(title: "All backups in turn") var round: VerifyRoundOptions
    @OptionGroup(title: "The history") var chain: ChainOptions
    @OptionGroup var proof: ProofOptions
    @OptionGroup(title: "Encryption") var identity: IdentityOptions
    @OptionGroup var store: StoreOptions
    @OptionGroup(title: "Monitoring") var monitoring: MonitoringOptions
    @OptionGroup(title: "Output") var outputs: OutputOptions

    var watchedSubject: WatchedSubject { .init(name, orElse: round.all ? .all : .unknown) }

    func validate() throws {
        if from == nil && backup == nil { throw ValidationError("give a file, or a store with --from") }
        if round.all, from == nil || backup != nil {
            throw ValidationError("--all takes a store, --from URL, and no BACKUP")
        }
        if chain.chain, from == nil || backup != nil {
            throw ValidationError("--chain takes a store, --from URL, and no BACKUP")
        }
        if from == nil && storedOnly { throw ValidationError("--stored-only goes with --from: a file has no manifest") }
        if storedOnly, chain.chain, !round.all {
            throw ValidationError("--stored-only reads backups: with --chain it takes --all")
        }
    }

    func execute() async throws -> ExitCode {
        let session = outputs.session()
        // Not a proof of what is in the backups, and nobody who watches may take it for one.
        if storedOnly || (chain.chain && !round.all) { RunFacts.note { $0.hasNoMetrics = true } }
        if let from, chain.chain, !round.all { return try await verifyChain(in: from, session) }
        let keyring = try await identity.keyring(session)
        if let from {
            return try await round.all
                ? verifyAll(in: from, by: keyring, session) : verify(in: from, by: keyring, session)
        }
        guard let backup else { return .usage }
        let found = try await session.progress.show {
            try await Verify.run(file: backup, with: keyring, at: proof.proof, meter: session.meter)
        }
        let report = FileReport(file: backup, rdb: Manifest.Snapshot(found))
        try session.result(report.text, report, verdict: report.text)
        return .done
    }

    private static let tool = Manifest.Tool(name: "redoubt", version: redoubtVersion)

    private func verifyAll(in from: String, by keyring: AgeKeyring, _ session: Session) async throws -> ExitCode {
        var request = VerifyRoundRequest(name: name, level: proof.proof, tool: Self.tool)
        request.bytesMax = round.maxBytes?.bytes
        request.secondsMax = round.maxTime.map { Double($0.seconds) }
        request.keepsRecord = !noRecord
        request.isStoredOnly = storedOnly
        return try await store.withStore(at: from, session) { [request] store in
            let catalog = Catalog(store: store, keyring: keyring)
            // A history that cannot be looked at keeps no backup from being read.
            let looked = chain.chain ? try await lookedAtChain(in: catalog, session) : nil
            let history = try? looked?.get()
            let verify = VerifyRound(
                request,
                from: catalog,
                meter: session.meter,
                logger: session.logger
            )
            let outcome = try await session.progress.show { try await verify.run() }
            let isHistoryWhole = looked.map { _ in history?.outcome.bad.isEmpty == true }
            RunFacts.note { $0.verified(outcome, isHistoryWhole: isHistoryWhole) }
            let report = VerifyRoundReport(outcome, at: store.location, history: history?.report)
            try session.result(report.text, report, verdict: report.verdict)
            // A history that is broken must not hide behind a backup that could not be read; nor may a backup that is
            // corrupt behind a history that could not be looked at.
            if let history { _ = try chain.conclude(history.outcome, of: history.report.name, in: store.location) }
            let ending = try report.ending()
            _ = try looked?.get()
            return ending
        }
    }

    private func verifyChain(in from: String, _ session: Session) async throws -> ExitCode {
        try await store.withStore(at: from, session) { store in
            let (outcome, report) = try await lookAtChain(in: Catalog(store: store))
            try session.result(report.text, report, verdict: report.verdict)
            return try chain.conclude(outcome, of: report.name, in: store.location)
        }
    }

    /// - Throws: what is wrong with the keys; otherwise only when the run is cancelled.
    private func lookedAtChain(
        in catalog: Catalog,
        _ session: Session
    ) async throws -> Result<(outcome: VerifyChain.Outcome, report: ChainReport), Failure> {
        do {
            return .success(try await lookAtChain(in: catalog))
        } catch {
            try Task.checkCancellation()
            let failure = Failure(wrapping: error, attempting: "look at the chain")
            // A key that is none is said at once, and not after a night of reading.
            if failure.code == .configuration { throw failure }
            session.logger.error("the chain cannot be looked at: \(failure)")
            return .failure(failure)
        }
    }

    private func lookAtChain(in catalog: Catalog) async throws -> (outcome: VerifyChain.Outcome, report: ChainReport) {
        let name = try await catalog.onlySubject(named: name)
        let outcome = try await VerifyChain(catalog, name: name, trusting: try chain.trust(in: name)).run()
        return (outcome, ChainReport(outcome, of: name, in: catalog.store.location))
    }

    private func verify(in from: String, by keyring: AgeKeyring, _ session: Session) async throws -> ExitCode {
        let reference = try BackupReference(backup ?? "latest")
        let (manifest, findings, kept) = try await store.withStore(at: from, session) { store in
            let catalog = Catalog(store: store, keyring: keyring)
            let manifest = try await catalog.require(reference, name: name)
            let verify = Verify(
                catalog,
                at: proof.proof,
                isStoredOnly: storedOnly,
                meter: session.meter,
                logger: session.logger
            )
            let begun = Timestamp.now()
            let findings = try await session.progress.show { try await verify.run(manifest) }
            let kept = await verify.keep(findings, of: manifest, begunAt: begun, by: Self.tool, writes: !noRecord)
            return (manifest, findings, kept)
        }
        RunFacts.note { $0.verified(manifest, findings, refutedBy: kept.refutation) }
        let report = SetReport(manifest, findings, kept)
        let proven = findings.filter { $0.failure == nil }.count
        let verdict =
            "\(manifest.name)/\(manifest.id): \(proven) of \(findings.count) members proven"
            + (storedOnly ? " to be what was stored; what is in them was not read (--stored-only)" : "")
            + (kept.refutation.map { failure in
                failure.code.isOfContent ? "; CORRUPT by a closer look" : "; what was found before is not known"
            } ?? "")
        try session.result(report.text, report, verdict: verdict)
        if let refutation = kept.refutation { throw refutation }
        let failures = findings.compactMap(\.failure)
        // Bytes that are corrupt must not hide behind a store that did not answer.
        guard let failure = failures.first(where: { ExitCode($0.code) == .corrupt }) ?? failures.first else {
            return .done
        }
        throw Failure(
            failure.code,
            "verify \(manifest.name)/\(manifest.id): \(failures.count) of \(findings.count) members failed",
            cause: failure,
            hint: failure.hint ?? "Restore another member of the set, or another backup."
        )
    }
}

private struct FileReport: Encodable {
    let file: String
    let rdb: Manifest.Snapshot

    var text: String {
        "\(file): proven: RDB version \(rdb.version), \(Quantity.bytes(rdb.bytes)), "
            + "\(Quantity.count(rdb.keyCount)) keys, SHA-256 \(rdb.sha256)"
            + (rdb.contentDigest.map { ", content \($0)" } ?? "")
    }
}

private struct SetReport: Encodable {
    let name: String
    let id: String
    let members: [VerifiedMember]
    /// Where the record of it rests in the store.
    let recordKey: String?
    /// What a closer look found, and this one does not take back.
    let error: Manifest.Problem?

    init(_ manifest: Manifest, _ findings: [Verify.Finding], _ kept: Verify.Kept) {
        name = manifest.name
        id = manifest.id.text
        members = findings.map(VerifiedMember.init)
        recordKey = kept.key
        error = kept.refutation.map { .init(code: $0.code.rawValue, message: $0.description) }
    }

    var text: String {
        var table = TextTable([
            ("MEMBER", .left), ("VERDICT", .left), ("KEYS", .right), ("RAW", .right), ("TOOK", .right),
        ])
        for member in members {
            table.append([
                member.member, member.verdict, Quantity.count(member.keys),
                Quantity.bytes(member.rawBytes), Quantity.seconds(member.seconds),
            ])
        }
        let digests = members.compactMap { member in
            member.contentDigest.map { "\n\(member.member): content \($0)" }
        }
        let isCorrupt = error?.code == Failure.Code.digestMismatch.rawValue
        let refutation = error.map { "\n\n\(isCorrupt ? "CORRUPT" : "NOT KNOWN")   \($0.message)" } ?? ""
        return "\(name)/\(id)\n\(table.text)" + digests.joined() + refutation
    }
}
