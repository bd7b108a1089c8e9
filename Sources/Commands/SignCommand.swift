// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import Failures
import Operations

struct SignCommand: RunnableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sign",
        abstract: "Sign backups that are in a store already, or sign them anew with another key.",
        discussion: """
            Each is read first, as it is stored: what is damaged is not signed. A second key signs beside the first. \
            What the key has signed already is left as it is. Exit code 3: some were signed, others failed.
            """
    )

    @Argument(help: "latest, an id, or NAME/ID; otherwise give --all.")
    var backup: String?

    @Flag(help: "Sign every backup, of all subjects or of the one that --name names.")
    var all = false

    @Flag(help: "Sign the manifests alone: do not read whether the members are what they say.")
    var unread = false

    @Flag(
        help: """
            With --all: sign records of removals too, whoever wrote them. Otherwise only those that a key given with \
            --public-key has signed.
            """
    )
    var removals = false

    @OptionGroup var signing: SigningOptions
    @OptionGroup var signers: PublicKeyOptions
    @OptionGroup var source: SourceStoreOptions
    @OptionGroup var outputs: OutputOptions

    func validate() throws {
        if all == (backup != nil) { throw ValidationError("give either BACKUP or --all") }
        if removals, !all { throw ValidationError("--removals goes with --all") }
        if signing.signKey == nil { throw ValidationError("say with which key: --sign-key FILE") }
    }

    func execute() async throws -> ExitCode {
        let session = outputs.session()
        guard let key = try signing.key(session) else { return .usage }
        var request = Signing.Request(key: key, runID: session.runID)
        request.signedBefore = try signers.keys()
        request.leavesUnread = unread
        request.takesRemovals = removals
        let reference = try backup.map { try BackupReference($0) }
        let report = try await source.store.withStore(at: source.from, session) { [request] store in
            let signing = Signing(request, in: Catalog(store: store), meter: session.meter, logger: session.logger)
            let outcome = try await session.progress.show {
                if let reference { return try await signing.run(reference, name: source.name) }
                return try await signing.runAll(of: source.name)
            }
            return SignReport(outcome, by: key.verificationKey, in: store.location)
        }
        try session.result(report.text, report, verdict: report.verdict)
        return try report.ending()
    }
}

/// What was signed, for people and for programs.
private struct SignReport: Encodable {
    struct Set: Encodable {
        let name: String
        let id: String
        /// `signed`, `present` or `failed`.
        let outcome: String
        let error: Manifest.Problem?

        init(_ set: SigningOutcome.SignedSet) {
            name = set.name
            id = set.id.text
            outcome =
                switch set.outcome {
                case .signed: "signed"
                case .present: "present"
                case .failed: "failed"
                }
            error = set.failure.map { .init(code: $0.code.rawValue, message: $0.description) }
        }
    }

    let store: String
    /// The fingerprint of the key.
    let key: String
    let sets: [Set]
    let removalsSigned: Int
    /// Records of removals that no key has signed that was given.
    let removalsLeft: Int
    /// Why others were not signed that should have been.
    let removalErrors: [Manifest.Problem]
    private let outcome: SigningOutcome

    private enum CodingKeys: CodingKey {
        case store, key, sets, removalsSigned, removalsLeft, removalErrors
    }

    init(_ outcome: SigningOutcome, by key: VerificationKey, in store: String) {
        self.outcome = outcome
        self.store = store
        self.key = key.fingerprint
        sets = outcome.sets.map(Set.init)
        removalsSigned = outcome.removalsSigned
        removalsLeft = outcome.removalsLeft
        removalErrors = outcome.removalFailures.map { .init(code: $0.code.rawValue, message: $0.description) }
    }

    private func count(_ outcome: String) -> Int { sets.count { $0.outcome == outcome } }

    var text: String {
        var lines = sets.map { set in
            let title = "\(set.name)/\(set.id)"
            guard let error = set.error else { return (set.outcome == "signed" ? "signed    " : "present   ") + title }
            return "FAILED    \(title): \(error.message) [\(error.code)]"
        }
        if removalsSigned > 0 { lines.append("signed    \(removalsSigned) records of removals") }
        if removalsLeft > 0 {
            lines.append("unsigned  \(removalsLeft) records of removals: --removals signs them, when they are lawful")
        }
        lines += removalErrors.map { "FAILED    \($0.message) [\($0.code)]" }
        return (lines + ["sign      \(verdict)"]).joined(separator: "\n")
    }

    var verdict: String {
        "\(count("signed")) signed, \(count("present")) signed before, "
            + "\(count("failed") + removalErrors.count) failed, by \(key), in \(store)"
    }

    /// - Throws: the failure that says most, where nothing was signed.
    func ending() throws -> ExitCode {
        let failures = outcome.sets.compactMap(\.failure) + outcome.removalFailures
        guard let worst = failures.first(where: { ExitCode($0.code) == .corrupt }) ?? failures.first else {
            return .done
        }
        if count("signed") + removalsSigned > 0 { return .partial }
        throw Failure(
            worst.code,
            "sign what is in \(store): \(failures.count) are not signed that should be",
            cause: worst,
            hint: worst.hint
        )
    }
}
