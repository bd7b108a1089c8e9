// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import Logging
import RDB
import RedisClient
import Synchronization

/// Restores some keys of a snapshot into a server that runs and holds data: what was deleted or spoilt comes back, and
/// everything else stays.
///
/// Nothing is written before every byte of the snapshot is proven. Then each key is one `RESTORE`, which a server does
/// as a whole or not at all. A run that is interrupted leaves what it wrote, says how much that is, and can be
/// repeated.
package struct RestoreKeys: Sendable {
    private let request: KeysRequest
    private let catalog: Catalog
    private let meter: ProgressMeter
    private let logger: Logger

    package init(_ request: KeysRequest, from catalog: Catalog, meter: ProgressMeter, logger: Logger) {
        self.request = request
        self.catalog = catalog
        self.meter = meter
        self.logger = logger
    }

    package func run() async throws -> KeysOutcome {
        // Which set, and which of its members?
        let (manifest, member) = try await chosen()

        // Can keys be written there at all, and does the server understand those of the snapshot?
        let target = try await KeysTarget(lookingAt: request.target)
        try target.requireFit()
        try target.requireAbleToRead(member)

        // Everything is read and proven before the first key is written, and what is meant is counted.
        let rewriting = request.expiries.rewriting(of: member, in: manifest, at: target.clock.timestamp)
        let found = try await DamagedSet.explaining(
            manifest,
            member,
            into: request.target.description,
            from: catalog
        ) {
            try await findings(in: member, rewriting, target.clock)
        }

        // Will all of it be taken, so that it does not end half-way?
        try await target.requireAbleToTake(found, request)
        let written = found.keys == 0 ? KeysWritten() : try await write(found, of: member, rewriting, to: target)
        return KeysOutcome(
            manifest: manifest,
            member: member,
            target: request.target.description,
            found: found,
            written: written,
            isDryRun: request.isDryRun
        )
    }

    private func chosen() async throws -> (Manifest, Manifest.Member) {
        guard let manifest = try await catalog.resolve(request.reference, name: request.name) else {
            throw Failure(
                .noSuchBackup,
                "restore keys: a complete listing shows no backup\(request.name.map { " of \($0)" } ?? "")",
                hint: "`redoubt list --from \(catalog.store.location)` shows those that are there."
            )
        }
        let member = try MemberChoice(manifest).member(named: request.member)
        if manifest.isPartial { logger.warning("\(manifest.name)/\(manifest.id) is partial: some members failed") }
        return (manifest, member)
    }

    private func findings(
        in member: Manifest.Member,
        _ rewriting: RDBRewriting,
        _ clock: ServerClock
    ) async throws -> KeysFindings {
        let found = Mutex(KeysFindings())
        try await readKeys(of: member, "prove \(member.member)", rewriting, holdsValues: false) { keys in
            found.withLock { found in
                for key in keys { found.add(key, now: clock.milliseconds) }
            }
        }
        return found.withLock { $0 }
    }

    private func write(
        _ found: KeysFindings,
        of member: Manifest.Member,
        _ rewriting: RDBRewriting,
        to target: KeysTarget
    ) async throws -> KeysWritten {
        try await withRedisConnection(request.target) { connection in
            let writer = KeyWriter(connection, request, target.clock)
            do {
                try await readKeys(of: member, "restore keys", rewriting, holdsValues: !request.isDryRun) { keys in
                    try await writer.add(keys)
                }
                try await writer.flush()
            } catch {
                throw unfinished(error, await writer.written, of: found)
            }
            try? await warnAboutEvictions(since: target, connection)
            return await writer.written
        }
    }

    /// Reads the snapshot once, and gives the keys that are meant, as they come.
    private func readKeys(
        of member: Manifest.Member,
        _ attempt: String,
        _ rewriting: RDBRewriting,
        holdsValues: Bool,
        _ take: @escaping @Sendable ([RDBExtractedKey]) async throws -> Void
    ) async throws {
        let step = meter.begin(attempt, expectedBytes: member.rdb?.bytes)
        defer { step.end() }
        let subject = "the snapshot of \(member.member)"
        try await catalog.withStoredBytes(of: member) { stored in
            let scanner = RDBScanner(level: request.proof ?? member.provenLevel)
            _ = try await SnapshotPipeline.replay(
                stored,
                of: member,
                with: catalog.keyring,
                by: scanner,
                progress: step
            ) { chunks in
                var extractor = RDBKeyExtractor(
                    valueBytesMax: request.valueBytesMax,
                    holdsValues: holdsValues,
                    selecting: request.selection
                )
                do {
                    for try await chunk in chunks.rewritten(as: rewriting, subject: subject) {
                        let keys = try extractor.consume(chunk)
                        if !keys.isEmpty { try await take(keys) }
                    }
                    _ = try extractor.finish()
                } catch let error as RDBError {
                    throw Failure(error.failureCode, "read the keys of \(subject): \(error)")
                }
            }
        }
    }

    /// What was written stays, and whoever reads the error must know.
    private func unfinished(_ error: any Error, _ written: KeysWritten, of found: KeysFindings) -> any Error {
        guard !request.isDryRun else { return error }
        let failure = Failure(wrapping: error, attempting: "restore keys into \(request.target)")
        let stays =
            "restore keys into \(request.target): "
            + (written.keys == 0 ? "none" : "\(written.keys)")
            + " of \(found.keys - min(found.keys, found.expired)) keys are known to be written"
            + (written.keys == 0 ? "" : ", and stay")
        return Failure(
            failure.code,
            stays,
            cause: failure,
            hint: failure.hint ?? "The same command writes those that are missing."
        )
    }

    private func warnAboutEvictions(since target: KeysTarget, _ connection: RedisConnection) async throws {
        let evicted = try await connection.info("stats").evictedKeys ?? 0
        guard !request.isDryRun, let before = target.info.evictedKeys, evicted > before else { return }
        logger.warning("\(request.target) evicted \(evicted - before) keys meanwhile: its maxmemory is too small")
    }
}
