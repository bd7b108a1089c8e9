// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import DataDirectory
import Failures
import FoundationEssentials
import Logging
import RDB
import RedisClient
import RedisProtocol

/// Restores a set into a throw-away server, reads back what the server holds, and proves that it is what the set says.
///
/// A server may drop what is expired, at loading and after. So both sides are compared as they are at one moment, when
/// the server begins to send: what expired before is left out of both, whether the server dropped it yet or not.
/// The digest of content is a sum over keys, so that nothing but the cut is needed for that.
package struct Drill: Sendable {
    let request: DrillRequest
    let catalog: Catalog
    private let meter: ProgressMeter
    private let logger: Logger

    package init(_ request: DrillRequest, from catalog: Catalog, meter: ProgressMeter, logger: Logger) {
        self.request = request
        self.catalog = catalog
        self.meter = meter
        self.logger = logger
    }

    /// What came of it.
    package struct Outcome: Sendable {
        package let record: DrillRecord
        /// Where the record rests in the store; `nil` where it was not to be written, or could not be.
        package let recordKey: String?
        /// Why a member was not proven: what is wrong with content comes before what could not be found out.
        package let failure: Failure?
    }

    /// For the log and the socket, and so that the disk is not filled to its last byte.
    static let spareBytes: Int64 = 16 << 20

    /// Drills the members of a set.
    /// - Throws: what `plan` throws, and when the run is cancelled. That a member is not proven is an outcome.
    package func run(_ manifest: Manifest) async throws -> Outcome {
        // What drills that were killed left behind goes first: it may be what takes the room.
        if case .program = request.target { await ThrowAwayFolder.sweep(request.workDirectory, logger: logger) }

        // Is there a server, could it load each snapshot, and is there room?
        let plan = try await plan(manifest)
        let id = BackupID(time: .now(), suffix: .random(in: .min ... .max))
        if manifest.isPartial { logger.warning("\(manifest.name)/\(manifest.id) is partial: some members failed") }

        // One after the other: they are measured, and one server's memory is enough.
        var results: [(member: DrillRecord.Member, failure: Failure?)] = []
        for member in plan.members { results.append(try await drill(member, plan)) }

        // What was found rests beside the set.
        let record = record(id, plan, results.map(\.member))
        let failures = results.compactMap(\.failure)
        return Outcome(
            record: record,
            recordKey: request.keepsRecord ? await keep(record) : nil,
            failure: failures.first { $0.code.isOfContent } ?? failures.first
        )
    }

    private func record(_ id: BackupID, _ plan: Plan, _ members: [DrillRecord.Member]) -> DrillRecord {
        DrillRecord(
            id: id,
            of: plan.manifest,
            tool: request.tool,
            store: catalog.store.location,
            host: ProcessIdentity.current().host,
            server: .init(
                product: plan.server.product,
                version: plan.server.version,
                appendOnly: plan.server.isAppendOnly,
                endpoint: plan.server.isForeign ? plan.server.place : nil
            ),
            finishedAt: .now(),
            members: members
        )
    }

    /// A drill is as good without its record: a store that may only be read is no reason to call it failed.
    private func keep(_ record: DrillRecord) async -> String? {
        do {
            return try await catalog.write(record).description
        } catch {
            logger.warning("could not keep the record of this drill in the store (--no-record asks for none): \(error)")
            return nil
        }
    }

    /// One member. That it fails does not keep the others from being drilled.
    /// - Throws: only when the run is cancelled.
    private func drill(
        _ member: Manifest.Member,
        _ plan: Plan
    ) async throws -> (member: DrillRecord.Member, failure: Failure?) {
        let notes = DrillNotes(of: member)
        do {
            switch request.target {
            case .program(let program): try await drill(member, plan, by: program, notes)
            case .running(let server): try await drill(member, plan, in: server, notes)
            }
        } catch {
            try Task.checkCancellation()
            let failure = Failure(wrapping: error, attempting: "drill \(member.member)")
            logger.error("\(member.member): \(failure.description)")
            notes.note { result in
                result.verdict = failure.code.isOfContent ? .different : .failed
                result.error = .init(code: failure.code.rawValue, message: failure.description)
            }
            return (notes.member, failure)
        }
        return (notes.member, nil)
    }

    private func drill(
        _ member: Manifest.Member,
        _ plan: Plan,
        by program: ServerProgram,
        _ notes: DrillNotes
    ) async throws {
        try await withThrowAwayFolder(in: request.workDirectory, logger: logger) { folder in
            // Restore it as any restore does: proven while it is written.
            logger.info("\(member.member): restoring into \(folder.path)")
            let file = try await measured({ $0.restore = $1 }, notes) {
                try await restore(member, plan, by: program, into: folder)
            }

            // Have a server load it, and read back what it holds.
            logger.info("\(member.member): loading it into \(program.title)")
            try await withThrowAwayServer(
                program,
                in: folder,
                settings(for: member),
                environment: request.environment
            ) { server in
                notes.note { $0.seconds.load = server.loadSeconds }
                try await prove(member, heldBy: server.endpoint, server.info, notes) { moment in
                    try await reread(member, at: file, aliveAt: moment)
                }
            }
        }
    }

    /// In a server that somebody else runs for it: a sidecar, empty at first, which keeps what it is given.
    private func drill(
        _ member: Manifest.Member,
        _ plan: Plan,
        in server: RestoreServer,
        _ notes: DrillNotes
    ) async throws {
        // Restore it as any server that runs is restored.
        var restore = RestoreServersRequest(
            reference: .named(plan.manifest.name, plan.manifest.id),
            servers: [server]
        )
        restore.member = member.member
        restore.route = request.route
        restore.proof = member.provenLevel == .framing ? .framing : .content
        restore.ignoresObstacles = request.ignoresObstacles
        let outcome = try await RestoreServers(restore, from: catalog, meter: meter, logger: logger) { _ in }.run()
        guard let restored = outcome.servers.first, let streamed = restored.streamSeconds else {
            throw Failure(
                .guardRefused,
                "drill \(member.member) in \(server.name): it held the snapshot before the drill began",
                hint: "Start the server anew, empty: `FLUSHALL` leaves it in the history of the snapshot."
            )
        }
        notes.note { result in
            result.seconds.restore = streamed
            result.seconds.load = restored.loadSeconds ?? 0
        }
        let info = try await withRedisConnection(server.endpoint) { try await $0.info() }

        // Read back what it holds.
        try await prove(member, heldBy: server.endpoint, info, notes) { moment in
            try await reread(member, aliveAt: moment)
        }
    }

    /// - Returns: the path of the snapshot.
    private func restore(
        _ member: Manifest.Member,
        _ plan: Plan,
        by program: ServerProgram,
        into folder: ThrowAwayFolder
    ) async throws -> String {
        let restore = DataDirectoryRequest(
            reference: .named(plan.manifest.name, plan.manifest.id),
            name: nil,
            member: member.member,
            path: folder.dataPath,
            mode: .freshOnly,
            fileNames: .standard,
            purpose: request.appendOnly ? .appendOnly : .snapshot,
            target: try program.facts(),
            owner: nil,
            requestID: nil,
            proof: member.provenLevel == .framing ? .framing : .content,
            isDryRun: false,
            ignoresCompatibility: request.ignoresObstacles
        )
        let outcome = try await RestoreDataDirectory(restore, from: catalog, meter: meter, logger: logger).run()
        guard case .restored = outcome,
            let file = try restore.layout(rdbVersion: member.rdb?.version ?? 0).snapshotPaths.first
        else {
            throw Failure(.inputOutput, "restore \(member.member) into \(folder.dataPath): it was not fresh")
        }
        return "\(folder.dataPath)/\(file)"
    }

    private func settings(for member: Manifest.Member) -> ThrowAwayServer.Settings {
        let highest = member.rdb?.keys.keys.compactMap { Int($0) }.max() ?? 0
        var settings = ThrowAwayServer.Settings()
        settings.appendOnly = request.appendOnly
        settings.databases = max(16, highest + 1)
        settings.modules = request.modules
        return settings
    }

    /// Holds what the server holds against the snapshot it was restored from.
    private func prove(
        _ member: Manifest.Member,
        heldBy endpoint: RedisEndpoint,
        _ info: ServerInfo,
        _ notes: DrillNotes,
        reread: (_ moment: Int64) async throws -> DrillRecord.Content
    ) async throws {
        let held = try await measured({ $0.readBack = $1 }, notes) { try await readBack(member, from: endpoint) }
        let expected = try await measured({ $0.compare = $1 }, notes) { try await reread(held.moment) }
        let (whole, found) = (member.rdb?.keyCount ?? 0, held.content)
        notes.note { result in
            result.expected = expected
            result.found = found
            result.expired = whole >= expected.keyCount ? whole - expected.keyCount : 0
            result.verdict = found == expected ? .proven : .different
        }
        if let difference = expected.difference(from: found) {
            throw Failure(
                .digestMismatch,
                "compare \(member.member) with what \(info.product.rawValue) "
                    + "\(info.versionText ?? "") held of it: \(difference)"
            )
        }
        logger.info("\(member.member): the content is the same, digest \(found.digest)")
    }

    private struct ReadBack: Sendable {
        let content: DrillRecord.Content
        /// In milliseconds since 1970: what expires before is in neither side.
        let moment: Int64
    }

    /// What the server holds, by the snapshot that it gives a replica.
    private func readBack(
        _ member: Manifest.Member,
        from endpoint: RedisEndpoint
    ) async throws -> ReadBack {
        let source = ReplicationSource(
            endpoint: endpoint,
            options: .init(allowsWatchedPrimary: true),
            logger: logger
        )
        return try await source.withSnapshot { snapshot in
            // By now the server has forked: what it dropped had expired before this.
            let moment = Int64(Date().timeIntervalSince1970 * 1000) + 1
            let step = meter.begin("read back \(member.member)", expectedBytes: member.rdb?.bytes)
            defer { step.end() }
            let prover = SnapshotProver(
                "what the server holds of \(member.member)",
                scanner: RDBScanner(level: .content, aliveAt: moment)
            )
            try await prover.proving(snapshot.bytes) { proven in
                for try await chunk in proven { step.advance(by: chunk.count) }
            }
            guard let summary = prover.proof?.summary else { preconditionFailure("a stream that ended is proven") }
            try await snapshot.accept(summary)
            return ReadBack(content: DrillRecord.Content(summary), moment: moment)
        }
    }

    /// What the snapshot on the disk says at a moment. The disk may have lost it meanwhile: its digest is taken anew.
    private func reread(
        _ member: Manifest.Member,
        at path: String,
        aliveAt moment: Int64
    ) async throws -> DrillRecord.Content {
        let step = meter.begin("compare \(member.member)", expectedBytes: member.rdb?.bytes)
        defer { step.end() }
        let prover = SnapshotProver(
            "the restored snapshot of \(member.member)",
            scanner: RDBScanner(level: .content, aliveAt: moment)
        )
        try await withSnapshotFile(path) { _, chunks in
            // Redis 6.2 appends commands to the file that it loaded by way of its AOF.
            let snapshot = chunks.limited(to: member.rdb?.bytes ?? 0)
            try await prover.proving(snapshot) { proven in
                for try await chunk in proven { step.advance(by: chunk.count) }
            }
        }
        guard let proof = prover.proof else { preconditionFailure("a stream that ended is proven") }
        guard proof.sha256 == member.rdb?.sha256 else {
            throw Failure(.inputOutput, "read \(path) again: it is not what was written there")
        }
        return DrillRecord.Content(proof.summary)
    }

    /// What the snapshot in the store says at a moment.
    private func reread(_ member: Manifest.Member, aliveAt moment: Int64) async throws -> DrillRecord.Content {
        let step = meter.begin("compare \(member.member)", expectedBytes: member.rdb?.bytes)
        defer { step.end() }
        let scanner = RDBScanner(level: .content, aliveAt: moment)
        guard let proof = try await catalog.proven(member, by: scanner, progress: step) else {
            preconditionFailure("a stream that ended is proven")
        }
        return DrillRecord.Content(proof.summary)
    }

    private func measured<Value>(
        _ keep: @Sendable (inout DrillRecord.Seconds, Double) -> Void,
        _ notes: DrillNotes,
        _ body: () async throws -> Value
    ) async throws -> Value {
        let begun = ContinuousClock.now
        let value = try await body()
        let seconds = (ContinuousClock.now - begun) / .seconds(1)
        notes.note { keep(&$0.seconds, seconds) }
        return value
    }
}
