// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import Foundation
import ObjectStorage
import Operations
import Synchronization
import TestParts
import Testing

/// Every set has its turn, over as many runs as it takes, whatever comes, goes, or cannot be read.
@Suite(.timeLimit(.minutes(2))) struct VerifyRoundTests {
    /// A store, and a clock that stands still unless it is moved.
    private final class Rig: Sendable {
        let store: FileStore
        let folder: URL
        let clock: Mutex<Int64>

        init(_ folder: URL) throws {
            self.folder = folder
            store = FileStore(root: folder.path)
            let start = try #require(Timestamp("2026-11-20T00:00:00Z"))
            clock = Mutex(start.secondsSince1970)
        }

        var now: Timestamp { Timestamp(secondsSince1970: clock.withLock { $0 }) }
        func wait(seconds: Int64) { clock.withLock { $0 += seconds } }

        /// A set of one member whose object has about so many bytes.
        @discardableResult
        func make(_ number: Int, of name: String = "demo", bytes: Int = 300) async throws -> BackupID {
            let id = BackupID(time: now, suffix: UInt16(number))
            let filling = [UInt8](repeating: UInt8(number & 0x7F), count: bytes)
            let length = [0x80] + (0..<4).map { UInt8(truncatingIfNeeded: bytes >> (24 - 8 * $0)) }
            let record = [0, 1, UInt8(ascii: "k")] + length + filling
            let rdb = Array("REDIS0011".utf8) + [0xFE, 0] + record + [0xFF] + [UInt8](repeating: 0, count: 8)
            let prover = SnapshotProver("redis")
            try await prover.proving(ByteStream([rdb])) { for try await _ in $0 {} }
            var member = Manifest.Member(member: "redis")
            member.rdb = Manifest.Snapshot(try #require(prover.proof))
            member.stored = Manifest.Stored(
                key: "\(name)/\(id)/redis.rdb",
                bytes: Int64(rdb.count),
                sha256: SHA256Digest.hex(of: rdb),
                compression: "none"
            )
            let manifest = Manifest(
                id: id,
                name: name,
                startedAt: now,
                finishedAt: now,
                tool: .init(name: "redoubt", version: "1"),
                source: .init(kind: "endpoints"),
                members: [member]
            )
            try await store.create(try ObjectKey([name, id.text, "redis.rdb"]), rdb)
            try await store.create(try Catalog.manifestKey(name: name, id: id), try manifest.encoded())
            return id
        }

        func remove(_ id: BackupID, of name: String = "demo") async throws {
            try await store.remove(try Catalog.manifestKey(name: name, id: id))
            try await store.remove(try ObjectKey([name, id.text, "redis.rdb"]))
        }

        func path(_ id: BackupID, _ file: String) -> String { "\(folder.path)/demo/\(id)/\(file)" }

        /// A run at the next night.
        func run(
            bytesMax: Int64? = nil,
            secondsMax: Double? = nil,
            name: String? = nil,
            through other: (any ObjectStore)? = nil
        ) async throws -> VerifyRoundOutcome {
            wait(seconds: 86_400)
            var request = VerifyRoundRequest(name: name, level: .deep, tool: .init(name: "redoubt", version: "1"))
            request.bytesMax = bytesMax
            request.secondsMax = secondsMax
            let round = VerifyRound(
                request,
                from: Catalog(store: other ?? store),
                meter: ProgressMeter(),
                logger: PlanParts.logger,
                now: { self.now }
            )
            return try await round.run()
        }
    }

    private func withRig(_ body: (Rig) async throws -> Void) async throws {
        try await withTemporaryFolder { try await body(try Rig($0)) }
    }

    @Test func everySetHasItsTurnBeforeAnyHasASecond() async throws {
        try await withRig { rig in
            var ids: [BackupID] = []
            for number in 0..<7 {
                ids.append(try await rig.make(number, of: number < 4 ? "demo" : "other"))
                rig.wait(seconds: 60)
            }
            for round in 0..<3 {
                var seen: [BackupID] = []
                while seen.count < ids.count {
                    let outcome = try await rig.run(bytesMax: 700)
                    #expect(outcome.examined.allSatisfy { $0.verdict == .proven })
                    #expect((1...2).contains(outcome.examined.count) && outcome.totalSets == 7)
                    seen += outcome.examined.map(\.set.id)
                }
                // A run may reach into the next round.
                #expect(Set(seen.prefix(7)) == Set(ids), "round \(round)")
                ids = Array(seen.prefix(7))
            }
            let whole = try await rig.run()
            #expect(whole.examined.count == 7 && whole.stop == nil && whole.runsOfARound == 1)
            let named = try await rig.run(name: "other")
            #expect(named.examined.count == 3 && named.totalSets == 3)
        }
    }

    /// A new set each night, the oldest one goes, and a night is enough for two: nothing waits longer than it takes to
    /// go through all of them, and no record of a set that is gone stays.
    @Test func setsComeAndGo() async throws {
        try await withRig { rig in
            var sets: [BackupID] = []
            for number in 0..<6 {
                sets.append(try await rig.make(number))
                rig.wait(seconds: 3600)
            }
            var lookedAt: [BackupID: Int] = [:]
            for night in 0..<30 {
                let id = try await rig.make(100 + night)
                sets.append(id)
                lookedAt[id] = night
                if sets.count > 6 { try await rig.remove(sets.removeFirst()) }
                let outcome = try await rig.run(bytesMax: 800)
                #expect(outcome.examined.count == 2)
                for set in outcome.examined { lookedAt[set.set.id] = night }
                for id in sets { #expect(night - lookedAt[id, default: 0] <= 5, "\(id) in night \(night)") }
            }
            let notes = try await Catalog(store: rig.store).proofNotes(of: nil)
            #expect(Set(notes.map(\.backup)).isSubset(of: Set(sets)))
        }
    }

    @Test func oneThatIsLargerThanTheBoundsHasItsTurn() async throws {
        try await withRig { rig in
            let large = try await rig.make(1, bytes: 5000)
            rig.wait(seconds: 60)
            try await rig.make(2)
            try await rig.make(3)
            let first = try await rig.run(bytesMax: 100)
            #expect(first.examined.map(\.set.id) == [large] && first.stop == .bytes)
            #expect(first.next?.set.id != large && first.runsOfARound == 2)
            let second = try await rig.run(bytesMax: 1000)
            #expect(second.examined.count == 2 && second.stop == .bytes && second.next?.set.id == large)
            let timed = try await rig.run(secondsMax: 1e-9)
            #expect(timed.examined.map(\.set.id) == [large] && timed.stop == .time)
        }
    }

    /// What is wrong is told at every run until it is gone, and keeps nobody from their turn.
    @Test func aCorruptSetStopsNothingAndIsNotForgotten() async throws {
        try await withRig { rig in
            let bad = try await rig.make(1)
            rig.wait(seconds: 60)
            let unreadable = try await rig.make(2)
            rig.wait(seconds: 60)
            let good = try await rig.make(3)
            let object = URL(fileURLWithPath: rig.path(bad, "redis.rdb"))
            let bytes = try Data(contentsOf: object)
            var turned = bytes
            turned[40] ^= 1
            try turned.write(to: object)
            try Data("{}".utf8).write(to: URL(fileURLWithPath: rig.path(unreadable, "manifest.json")))

            let first = try await rig.run()
            #expect(first.examined.map(\.set.id) == [bad, unreadable, good])
            #expect(first.examined.map(\.verdict) == [.different, .different, .proven])
            #expect(first.differentBefore.isEmpty)
            let records = try await Catalog(store: rig.store).proofs(of: "demo", limit: 9)
            #expect(records.map(\.verdict).filter { $0 == .different }.count == 2)
            #expect(records.contains { $0.backup == unreadable && $0.error?.code == "corrupt-manifest" })

            // Only the first has its turn; of the other it is known.
            let second = try await rig.run(bytesMax: 1)
            #expect(second.examined.map(\.set.id) == [bad] && second.differentBefore.map(\.id) == [unreadable])
            try bytes.write(to: object)
            try await rig.remove(unreadable)
            let third = try await rig.run()
            #expect(third.examined.allSatisfy { $0.verdict == .proven } && third.differentBefore.isEmpty)
        }
    }

    /// When the store goes away, what was not looked at keeps its turn.
    @Test func aStoreThatGoesAwayEndsTheRun() async throws {
        try await withRig { rig in
            var ids: [BackupID] = []
            for number in 0..<8 {
                ids.append(try await rig.make(number))
                rig.wait(seconds: 60)
            }
            let dying = FailingStore(rig.store, .deathBefore, atCall: 4)
            let outcome = try await rig.run(through: dying)
            #expect(outcome.stop == .store && outcome.examined.count < 8)
            #expect(outcome.examined.suffix(3).allSatisfy { $0.verdict == .failed })
            let next = try await rig.run()
            #expect(next.examined.count == 8 && next.examined.allSatisfy { $0.verdict == .proven })
        }
    }

    /// A signal ends it in the middle of a set: the others are on record, and the next run begins with that one.
    @Test func aCancelledRunSaysWhatItDid() async throws {
        try await withRig { rig in
            var ids: [BackupID] = []
            for number in 0..<3 {
                ids.append(try await rig.make(number))
                rig.wait(seconds: 60)
            }
            let stalling = StallingStore(inner: rig.store, key: "demo/\(ids[1])/redis.rdb")
            let ended = await withTaskGroup(of: Result<VerifyRoundOutcome, any Error>.self) { group in
                group.addTask {
                    do { return .success(try await rig.run(through: stalling)) } catch { return .failure(error) }
                }
                await stalling.reached()
                group.cancelAll()
                return await group.next()
            }
            let failure = #expect(throws: Failure.self) { try ended?.get() }
            #expect(failure?.code == .interrupted && failure?.message.contains("\(ids[1])") == true)
            #expect(failure?.hint?.contains("on record") == true)
            let notes = try await Catalog(store: rig.store).proofNotes(of: nil)
            #expect(notes.map(\.backup) == [ids[0]])
            let next = try await rig.run(bytesMax: 1)
            #expect(next.examined.map(\.set.id) == [ids[1]])
        }
    }

    /// Records that cannot be kept are no reason to fail; a clock that was wrong holds no set back.
    @Test func aReadOnlyStoreAndAWrongClockAreMet() async throws {
        try await withRig { rig in
            let id = try await rig.make(1)
            let refusing = ReadOnlyStore(inner: rig.store)
            let outcome = try await rig.run(through: refusing)
            #expect(outcome.examined.map(\.verdict) == [.proven])
            #expect(try await Catalog(store: rig.store).proofNotes(of: nil).isEmpty)

            rig.wait(seconds: 100 * 86_400)
            _ = try await rig.run()
            rig.wait(seconds: -102 * 86_400)
            rig.wait(seconds: 60)
            let other = try await rig.make(2)
            let again = try await rig.run(bytesMax: 1)
            #expect(again.examined.map(\.set.id) == [id] && again.next?.set.id == other)
        }
    }
}

/// A store in which one object never comes.
private struct StallingStore: ObjectStore {
    let inner: any ObjectStore
    let key: String
    private let signal = AsyncStream<Void>.makeStream()

    init(inner: any ObjectStore, key: String) {
        self.inner = inner
        self.key = key
    }

    /// Returns when somebody waits for the object.
    func reached() async { for await _ in signal.stream { return } }

    var location: String { inner.location }
    func stage(_ key: ObjectKey, estimatedBytes: Int64?, from chunks: ByteStream) async throws -> any StagedObject {
        try await inner.stage(key, estimatedBytes: estimatedBytes, from: chunks)
    }
    func create(_ key: ObjectKey, _ bytes: [UInt8]) async throws -> StoredObject { try await inner.create(key, bytes) }
    func replace(_ key: ObjectKey, version: ObjectVersion, with bytes: [UInt8]) async throws -> StoredObject {
        try await inner.replace(key, version: version, with: bytes)
    }
    func stat(_ key: ObjectKey) async throws -> StoredObject? { try await inner.stat(key) }
    func withObject<Result: Sendable>(
        _ key: ObjectKey,
        _ body: (StoredObject, ByteStream) async throws -> Result
    ) async throws -> Result {
        if key.description == self.key {
            signal.continuation.yield()
            try await Task.sleep(for: .seconds(60))
        }
        return try await inner.withObject(key, body)
    }
    func list(under folder: KeyFolder) async throws -> [StoredObject] { try await inner.list(under: folder) }
    func remove(_ key: ObjectKey) async throws -> Removal { try await inner.remove(key) }
    func leftovers(under folder: KeyFolder) async throws -> [Leftover] { try await inner.leftovers(under: folder) }
    func remove(_ leftover: Leftover) async throws { try await inner.remove(leftover) }
}
