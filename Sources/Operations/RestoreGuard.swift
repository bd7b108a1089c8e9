// SPDX-License-Identifier: Apache-2.0

import Catalog
import DataDirectory
import Failures
import Logging
import ObjectStorage
import RedisClient

/// Guards the start of a server: runs in its pod before it, and lets it start only from data, or when a complete
/// listing of the store proves that there is nothing to restore.
///
/// An empty server is dangerous where there was data: as a primary it has its replicas throw theirs away (F36). So an
/// empty folder is restored; or the pod is held until the store can be asked; and only the operator's own word starts
/// it empty without an answer. Data that is there is never touched, and needs no answer.
package struct RestoreGuard: Sendable {
    private let request: DataDirectoryRequest
    private let policy: GuardPolicy
    private let peers: [RedisEndpoint]
    private let store: StoreScope
    private let meter: ProgressMeter
    private let logger: Logger

    /// Opens the store for one try: a new one each time, so that credentials that were renewed count.
    package typealias StoreScope =
        @Sendable (_ body: @escaping @Sendable (Catalog) async throws -> GuardOutcome) async throws -> GuardOutcome

    package init(
        _ request: DataDirectoryRequest,
        policy: GuardPolicy,
        peers: [RedisEndpoint],
        store: @escaping StoreScope,
        meter: ProgressMeter,
        logger: Logger
    ) {
        self.request = request
        self.policy = policy
        self.peers = peers
        self.store = store
        self.meter = meter
        self.logger = logger
    }

    package func run() async throws -> GuardOutcome {
        try await GuardHold(policy, path: request.path, logger: logger).untilDecided { secondsLeft in
            // What stands in the folder, and what do the other members of its group say?
            let sight = try await look()
            let peers = await GuardPeers.ask(self.peers, logger: logger)

            // Data is there: the server starts from it, whatever the store says.
            guard sight.mayBeRestored else { return try await startFromData(sight, peers) }

            // Nothing is there: what the store has is restored. What it has not, by a complete listing, is not missed.
            try refuseOrphans(peers)
            return try await restore(sight, peers, secondsLeft: secondsLeft)
        } orStart: {
            // The deadline passed without an answer, and the operator wants the server to start all the same.
            GuardOutcome(.startsUnproven($0))
        }
    }
}

// MARK: Looking

extension RestoreGuard {
    private struct Sight {
        let contents: Contents
        let history: DatasetHistory?
        /// Whether nothing is there that must be kept.
        let mayBeRestored: Bool
    }

    private func look() async throws -> Sight {
        try await withDataDirectory(at: request.path) { directory in
            try await RestoreDataDirectory.recover(directory, for: request, logger: logger)
            let contents = try await directory.inspect(names: request.fileNames)
            let isEmptyAndMayGo = contents.dataset == .empty && request.mode == .replaceEmpty
            return Sight(
                contents: contents,
                history: try await directory.history(names: request.fileNames, purpose: request.purpose),
                mayBeRestored: contents.isFresh || isEmptyAndMayGo
            )
        }
    }
}

// MARK: A folder without data

extension RestoreGuard {
    /// How long the store is asked at least, whatever the deadline.
    private static let askSecondsMin = 10.0

    private func restore(_ sight: Sight, _ peers: GuardPeers, secondsLeft: Double) async throws -> GuardOutcome {
        let limit = Duration.seconds(max(secondsLeft, Self.askSecondsMin))
        return try await store { [self] catalog in
            let answer = try await StoreTrouble.named {
                try await withTimeLimit(limit, to: "ask \(catalog.store.location) for backups") {
                    try await ask(catalog)
                }
            }
            guard let manifest = answer.manifest else { return startEmpty(answer, catalog) }
            let member = try MemberChoice(manifest).member(named: request.member)
            let history = member.replication.map { DatasetHistory(id: $0.id, offset: $0.offset) }

            // An empty folder that has a history was emptied, and not lost, if that went on from the backup.
            if !sight.contents.isFresh, DataComparison(sight.history, with: [member]) == .current {
                return GuardOutcome(.restore(.leftAlone(sight.contents)), remarks: [Self.emptied(manifest)])
            }
            if member.rdb?.keyCount != 0 { try refuseEmptyPrimary(peers, history, of: "what is restored") }
            let outlook = peers.outlook(for: history)
            outlook.map { logger.notice("\($0)") }
            let restore = RestoreDataDirectory(request, from: catalog, meter: meter, logger: logger)
            let ending = try await restore.run(manifest)

            // That took its time, in which a primary may have come back empty.
            if member.rdb?.keyCount != 0, !request.isDryRun {
                try refuseEmptyPrimary(
                    await GuardPeers.ask(self.peers, logger: logger),
                    history,
                    of: "what is restored"
                )
            }
            return GuardOutcome(.restore(ending), remarks: [outlook].compactMap(\.self))
        }
    }

    private struct Answer: Sendable {
        let manifest: Manifest?
        /// What there is where the subject has no backup; `nil` where none was named.
        var instead: Catalog.Instead?
    }

    private func ask(_ catalog: Catalog) async throws -> Answer {
        if let manifest = try await catalog.resolve(request.reference, name: request.name) {
            return Answer(manifest: manifest)
        }
        return Answer(manifest: nil, instead: request.name == nil ? nil : try await catalog.instead())
    }

    /// A complete listing shows no backup. Where there are others, the name may be mistyped, which looks the same; and
    /// where there is nothing at all, the URL.
    private func startEmpty(_ answer: Answer, _ catalog: Catalog) -> GuardOutcome {
        var remarks: [String] = []
        let others = answer.instead?.subjects ?? []
        if !others.isEmpty {
            remarks.append(
                "no backup is called \(request.name ?? ""), and there are backups of "
                    + "\(others.joined(separator: ", ")): if one of these was meant, the server now starts EMPTY "
                    + "beside its backups (--require-backup refuses)"
            )
        } else if answer.instead?.isBare == true {
            remarks.append(
                "\(catalog.bareness): if \(request.name ?? "") was ever backed up, this is not where, and the server "
                    + "now starts EMPTY beside its backups (--require-backup refuses)"
            )
        }
        for remark in remarks { logger.warning("\(remark)") }
        return GuardOutcome(.restore(.nothingToRestore(others: others)), remarks: remarks)
    }

    private static func emptied(_ manifest: Manifest) -> String {
        "the data holds no keys, and went on from \(manifest.name)/\(manifest.id): it was emptied, and stays so"
    }

    /// - Throws: `Held`.
    private func refuseEmptyPrimary(_ peers: GuardPeers, _ history: DatasetHistory?, of what: String) throws {
        guard !policy.ignoresEmptyPrimary, let stranger = peers.emptyStranger(to: history) else { return }
        let failure = Failure(
            .guardRefused,
            "\(stranger.name) is a primary without keys, of another history: a server that follows it throws away "
                + "\(what) in \(request.path)",
            hint: """
                Stop that server, let it be restored first, and start this one after it. If it is meant to be empty: \
                --ignore-empty-primary.
                """
        )
        throw GuardHold.Held(failure, mayStart: false)
    }

    /// - Throws: `Held` where a peer has data that a primary with less would wipe, and no primary has it.
    private func refuseOrphans(_ peers: GuardPeers) throws {
        guard !policy.ignoresOrphans, let orphan = peers.orphan else { return }
        let failure = Failure(
            .guardRefused,
            "\(orphan.name) is a replica with data that has lost its primary: were the server of \(request.path) the "
                + "primary, with what a backup holds or with nothing, it would throw away what it has more",
            hint: """
                Make it the primary: redis-cli REPLICAOF NO ONE. Then this server follows it. If whoever starts the \
                servers sees to that: --ignore-orphans.
                """
        )
        throw GuardHold.Held(failure, mayStart: false)
    }
}

// MARK: A folder with data

extension RestoreGuard {
    /// For so long the store is asked how old the data is; that is worth knowing, and not worth waiting for.
    private static let comparisonPatience = Duration.seconds(10)

    private func startFromData(_ sight: Sight, _ peers: GuardPeers) async throws -> GuardOutcome {
        if sight.contents.dataset == .present { try refuseEmptyPrimary(peers, sight.history, of: "the data") }
        if let bytes = peers.lead(over: sight.history), let orphan = peers.orphan {
            logger.warning(
                "\(orphan.name) is a replica without a primary, and has \(bytes) bytes of history more than the data"
            )
        }
        do {
            return try await StoreTrouble.named { [self] in
                try await withTimeLimit(Self.comparisonPatience, to: "ask the store for backups") {
                    try await store { catalog in
                        let manifest = try await catalog.resolve(request.reference, name: request.name)
                        return leftAlone(sight, manifest.flatMap { remark(on: sight, beside: $0) })
                    }
                }
            }
        } catch {
            try Task.checkCancellation()
            let failure = Failure(wrapping: error, attempting: "ask the store for backups")
            return leftAlone(sight, "the store could not be asked: the data that is there counts: \(failure)")
        }
    }

    private func leftAlone(_ sight: Sight, _ remark: String?) -> GuardOutcome {
        if let remark { logger.warning("\(remark)") }
        return GuardOutcome(.restore(.leftAlone(sight.contents)), remarks: [remark].compactMap(\.self))
    }

    /// What is worth a word where data stands beside a backup.
    private func remark(on sight: Sight, beside manifest: Manifest) -> String? {
        let members = manifest.storedMembers.filter { request.member == nil || $0.member == request.member }
        let set = "\(manifest.name)/\(manifest.id)"
        let comparison = DataComparison(sight.history, with: members)
        let keys = members.compactMap(\.rdb?.keyCount).max() ?? 0
        if sight.contents.dataset == .empty, keys > 0, comparison != .current {
            return "the data holds no keys, and \(set) holds \(keys): it was emptied, or started empty once; "
                + "--replace-empty has the guard restore it, unless it went on from the backup"
        }
        switch comparison {
        case .behind(let bytes):
            return "the data is STALE: it lacks \(bytes) bytes of the history of \(set), and stays as it is; "
                + "`redoubt restore --replace` moves it aside and restores"
        case .unrelated:
            logger.notice("the data and \(set) have no history in common: which of them is newer cannot be told")
            return nil
        case .current, .notTold:
            return nil
        }
    }
}
