// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import Failures
import FoundationEssentials
import Operations

/// Whether the history of a subject is looked at, and what is believed beside the store.
struct ChainOptions: ParsableArguments, Sendable {
    @Flag(help: "Prove that no set was removed, changed or replaced by an older one; reads no snapshot.")
    var chain = false

    @OptionGroup var signers: PublicKeyOptions

    @Option(
        help: ArgumentHelp(
            "With --chain: where the history begins that counts. Older sets need no signature, and may be missing.",
            valueName: "id"
        )
    )
    var signedSince: String?

    @Option(
        help: ArgumentHelp(
            "With --chain: a file outside of the store that remembers the newest set, so that its loss shows.",
            valueName: "file"
        )
    )
    var anchor: String?

    func validate() throws {
        if !chain, !signers.publicKey.isEmpty || signedSince != nil || anchor != nil {
            throw ValidationError("--public-key, --signed-since and --anchor are for --chain")
        }
        if let signedSince, BackupID(signedSince) == nil {
            throw ValidationError("--signed-since is the id of a backup, as 20261122T153000Z-7f3a")
        }
    }

    /// Remembers the newest set of a history that is whole.
    /// - Throws: `.digestMismatch` when it is not.
    func conclude(_ outcome: VerifyChain.Outcome, of name: String, in store: String) throws -> ExitCode {
        if let first = outcome.bad.first {
            throw Failure(
                .digestMismatch,
                "verify the chain of \(name) in \(store): broken at \(ChainReport.places(outcome.bad.count)), first at "
                    + "\(first.id): \(first.detail)",
                hint: outcome.hint
            )
        }
        if let anchor, let newest = outcome.newest {
            try ChainAnchor(name: name, newest: newest).write(to: anchor)
        }
        return .done
    }

    /// - Throws: `.configuration` when a file cannot be read as what it should be.
    func trust(in name: String) throws -> VerifyChain.Trust {
        var trust = VerifyChain.Trust()
        trust.keys = try signers.keys()
        trust.signedSince = signedSince.flatMap(BackupID.init)
        if let anchor, FileManager.default.fileExists(atPath: anchor) {
            trust.anchor = try ChainAnchor.read(from: anchor, of: name)
        }
        return trust
    }
}

/// What is remembered of a history outside of its store.
struct ChainAnchor: Codable {
    let name: String
    let newest: Manifest.Link

    /// - Throws: `.configuration` when it is none, or of another subject.
    static func read(from file: String, of name: String) throws -> Manifest.Link {
        guard let anchor = try? JSONDecoder().decode(ChainAnchor.self, from: Data(KeyFile(file).text().utf8)) else {
            throw Failure(
                .configuration,
                "read the anchor \(file): it is none",
                hint: "Give a file that an earlier verify --chain wrote, or one that does not exist yet."
            )
        }
        guard anchor.name == name else {
            throw Failure(
                .configuration,
                "read the anchor \(file): it is of \(anchor.name), not of \(name)",
                hint: "Give each name a file of its own."
            )
        }
        return anchor.newest
    }

    /// Written beside it and renamed, so that a crash leaves the old one.
    func write(to file: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            try (encoder.encode(self) + Data("\n".utf8)).write(to: URL(fileURLWithPath: file), options: .atomic)
        } catch {
            throw Failure(
                .inputOutput,
                "write the anchor \(file): its folder is not there, or may not be written to",
                hint: "The history is whole; only that could not be remembered."
            )
        }
    }
}

/// What became of a history, for people and for programs.
struct ChainReport: Encodable {
    let name: String
    let store: String
    let sets: [Entry]
    let bad: Int

    struct Entry: Encodable {
        let id: String
        let verdict: String
        let detail: String?
        let signedBy: String?
    }

    init(_ outcome: VerifyChain.Outcome, of name: String, in store: String) {
        self.name = name
        self.store = store
        bad = outcome.bad.count
        sets = outcome.findings.map {
            Entry(
                id: $0.id.text,
                verdict: $0.verdict.rawValue,
                detail: $0.detail.isEmpty ? nil : $0.detail,
                signedBy: $0.signedBy
            )
        }
    }

    var text: String {
        var table = TextTable([("ID", .left), ("VERDICT", .left), ("SIGNED BY", .left), ("WHY", .left)])
        for set in sets { table.append([set.id, set.verdict, set.signedBy ?? "", set.detail ?? ""]) }
        return "\(table.text)\n\nchain     \(verdict)"
    }

    var verdict: String {
        let pruned = count(.pruned)
        let elsewhere = count(.prunedElsewhere)
        let there =
            "\(sets.count - pruned - elsewhere - missing) sets, \(pruned) pruned"
            + (elsewhere > 0 ? ", \(elsewhere) pruned elsewhere" : "")
        return bad == 0 ? "\(name): whole (\(there))" : "\(name): BROKEN at \(Self.places(bad)) (\(there))"
    }

    static func places(_ count: Int) -> String { "\(count) \(count == 1 ? "place" : "places")" }

    private func count(_ verdict: VerifyChain.Finding.Verdict) -> Int {
        sets.count { $0.verdict == verdict.rawValue }
    }

    private var missing: Int {
        sets.count { ["removed", "rolled-back"].contains($0.verdict) }
    }
}
