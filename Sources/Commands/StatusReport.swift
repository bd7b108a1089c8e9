// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Operations

/// How the backups of a store do, for people and for programs.
package struct StatusReport: Encodable {
    struct Subject: Encodable {
        let name: String
        /// `ok`, or the kind of the worst problem.
        let verdict: String
        let problems: [StatusProblem]
        let warnings: [String]
        let sets: Int
        let oldestAt: Timestamp?
        let newestAt: Timestamp?
        /// The set that counts.
        let backup: Point?
        /// What the sets before it usually held.
        let usual: DatasetExtent?
        let verified: Proof?
        let verifiedSets: Int
        let corruptSets: [String]
        let drilled: Proof?
        let history: [Point]

        init(_ status: SubjectStatus) {
            name = status.name
            verdict = status.worst?.kind.rawValue ?? "ok"
            problems = status.problems
            warnings = status.warnings
            sets = status.sets
            oldestAt = status.oldest?.time
            newestAt = status.newest?.time
            backup = status.counted.map { Point($0, status) }
            usual = status.usual
            verified = status.verified.map { Proof(id: $0.backup.text, at: $0.time, status) }
            verifiedSets = status.verifiedSets
            corruptSets = status.corruptSets.map(\.text)
            drilled = status.drilled.map { Proof(id: $0.backup.text, at: $0.startedAt, status) }
            history = status.history.map { Point($0, status) }
        }
    }

    struct Point: Encodable {
        let id: String
        let startedAt: Timestamp
        let finishedAt: Timestamp
        let ageSeconds: Int64
        let partial: Bool
        let members: Int
        /// Each shard counted once.
        let keys: UInt64
        let types: [String: UInt64]
        let rawBytes: Int64
        let storedBytes: Int64
        let seconds: Double

        init(_ point: SubjectStatus.Point, _ status: SubjectStatus) {
            id = point.id.text
            startedAt = point.startedAt
            finishedAt = point.finishedAt
            ageSeconds = status.age(of: point.startedAt)
            partial = point.isPartial
            members = point.members
            keys = point.extent.keys
            types = point.extent.types
            rawBytes = point.extent.rawBytes
            storedBytes = point.storedBytes
            seconds = point.seconds
        }
    }

    /// When a set was proven, and which.
    struct Proof: Encodable {
        let id: String
        let at: Timestamp
        let ageSeconds: Int64

        init(id: String, at: Timestamp, _ status: SubjectStatus) {
            self.id = id
            self.at = at
            ageSeconds = status.age(of: at)
        }
    }

    let store: String
    let subjects: [Subject]
    private let statuses: [SubjectStatus]

    private enum CodingKeys: String, CodingKey {
        case store, subjects
    }

    package init(_ statuses: [SubjectStatus], at store: String) {
        self.statuses = statuses
        self.store = store
        subjects = statuses.map(Subject.init)
    }

    package func text(showsTable: Bool, isPlain: Bool) -> String {
        guard !statuses.isEmpty else { return "no backups in \(store)" }
        let lines = statuses.flatMap { [$0.line] + $0.warnings.map { "warning   \($0)" } }
        guard showsTable else { return lines.joined(separator: "\n") }
        return table(isPlain: isPlain) + "\n\n" + lines.joined(separator: "\n")
    }

    private func table(isPlain: Bool) -> String {
        var table = TextTable([
            ("NAME", .left), ("BACKUPS", .right), ("NEWEST", .right), ("KEYS", .right), ("RAW", .right),
            ("SIZE", .left),
            ("TOOK", .right), ("TIME", .left), ("VERIFIED", .right), ("DRILLED", .right),
        ])
        for status in statuses {
            func age(_ time: Timestamp?) -> String { time.map { ReadableAmount.age(status.age(of: $0)) } ?? "never" }
            let last = status.history.last
            table.append([
                status.name, "\(status.sets)", age(status.counted?.startedAt),
                Quantity.count(last?.extent.keys ?? 0), Quantity.bytes(last?.extent.rawBytes ?? 0),
                Sparkline.text(status.history.map { Double($0.extent.rawBytes) }, isPlain: isPlain),
                Quantity.seconds(last?.seconds ?? 0),
                Sparkline.text(status.history.map(\.seconds), isPlain: isPlain),
                age(status.verified?.time), age(status.drilled?.startedAt),
            ])
        }
        return table.text
    }

    /// All of it, in a sentence.
    var verdict: String {
        guard let worst = statuses.first(where: { $0.worst?.code == worst?.code && $0.worst != nil }) else {
            return statuses.count == 1 ? statuses[0].sentence : "\(statuses.count) subjects, all as they should be"
        }
        let others = statuses.count { !$0.problems.isEmpty } - 1
        return worst.sentence + (others > 0 ? "; and \(others) more" : "")
    }

    private var worst: StatusProblem? { statuses.compactMap(\.worst).min { $0.rank < $1.rank } }

    /// How the command ends.
    /// - Throws: the worst of what is not as it should be.
    package func ending() throws -> ExitCode {
        guard !statuses.isEmpty else {
            throw Failure(.noSuchBackup, "look at the backups in \(store): there is none")
        }
        guard let worst else { return .done }
        throw Failure(worst.code, verdict, hint: worst.hint)
    }
}

extension StatusProblem {
    /// What is wrong comes before what is missing, and that before what is late.
    fileprivate var rank: Int {
        switch kind {
        case .corrupt: 0
        case .absent: 1
        case .partial, .stale, .unverified, .undrilled, .small, .shrunk: 2
        }
    }

    fileprivate var hint: String? {
        switch kind {
        case .absent, .partial, .stale: "Look at the last runs of the backup: their last lines say what failed."
        case .corrupt: "Restore another backup. `redoubt verify` tells which members are sound."
        case .unverified: "`redoubt verify --all` reads backups again, in turn."
        case .undrilled: "`redoubt drill` restores one into a throw-away server."
        case .small, .shrunk: "Keep the older backups until it is known why: prune nothing."
        }
    }
}

extension SubjectStatus {
    /// The problem that ends the run.
    package var worst: StatusProblem? { problems.min { $0.rank < $1.rank } }

    /// `ok        prod.redis/2026…: 2 h old, 1,234 keys, 12.3 MiB, verified 3 h ago, drilled 2 days ago`
    var line: String { (problems.isEmpty ? "ok        " : "FAILED    ") + sentence }

    fileprivate var sentence: String {
        guard problems.isEmpty else { return "\(name): " + problems.map(\.message).joined(separator: "; ") }
        guard let counted else { return name }
        let proofs = [
            verified.map { "verified \(ReadableAmount.age(age(of: $0.time))) ago" } ?? "never verified",
            drilled.map { "drilled \(ReadableAmount.age(age(of: $0.startedAt))) ago" } ?? "never drilled",
        ]
        let size = "\(Quantity.count(counted.extent.keys)) keys, \(Quantity.bytes(counted.extent.rawBytes))"
        return
            "\(name)/\(counted.id): \(ReadableAmount.age(age(of: counted.startedAt))) old, \(size), "
            + proofs.joined(separator: ", ") + "; \(sets) \(sets == 1 ? "backup" : "backups")"
    }
}
