// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures

/// What a restore would come to, told before anything is touched: a pure judgement of the manifest and of what is
/// known of the server.
package struct RestorePlan: Sendable, Hashable {
    package enum Verdict: String, Sendable, Hashable, Encodable {
        case go
        case warning
        case noGo = "no-go"
    }

    /// What is looked at; the raw values are stable.
    package enum Check: String, Sendable, Hashable, Encodable, CaseIterable {
        /// Whether the set is whole.
        case set
        /// Whether the server reads this version of the format.
        case rdbVersion = "rdb-version"
        /// Whether it has the modules whose data is in it.
        case modules
        /// Whether it takes the libraries of functions.
        case functions
        /// Whether it has the databases that hold keys.
        case databases
        /// Whether the keys belong to its slots.
        case cluster
        /// Whether the dataset fits into its memory.
        case memory
        /// Whether the snapshot fits onto its volume.
        case disk
        /// Whether it loads what is written for it.
        case persistence
        /// What becomes of the keys with an expiry.
        case expiries
        /// Where its users come from.
        case acl
        /// What is there already.
        case dataHeld = "data-held"
    }

    /// One line of the table.
    package struct Row: Sendable, Hashable, Encodable {
        package let check: Check
        package let verdict: Verdict
        /// What the snapshot has or asks for; `-` where that does not matter.
        package let snapshot: String
        /// What the server has; `not known` is an answer, too.
        package let target: String
        /// What that means: lower case, no final period; empty where there is nothing to say.
        package let detail: String
        /// The flag that restores all the same.
        package let override: String?
    }

    /// What was allowed on the command line.
    package struct Allowances: Sendable, Hashable {
        /// `--ignore-compatibility`: restore although the server could not load it.
        package var ignoresCompatibility: Bool
        /// `--replace`: what is there makes room.
        package var replacesData: Bool

        package init(ignoresCompatibility: Bool = false, replacesData: Bool = false) {
            self.ignoresCompatibility = ignoresCompatibility
            self.replacesData = replacesData
        }
    }

    /// In the order of `Check`. A row is missing where nothing is known and nothing depends on it.
    package let rows: [Row]

    package init(rows: [Row]) {
        self.rows = rows
    }

    /// The worst of the rows.
    package var verdict: Verdict {
        isGo ? rows(.warning).isEmpty ? .go : .warning : .noGo
    }

    package var isGo: Bool { rows.allSatisfy { $0.verdict != .noGo } }

    package func rows(_ verdict: Verdict) -> [Row] { rows.filter { $0.verdict == verdict } }

    package subscript(check: Check) -> Row? { rows.first { $0.check == check } }
}

extension RestorePlan {
    /// - Parameters:
    ///   - expiries: what will be done with them.
    ///   - now: when it is restored.
    package static func assess(
        _ member: Manifest.Member,
        of manifest: Manifest,
        for target: RestoreTargetFacts,
        expiries: ExpiryChoice = .keep,
        allowing allowances: Allowances = Allowances(),
        now: Timestamp
    ) -> RestorePlan {
        guard let snapshot = member.rdb, member.stored != nil else {
            let reason = member.error.map { ": \($0.message)" } ?? ""
            let detail = "\(manifest.name)/\(manifest.id) holds no snapshot of \(member.member)\(reason)"
            return RestorePlan(rows: [
                Row(check: .set, verdict: .noGo, snapshot: "none", target: "-", detail: detail, override: nil)
            ])
        }
        let assessment = RestoreAssessment(
            manifest: manifest,
            member: member,
            snapshot: snapshot,
            target: target,
            expiries: expiries,
            allowances: allowances,
            now: now
        )
        return RestorePlan(
            rows: [
                assessment.set, assessment.rdbVersion, assessment.modules, assessment.functions,
                assessment.databases, assessment.cluster, assessment.memory, assessment.disk,
                assessment.persistence, assessment.expiriesRow, assessment.acl, assessment.dataHeld,
            ].compactMap(\.self)
        )
    }

    /// - Parameter subject: what would be restored into what, as in `demo/<id>, member redis-0, into /data`.
    /// - Throws: `.guardRefused` with every no-go and the flag that overrides it; nothing was touched then.
    package func requireGo(_ subject: String) throws {
        let obstacles = rows(.noGo)
        guard !obstacles.isEmpty else { return }
        let flags = Set(obstacles.compactMap(\.override)).sorted()
        let isOverridable = obstacles.allSatisfy { $0.override != nil }
        throw Failure(
            .guardRefused,
            "restore \(subject): nothing was touched: "
                + obstacles.map { "\($0.check.rawValue): \($0.detail)" }.joined(separator: "; "),
            hint: isOverridable
                ? "Restore into a server that can take it. \(flags.joined(separator: " ")) restores all the same."
                : "Change what the table names; `--dry-run` prints it without touching anything."
        )
    }
}

extension RestorePlan: Encodable {
    private enum CodingKeys: String, CodingKey {
        case verdict
        case rows
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(verdict, forKey: .verdict)
        try container.encode(rows, forKey: .rows)
    }
}
