// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import DataDirectory
import Failures
import Logging
import ObjectStorage
import RDB

/// Restores one snapshot into the data directory of a server that does not run: from an init container, a Job, or by
/// hand.
///
/// It ends in one of three ways, never confused: restored; nothing to restore, which a complete listing of the store
/// or data in the folder proves; or an error, after which the folder is as it was and the server must not start.
package struct RestoreDataDirectory: Sendable {
    private let request: DataDirectoryRequest
    private let catalog: Catalog
    private let meter: ProgressMeter
    private let logger: Logger

    package init(_ request: DataDirectoryRequest, from catalog: Catalog, meter: ProgressMeter, logger: Logger) {
        self.request = request
        self.catalog = catalog
        self.meter = meter
        self.logger = logger
    }

    /// - Parameter known: the set, where it was looked up already.
    package func run(_ known: Manifest? = nil) async throws -> DataDirectoryOutcome {
        try await withDataDirectory(at: request.path) { directory in
            // A restore that died in the middle of its last steps is brought to its end, or taken back.
            try await Self.recover(directory, for: request, logger: logger)

            // A folder with data in it is left alone, without asking anybody, unless it was said that it may be
            // moved.
            let contents = try await directory.inspect(names: request.fileNames)
            if !contents.isFresh, request.mode == .freshOnly { return .leftAlone(contents) }

            // Which set, and which of its members? No set at all is an answer; no answer is an error.
            guard let manifest = try await resolve(known) else {
                return .nothingToRestore(others: try await otherSubjects())
            }
            let member = try chosenMember(of: manifest)
            if manifest.isPartial { logger.warning("\(manifest.name)/\(manifest.id) is partial: some members failed") }

            // Is it still to be done? Restored once, it is not restored again at each start of the pod.
            let restore = try restoreRequest(manifest, member, contents)
            if case .nothingToRestore(let reason) = try contents.decision(for: restore, path: request.path) {
                return .nothing(reason, contents)
            }

            // Can it be opened, and can the server that will start there load it, and what comes back of it?
            try await catalog.requireOpenable(member)
            let plan = try await plan(manifest, member, contents, directory)
            if request.isDryRun { return .wouldRestore(manifest, member, plan) }
            try plan.requireGo("\(member.member) of \(manifest.name)/\(manifest.id) into \(request.path)")
            plan.log(to: logger)

            // Write it under a temporary name, prove it, and only then put it in place of what was there.
            switch try await restoreNow(restore, manifest, member, into: directory) {
            case .restored(let marker, let expiries): return .restored(manifest, member, marker, plan, expiries)
            case .nothingToRestore(let reason): return .nothing(reason, contents)
            }
        }
    }

    private func restoreNow(
        _ restore: RestoreRequest,
        _ manifest: Manifest,
        _ member: Manifest.Member,
        into directory: DataDirectory
    ) async throws -> RestoreOutcome<RestoredExpiries> {
        let step = meter.begin("restore \(member.member)", expectedBytes: member.rdb?.bytes)
        defer { step.end() }
        let rewriting = request.expiries.rewriting(of: member, in: manifest, at: .now())
        let scanner = RDBScanner(level: request.proof ?? member.provenLevel, pastAt: Timestamp.millisecondsNow())
        return try await directory.withStagedRestore(restore) { staging in
            logger.info("restoring \(member.member) of \(manifest.name)/\(manifest.id) into \(request.path)")
            let replayed = try await DamagedSet.explaining(manifest, member, into: request.path, from: catalog) {
                try await catalog.withStoredBytes(of: member) { stored in
                    try await SnapshotPipeline.replay(
                        stored,
                        of: member,
                        with: catalog.keyring,
                        by: scanner,
                        progress: step
                    ) { chunks in
                        try await write(chunks, of: member, as: rewriting, by: scanner, to: staging)
                    }
                }
            }
            let rewritten = replayed.result
            _ = try await staging.swapIn(as: rewritten?.content(request.expiries))
            return RestoredExpiries(request.expiries, rewriting, rewritten, replayed.prover.proof)
        }
    }

    private func chosenMember(of manifest: Manifest) throws -> Manifest.Member {
        if request.member == nil, let shard = request.shard { return try ClusterShards(manifest).member(of: shard) }
        return try MemberChoice(manifest).member(named: request.member)
    }

    /// Writes the snapshot, or what is made of it; the latter is proven by itself.
    private func write(
        _ chunks: ByteStream,
        of member: Manifest.Member,
        as rewriting: RDBRewriting,
        by scanner: RDBScanner,
        to staging: StagedRestore
    ) async throws -> RewrittenSnapshot? {
        guard request.expiries != .keep else {
            for try await chunk in chunks { try await staging.write(chunk) }
            return nil
        }
        return try await SnapshotPipeline.rewriting(chunks, of: member, as: rewriting, by: scanner) { chunks in
            for try await chunk in chunks { try await staging.write(chunk) }
        }.rewritten
    }

    private func plan(
        _ manifest: Manifest,
        _ member: Manifest.Member,
        _ contents: Contents,
        _ directory: DataDirectory
    ) async throws -> RestorePlan {
        RestorePlan.assess(
            member,
            of: manifest,
            for: request.facts(contents, freeBytes: try await directory.freeBytes()),
            expiries: request.expiries,
            allowing: .init(
                ignoresCompatibility: request.ignoresCompatibility,
                replacesData: request.mode != .freshOnly
            ),
            now: .now()
        )
    }

    /// The names of those that have a backup, for whoever mistyped one.
    private func otherSubjects() async throws -> [String] {
        guard request.name != nil else { return [] }
        let instead = try await catalog.instead()
        if instead.isBare {
            logger.warning("\(catalog.bareness): was another URL meant? (--require-backup fails then)")
        }
        return instead.subjects
    }

    private func resolve(_ known: Manifest?) async throws -> Manifest? {
        if let known { return known }
        return try await catalog.resolve(request.reference, name: request.name)
    }

    static func recover(
        _ directory: DataDirectory,
        for request: DataDirectoryRequest,
        logger: Logger
    ) async throws {
        guard !request.isDryRun else { return }
        for recovered in try await directory.recover() {
            logger.notice("an earlier restore did not come to its end: \(recovered)")
        }
    }

    private func restoreRequest(
        _ manifest: Manifest,
        _ member: Manifest.Member,
        _ contents: Contents
    ) throws -> RestoreRequest {
        guard let rdb = member.rdb else {
            throw Failure(.noSuchBackup, "restore \(member.member): the set holds no snapshot of it")
        }
        return RestoreRequest(
            restoreID: try restoreID(manifest.id, contents),
            backupID: "\(manifest.name)/\(manifest.id)",
            member: member.member,
            requestID: request.requestID(for: manifest),
            bytes: rdb.bytes,
            sha256: rdb.sha256,
            isRewritten: request.expiries != .keep,
            layout: try request.layout(rdbVersion: rdb.version),
            mode: request.mode,
            owner: request.owner
        )
    }

    /// The id of the backup, which names `pre-restore-<id>`; with a number behind it when that folder is there
    /// already.
    private func restoreID(_ id: BackupID, _ contents: Contents) throws -> RestoreID {
        let archives = contents.leftovers.compactMap { leftover in
            if case .archive(let name) = leftover { return name }
            return nil
        }
        let names = [id.text] + (2...(archives.count + 2)).map { "\(id.text)-\($0)" }
        return try RestoreID(names.first { !archives.contains("pre-restore-\($0)") } ?? id.text)
    }
}

extension Catalog {
    /// That a store is empty: it is a new one, or its URL was mistyped, and nothing tells which.
    var bareness: String { "\(store.location) holds nothing of redoubt at all" }
}

/// How a restore into a data directory ended.
package enum DataDirectoryOutcome: Sendable {
    case restored(Manifest, Manifest.Member, RestoreMarker, RestorePlan, RestoredExpiries)
    /// With `--dry-run`: what it would come to. The plan may be a no-go.
    case wouldRestore(Manifest, Manifest.Member, RestorePlan)
    /// This very backup was restored there before.
    case alreadyRestored(RestoreMarker)
    /// The folder holds data.
    case leftAlone(Contents)
    /// A complete listing of the store shows no backup of that name; `others` are the names that have one.
    case nothingToRestore(others: [String])

    static func nothing(_ reason: NothingToRestore, _ contents: Contents) -> DataDirectoryOutcome {
        switch reason {
        case .alreadyRestored(let marker): .alreadyRestored(marker)
        case .holdsData: .leftAlone(contents)
        }
    }
}
