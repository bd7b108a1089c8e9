// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Operations

/// What a run over the sets of a store found, for people and for programs.
struct VerifyRoundReport: Encodable {
    struct Set: Encodable {
        let name: String
        let id: String
        /// `proven`, `stored`, `different` or `failed`.
        let verdict: ProofRecord.Verdict
        let storedBytes: Int64
        let seconds: Double
        let members: [VerifiedMember]
        let error: Manifest.Problem?

        init(_ examined: VerifyRoundOutcome.Examined) {
            name = examined.set.name
            id = examined.set.id.text
            verdict = examined.verdict
            storedBytes = examined.set.storedBytes
            seconds = examined.seconds
            members = examined.findings.map(VerifiedMember.init)
            error = examined.failure.map { .init(code: $0.code.rawValue, message: $0.description) }
        }
    }

    struct Next: Encodable {
        let name: String
        let id: String
        let lookedAt: Timestamp
    }

    let store: String
    let sets: [Set]
    /// Sets that had no turn now, and were found different when they had one.
    let differentBefore: [String]
    let verifiedBytes: Int64
    let totalSets: Int
    let totalBytes: Int64
    let seconds: Double
    /// `max-bytes`, `max-time` or `store`; absent where all sets had their turn.
    let stoppedBy: String?
    /// The set that the next run begins with.
    let next: Next?
    /// How many runs like this one a whole round takes.
    let runsOfARound: Int?
    let secondsOfARound: Double?
    /// The history, where it was looked at too.
    let chain: ChainReport?
    private let outcome: VerifyRoundOutcome

    private enum CodingKeys: String, CodingKey {
        case store, sets, differentBefore, verifiedBytes, totalSets, totalBytes, seconds, stoppedBy, next, runsOfARound
        case secondsOfARound, chain
    }

    init(_ outcome: VerifyRoundOutcome, at store: String, history chain: ChainReport? = nil) {
        self.chain = chain
        self.outcome = outcome
        self.store = store
        sets = outcome.examined.map(Set.init)
        differentBefore = outcome.differentBefore.map(\.title)
        verifiedBytes = outcome.bytes
        totalSets = outcome.totalSets
        totalBytes = outcome.totalBytes
        seconds = outcome.seconds
        stoppedBy = outcome.stop?.rawValue
        next = outcome.next.map { Next(name: $0.set.name, id: $0.set.id.text, lookedAt: $0.lookedAt) }
        runsOfARound = outcome.runsOfARound
        secondsOfARound = outcome.secondsOfARound
    }

    private func count(_ verdict: ProofRecord.Verdict) -> Int { sets.count { $0.verdict == verdict } }

    var text: String {
        var table = TextTable([
            ("NAME", .left), ("ID", .left), ("VERDICT", .left), ("MEMBERS", .right), ("STORED", .right),
            ("TOOK", .right),
        ])
        for set in sets {
            table.append([
                set.name, set.id, set.error == nil ? set.verdict.rawValue : set.verdict.rawValue.uppercased(),
                "\(set.members.count)", Quantity.bytes(set.storedBytes), Quantity.seconds(set.seconds),
            ])
        }
        var lines = (chain.map { [$0.text, ""] } ?? []) + [table.text, ""]
        for set in sets {
            guard let error = set.error else { continue }
            lines.append("FAILED    \(set.name)/\(set.id): \(error.message) [\(error.code)]")
        }
        for title in differentBefore { lines.append("FAILED    \(title): found different by an earlier run") }
        lines.append("covered   \(coverage)")
        if let round { lines.append("round     \(round)") }
        lines.append("verify    \(verdict)")
        return lines.joined(separator: "\n")
    }

    private var coverage: String {
        "\(sets.count) of \(totalSets) backups, \(Quantity.bytes(verifiedBytes)) of \(Quantity.bytes(totalBytes)), in "
            + Quantity.seconds(seconds)
            + (stoppedBy.map { "; stopped by \($0 == "store" ? "the store" : "--\($0)")" } ?? "")
    }

    /// How long it takes until all sets had their turn.
    private var round: String? {
        guard let next, let runsOfARound, let secondsOfARound, stoppedBy != nil else { return nil }
        return "\(runsOfARound) such runs, \(Quantity.seconds(secondsOfARound)) together; the next one begins with "
            + "\(next.name)/\(next.id), looked at \(next.lookedAt)"
    }

    /// How it went, in a sentence.
    var verdict: String {
        let stored = count(.stored)
        var parts = ["\(count(.proven) + stored) of \(sets.count) backups proven"]
        if stored > 0 { parts[0] += " to be what was stored; what is in them was not read (--stored-only)" }
        if count(.different) > 0 { parts.append("\(count(.different)) corrupt") }
        if count(.failed) > 0 { parts.append("\(count(.failed)) could not be read") }
        if !differentBefore.isEmpty { parts.append("\(differentBefore.count) found corrupt before") }
        return parts.joined(separator: ", ") + ", in \(store)" + (chain.map { "; the history of \($0.verdict)" } ?? "")
    }

    /// How the command ends.
    /// - Throws: the failure that says most, unless everything is proven.
    func ending() throws -> ExitCode {
        let failed = outcome.examined.filter { $0.failure != nil }
        let corrupt = failed.first { $0.verdict == .different }
        if corrupt == nil, let known = outcome.differentBefore.first {
            throw Failure(
                .digestMismatch,
                "verify the backups in \(store): \(known.title) was found corrupt before, and is still there",
                hint: "`redoubt verify \(known.title)` reads it again. Keep what is good of it, then remove it."
            )
        }
        guard let worst = corrupt ?? failed.first, let failure = worst.failure else { return .done }
        throw Failure(
            failure.code,
            "verify the backups in \(store): \(failed.count) of \(sets.count) are not proven, as \(worst.set.title)",
            cause: failure,
            hint: failure.hint ?? "Restore another member of the set, or another backup."
        )
    }
}

/// What was found out about one member.
struct VerifiedMember: Encodable {
    let member: String
    let proven: Bool
    /// Whether the object is the one that was stored.
    let storedProven: Bool
    let seconds: Double
    let rawBytes: Int64
    let keys: UInt64
    let contentDigest: String?
    let error: Manifest.Problem?

    init(_ finding: Verify.Finding) {
        member = finding.member.member
        proven = finding.isProven
        storedProven = finding.isStoredProven
        seconds = finding.seconds
        rawBytes = finding.member.rdb?.bytes ?? 0
        keys = finding.member.rdb?.keyCount ?? 0
        contentDigest = finding.contentDigest
        error = finding.failure.map { .init(code: $0.code.rawValue, message: $0.description) }
    }

    var verdict: String { proven ? "proven" : storedProven ? "stored" : "FAILED" }
}
