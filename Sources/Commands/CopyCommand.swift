// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import Failures
import ObjectStorage
import Operations

struct CopyCommand: MonitoredCommand {
    static let configuration = CommandConfiguration(
        commandName: "copy",
        abstract: "Copy backups to a second store, unchanged or encrypted anew, and prove every byte on its way.",
        discussion: """
            A set that the target has is not sent again; of one that a run left unfinished, only what is missing. One \
            that is damaged is not copied. Two providers in one command: give each URL its own options, as in \
            s3://bucket/prefix?endpoint-url=https://minio.example&region=eu-1&profile=second. Exit code 3: some sets \
            were copied, others failed. Records of drills stay where they are.

            With --recipient, what is stored is encrypted for others, or for the first time; the rest of the manifest \
            stays. What is encrypted in the source then needs --identity. Without --recipient no key is needed; what \
            no --identity opens is proven to be what was stored. REDOUBT_RECIPIENT and REDOUBT_RECIPIENTS_FILE say \
            whom backups are for, and not copies. Where one of them is set, a set that is not encrypted is refused \
            (exit code 8): --recipient on the command line encrypts it, --as-is copies it as it is.
            """
    )

    @Argument(help: "latest, an id, or NAME/ID. Otherwise latest, unless --all or --since is given.")
    var backup: String?

    @Option(
        help: ArgumentHelp(
            "Store to read from: file://, s3://, azblob://, gs://, sftp://, webdavs:// or https://.",
            valueName: "url"
        )
    )
    var from: String

    @Option(
        help: ArgumentHelp(
            "Store to write to: file://, s3://, azblob://, gs://, sftp://, webdavs:// or https://.",
            valueName: "url"
        )
    )
    var to: String

    @Option(help: "Subject of the backups, where the store holds several.")
    var name: String?

    @Flag(help: "Copy every backup, of all subjects or of the one that --name names.")
    var all = false

    @Option(
        help: ArgumentHelp(
            "Copy every backup that was begun since then: an age such as 7d, or a time as 2026-11-22T15:30:00Z.",
            valueName: "age-or-time"
        ),
        transform: PastMoment.reading
    )
    var since: PastMoment?

    @Flag(help: "Copy sets that are not encrypted as they are, although REDOUBT_RECIPIENT or its file is set.")
    var asIs = false

    @Flag(help: "Say what would be copied, and copy nothing.")
    var dryRun = false

    @OptionGroup var proof: ReplayProofOptions
    @OptionGroup(title: "Encryption of the copies") var recipients: RecipientOptions
    @OptionGroup var signing: SigningOptions
    @OptionGroup(title: "Encryption of the source") var identity: IdentityOptions
    @OptionGroup(title: "Store") var store: StoreOptions
    @OptionGroup(title: "Monitoring") var monitoring: MonitoringOptions
    @OptionGroup(title: "Output") var outputs: OutputOptions

    var watchedSubject: WatchedSubject { .init(name, orElse: all || since != nil ? .all : .unknown) }
    var isRehearsal: Bool { dryRun }

    func validate() throws {
        if [backup != nil, all, since != nil].filter(\.self).count > 1 {
            throw ValidationError("give one of BACKUP, --all and --since")
        }
        if asIs, !recipients.isEmpty { throw ValidationError("--as-is and --recipient exclude each other") }
    }

    func execute() async throws -> ExitCode {
        let session = outputs.session()
        let choice = try choice()
        let encryption = EncryptionChoice(try recipients.lock())
        let passedOver = plainSetsRefused(encryption, session)
        let signingKey = encryption.isAsked ? try signing.key(session) : nil
        // One of the environment is that of backups: it signs nothing here, and is no reason to refuse either.
        let isShared = signing.signKey == session.environment[EnvironmentLayer.variable(of: "sign-key")]
        guard signing.signKey == nil || isShared || encryption.isAsked else {
            throw Failure(
                .usage,
                "sign copies: sets are copied unchanged, and their signatures with them",
                hint: "--sign-key is for copies that are encrypted anew, with --recipient."
            )
        }
        let keyring = try await identity.keyring(session)
        let (source, target) = (try StoreLocation(parsing: from), try StoreLocation(parsing: to))
        guard source != target else {
            throw Failure(
                .usage,
                "copy from \(source) to \(target): they are one and the same store",
                hint: "Name another store, or another prefix, with --to."
            )
        }
        let sets = try await store.withStore(at: from, session) { source in
            try await store.withStore(at: to, asTarget: true, session) { target in
                let copy = Copy(
                    from: Catalog(store: source, keyring: keyring),
                    to: Catalog(store: target, keyring: keyring),
                    at: proof.proof,
                    encrypting: encryption,
                    signingWith: signingKey,
                    refusingPlainFor: passedOver,
                    runID: session.runID,
                    meter: session.meter,
                    logger: session.logger
                )
                return try await session.progress.show {
                    dryRun ? try await copy.plan(choice, name: name) : try await copy.run(choice, name: name)
                }
            }
        }
        let report = CopyReport(sets, from: "\(source)", to: "\(target)", isDryRun: dryRun)
        RunFacts.note { $0.copied(report) }
        try session.result(report.text, report, verdict: report.verdict)
        return try report.ending(sets)
    }

    /// The variables that say that backups are encrypted, where sets are copied as they are and nobody said that those
    /// which are not encrypted may be, too.
    private func plainSetsRefused(_ encryption: EncryptionChoice, _ session: Session) -> [String] {
        guard !encryption.isAsked, !asIs else { return [] }
        let variables = EnvironmentLayer.passedOver(by: "copy", in: session.environment)
        if !variables.isEmpty {
            session.logger.info(
                "encrypted sets are copied as they are: \(variables.joined(separator: " and ")) is for backups"
            )
        }
        return variables
    }

    private func choice() throws -> CopyChoice {
        if all { return .all }
        if let since { return .since(since.time) }
        return .one(try BackupReference(backup ?? "latest"))
    }
}

/// A moment that has passed: an age as `7d`, or a time in RFC 3339.
struct PastMoment: Sendable {
    let time: Timestamp

    /// - Throws: `TimeSpan.Refusal`.
    static func reading(_ text: String) throws -> PastMoment {
        if let time = Timestamp(text) { return PastMoment(time: time) }
        let age = try TimeSpan.withUnit(text)
        return PastMoment(time: Timestamp(secondsSince1970: Timestamp.now().secondsSince1970 - age.seconds))
    }
}

/// What became of the sets, for people and for programs.
struct CopyReport: Encodable {
    struct Set: Encodable {
        let name: String
        let id: String
        /// `copied`, `present`, `failed` or `not-tried`; before a dry run `would-copy`.
        let outcome: String
        let members: Int
        let storedBytes: Int64
        var sentBytes: Int64 = 0
        var reusedMembers = 0
        var reusedBytes: Int64 = 0
        let seconds: Double
        var error: Manifest.Problem?

        init(_ set: CopiedSet) {
            name = set.name
            id = set.id.text
            members = set.manifest?.storedMembers.count ?? 0
            storedBytes = set.manifest?.storedBytes ?? 0
            seconds = set.seconds
            switch set.outcome {
            case .copied(let amount):
                outcome = "copied"
                sentBytes = amount.sentBytes
                reusedMembers = amount.reusedMembers
                reusedBytes = amount.reusedBytes
            case .present: outcome = "present"
            case .wouldCopy: outcome = "would-copy"
            case .notTried: outcome = "not-tried"
            case .failed(let failure):
                outcome = "failed"
                error = .init(code: failure.code.rawValue, message: failure.description)
            }
        }
    }

    let from: String
    let to: String
    let dryRun: Bool
    let sets: [Set]

    init(_ sets: [CopiedSet], from: String, to: String, isDryRun: Bool) {
        self.from = from
        self.to = to
        dryRun = isDryRun
        self.sets = sets.map(Set.init)
    }

    private func count(_ outcome: String) -> Int { sets.count { $0.outcome == outcome } }

    var text: String {
        var table = TextTable([
            ("NAME", .left), ("ID", .left), ("OUTCOME", .left), ("MEMBERS", .right), ("STORED", .right),
            ("SENT", .right), ("TOOK", .right),
        ])
        for set in sets {
            table.append([
                set.name, set.id, set.outcome, "\(set.members)", Quantity.bytes(set.storedBytes),
                Quantity.bytes(set.sentBytes), Quantity.seconds(set.seconds),
            ])
        }
        var lines = [table.text, ""]
        for set in sets {
            if set.reusedMembers > 0 {
                lines.append("resumed   \(set.name)/\(set.id): \(set.reusedMembers) members were there, and are proven")
            }
            if let error = set.error {
                lines.append("FAILED    \(set.name)/\(set.id): \(error.message) [\(error.code)]")
            }
        }
        lines.append("copy      \(verdict)")
        return lines.joined(separator: "\n")
    }

    /// How it went, in a sentence.
    var verdict: String {
        if dryRun {
            let counts = "\(count("would-copy")) to copy, \(count("present")) there already, \(count("failed")) not fit"
            return "\(counts): \(from) to \(to); nothing was done (--dry-run)"
        }
        let failed = sets.count - count("copied") - count("present")
        let counts = "\(count("copied")) copied, \(count("present")) there already, \(failed) failed"
        return "\(counts): \(from) to \(to)"
    }

    /// How the command ends: partial where some sets were copied and others were not.
    /// - Throws: the failure that says most, where none was.
    func ending(_ results: [CopiedSet]) throws -> ExitCode {
        let failures = results.compactMap(\.failure)
        // Bytes that are corrupt must not hide behind a store that did not answer.
        guard let worst = failures.first(where: { ExitCode($0.code) == .corrupt }) ?? failures.first else {
            return .done
        }
        if count("copied") > 0 { return .partial }
        throw Failure(
            worst.code,
            "copy from \(from) to \(to): \(sets.count - count("present")) of \(sets.count) backups were not copied",
            cause: worst,
            hint: worst.hint
        )
    }
}
