// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import Foundation
import ObjectStorage
import Operations
import TestParts
import Testing

/// A copy that dies, or is refused something, at each of its calls to a store: what is there then, and what the next
/// run makes of it.
@Suite(.timeLimit(.minutes(2))) struct CopyTests {
    /// Two sets of two members in one store, and another store.
    private struct Rig: Sendable {
        let source: FileStore
        let target: FileStore
        let sets: [Manifest]

        func copy(
            from source: (any ObjectStore)? = nil,
            to target: (any ObjectStore)? = nil,
            _ choice: CopyChoice = .all
        ) async throws -> [CopiedSet] {
            let copy = Copy(
                from: Catalog(store: source ?? self.source),
                to: Catalog(store: target ?? self.target),
                at: nil,
                runID: String(UInt64.random(in: .min ... .max), radix: 16),
                timing: LeaseTiming(lifetime: .seconds(30), interval: .seconds(10)),
                meter: ProgressMeter(),
                logger: PlanParts.logger
            )
            return try await copy.run(choice, name: nil)
        }

        /// What a store holds, but for leases.
        func objects(of store: FileStore) async throws -> [String: [UInt8]] {
            var objects: [String: [UInt8]] = [:]
            for object in try await store.list(under: .root) where object.key.components[0] != ".locks" {
                objects[object.key.description] = try await store.read(object.key, bytesMax: 1 << 20).bytes
            }
            return objects
        }

        /// Every set that the target lists has all of its members, proven; and the ids of those sets.
        func soundSets() async throws -> [BackupID] {
            let catalog = Catalog(store: target)
            var ids: [BackupID] = []
            for entry in try await catalog.entries(of: nil) {
                guard case .complete(let manifest) = entry else {
                    Issue.record("\(entry.id) is listed and cannot be read")
                    continue
                }
                let findings = try await Verify(catalog, meter: ProgressMeter(), logger: PlanParts.logger).run(manifest)
                #expect(findings.allSatisfy { $0.failure == nil }, "\(entry.id)")
                ids.append(entry.id)
            }
            return ids
        }

        /// The run that held the lease is dead; this process, which lives on, must not be taken for it.
        func forgetLease() async throws { try await target.remove(try Lease.key(of: "demo")) }

        func expectWhole() async throws {
            let copied = try await objects(of: target)
            let originals = try await objects(of: source)
            #expect(copied == originals)
            #expect(try await target.leftovers(under: .root).isEmpty)
        }
    }

    /// An RDB of one string, without checksum.
    private static func rdb(_ value: UInt8) -> [UInt8] {
        let record = [0, 1, UInt8(ascii: "k"), 0x40, 200] + [UInt8](repeating: value, count: 200)
        return Array("REDIS0011".utf8) + [0xFE, 0] + record + [0xFF] + [UInt8](repeating: 0, count: 8)
    }

    private static func member(_ name: String, _ value: UInt8, of id: BackupID, in store: FileStore) async throws
        -> Manifest.Member
    {
        let bytes = rdb(value)
        let prover = SnapshotProver(name)
        try await prover.proving(ByteStream([bytes])) { for try await _ in $0 {} }
        let key = try ObjectKey(["demo", id.text, "\(name).rdb"])
        try await store.create(key, bytes)
        var member = Manifest.Member(member: name)
        member.rdb = Manifest.Snapshot(try #require(prover.proof))
        member.stored = Manifest.Stored(
            key: key.description,
            bytes: Int64(bytes.count),
            sha256: SHA256Digest.hex(of: bytes),
            compression: "none"
        )
        return member
    }

    private static func key(of member: Manifest.Member) throws -> ObjectKey {
        try #require(ObjectKey(parsing: member.stored?.key ?? ""))
    }

    private func withRig(_ body: (Rig) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let source = FileStore(root: folder.appendingPathComponent("source").path)
            var sets: [Manifest] = []
            for (index, text) in ["20261121T000000Z-0001", "20261122T000000Z-0002"].enumerated() {
                let id = try #require(BackupID(text))
                let manifest = Manifest(
                    id: id,
                    name: "demo",
                    startedAt: id.time,
                    finishedAt: id.time,
                    tool: .init(name: "redoubt", version: "0"),
                    source: .init(kind: "endpoints"),
                    members: [
                        try await Self.member("redis-0", UInt8(index), of: id, in: source),
                        try await Self.member("redis-1", UInt8(index + 100), of: id, in: source),
                    ]
                )
                // A field that this program does not know must come over too.
                let text = String(decoding: try manifest.encoded(), as: UTF8.self)
                    .replacingOccurrences(of: "{\n  \"finishedAt\"", with: "{ \"later\" : [1],\n  \"finishedAt\"")
                try await source.create(try Catalog.manifestKey(name: "demo", id: id), Array(text.utf8))
                sets.append(manifest)
            }
            try FileManager.default.createDirectory(
                at: folder.appendingPathComponent("target"),
                withIntermediateDirectories: true
            )
            let target = FileStore(root: folder.appendingPathComponent("target").path)
            try await body(Rig(source: source, target: target, sets: sets))
        }
    }

    @Test func aCopyIsTheSameBytesUnderTheSameKeys() async throws {
        try await withRig { rig in
            let copied = try await rig.copy()
            #expect(copied.map(\.id) == rig.sets.map(\.id))
            try await rig.expectWhole()
            #expect(try await rig.target.list(under: .root).count == 6)
            for set in try await rig.copy() {
                guard case .present = set.outcome else {
                    Issue.record("\(set.outcome)")
                    continue
                }
            }
        }
    }

    /// 42: the run dies at each call to the target, before it or after it.
    @Test(arguments: [FailingStore.Fault.deathBefore, .deathAfter])
    func aCopyThatDiesAtAnyCallLeavesOnlyWholeSetsAndTheNextOneCompletes(fault: FailingStore.Fault) async throws {
        var reused = 0
        for call in 0..<200 {
            var isOver = false
            try await withRig { rig in
                // The last good set of the target is there from before.
                _ = try await rig.copy(.one(.id(rig.sets[0].id)))
                let store = FailingStore(rig.target, fault, atCall: call)
                _ = try? await rig.copy(to: store)
                isOver = !store.hasFailed
                let sound = try await rig.soundSets()
                #expect(sound.first == rig.sets[0].id && sound.count <= 2, "dead at call \(call)")
                try await rig.forgetLease()
                let next = try await rig.copy()
                #expect(next.allSatisfy { $0.failure == nil }, "dead at call \(call)")
                if case .copied(let amount)? = next.last?.outcome { reused += amount.reusedMembers }
                try await rig.expectWhole()
            }
            if isOver { break }
            #expect(call < 199)
        }
        // A run that died between two members spared the next one the first of them.
        #expect(reused > 0)
    }

    /// A call that is refused for good: what was made visible of the set is taken back.
    @Test(arguments: [Failure.Code.noSpace, .permissionDenied])
    func aCopyThatIsRefusedSomethingTakesTheSetBack(code: Failure.Code) async throws {
        for call in 0..<200 {
            var isOver = false
            try await withRig { rig in
                let store = FailingStore(rig.target, .refusal(code), atCall: call)
                let copied = try? await rig.copy(to: store, .one(.id(rig.sets[1].id)))
                isOver = !store.hasFailed
                let sound = try await rig.soundSets()
                if copied?.first?.failure != nil, sound.isEmpty {
                    let left = try await rig.objects(of: rig.target)
                    // Where the removal itself was what was refused, the next run has it to do.
                    #expect(left.count <= 1, "refused call \(call): \(left.keys)")
                }
                // The lease stays where its removal was what was refused.
                try await rig.forgetLease()
                _ = try await rig.copy()
                try await rig.expectWhole()
            }
            if isOver { break }
            #expect(call < 199)
        }
    }

    @Test func aByteThatRottedIsNeverCopiedAndTheOtherSetIs() async throws {
        try await withRig { rig in
            let key = try Self.key(of: rig.sets[0].members[1])
            var bytes = try await rig.source.read(key, bytesMax: 1 << 20).bytes
            bytes[100] ^= 1
            try await rig.source.remove(key)
            try await rig.source.create(key, bytes)
            let copied = try await rig.copy()
            #expect(copied[0].failure?.code == .digestMismatch)
            #expect(copied[1].failure == nil)
            #expect(try await rig.soundSets() == [rig.sets[1].id])
            #expect(try await rig.target.list(under: .root).count == 3)
        }
    }

    /// 49: retention in the source removes the set while it is read.
    @Test func aSetThatIsRemovedMeanwhileIsNotCopiedAndNotCalledDamaged() async throws {
        try await withRig { rig in
            let set = rig.sets[0]
            let manifest = try Catalog.manifestKey(name: "demo", id: set.id)
            let last = try Self.key(of: set.members[1])
            let source = VanishingStore(rig.source, at: last) {
                try await rig.source.remove(manifest)
                try await rig.source.remove(last)
            }
            let copied = try await rig.copy(from: source, .one(.id(set.id)))
            #expect(copied[0].failure?.code == .noSuchBackup)
            #expect(try await rig.target.list(under: .root).isEmpty)
        }
    }

    @Test func anotherSetUnderTheSameIdIsNotOverwritten() async throws {
        try await withRig { rig in
            var other = rig.sets[0]
            other.tool.version = "another"
            other.members = []
            let key = try Catalog.manifestKey(name: "demo", id: other.id)
            try await rig.target.create(key, other.encoded())
            let copied = try await rig.copy()
            #expect(copied[0].failure?.code == .guardRefused)
            #expect(copied[1].failure == nil)
            #expect(try await rig.target.read(key, bytesMax: 1 << 20).bytes == other.encoded())
        }
    }

    @Test func aTargetThatListsTheSetAndLacksAMemberIsNotCalledWhole() async throws {
        try await withRig { rig in
            _ = try await rig.copy()
            let key = try Self.key(of: rig.sets[0].members[0])
            try await rig.target.remove(key)
            let copied = try await rig.copy()
            #expect(copied[0].failure?.code == .digestMismatch)
        }
    }

    @Test func twoNamesOfOneStoreAreFoundOut() async throws {
        try await withRig { rig in
            let failure = await #expect(throws: Failure.self) { _ = try await rig.copy(to: rig.source) }
            #expect(failure?.code == .usage)
            let objects = try await rig.source.list(under: .root)
            #expect(objects.count == 6)
        }
    }

    /// Ids order the sets, not the time at which they came: an old set does not become the latest.
    @Test func anOldSetThatIsCopiedIsNotTheLatest() async throws {
        try await withRig { rig in
            _ = try await rig.copy(.one(.id(rig.sets[1].id)))
            _ = try await rig.copy(.one(.id(rig.sets[0].id)))
            let catalog = Catalog(store: rig.target)
            #expect(try await catalog.require(.latest, name: nil).id == rig.sets[1].id)
            #expect(try await catalog.newID(for: "demo", logger: PlanParts.logger) > rig.sets[1].id)
        }
    }

    @Test func whatIsMeantBySince() async throws {
        try await withRig { rig in
            let since = try await rig.copy(.since(rig.sets[1].id.time))
            #expect(since.map(\.id) == [rig.sets[1].id])
            let later = Timestamp(secondsSince1970: rig.sets[1].id.time.secondsSince1970 + 1)
            let failure = await #expect(throws: Failure.self) { _ = try await rig.copy(.since(later)) }
            #expect(failure?.code == .noSuchBackup)
        }
    }
}

/// A store in which something happens just before an object is read.
private struct VanishingStore: ObjectStore {
    let inner: FileStore
    let key: ObjectKey
    let happen: @Sendable () async throws -> Void

    init(_ inner: FileStore, at key: ObjectKey, _ happen: @escaping @Sendable () async throws -> Void) {
        self.inner = inner
        self.key = key
        self.happen = happen
    }

    var location: String { inner.location }

    func withObject<Result: Sendable>(
        _ key: ObjectKey,
        _ body: (StoredObject, ByteStream) async throws -> Result
    ) async throws -> Result {
        if key == self.key { try await happen() }
        return try await inner.withObject(key, body)
    }

    func stage(_ key: ObjectKey, estimatedBytes: Int64?, from chunks: ByteStream) async throws -> any StagedObject {
        try await inner.stage(key, estimatedBytes: estimatedBytes, from: chunks)
    }

    @discardableResult
    func create(_ key: ObjectKey, _ bytes: [UInt8]) async throws -> StoredObject { try await inner.create(key, bytes) }

    func replace(_ key: ObjectKey, version: ObjectVersion, with bytes: [UInt8]) async throws -> StoredObject {
        try await inner.replace(key, version: version, with: bytes)
    }

    func stat(_ key: ObjectKey) async throws -> StoredObject? { try await inner.stat(key) }
    func list(under folder: KeyFolder) async throws -> [StoredObject] { try await inner.list(under: folder) }
    func remove(_ key: ObjectKey) async throws -> Removal { try await inner.remove(key) }
    func leftovers(under folder: KeyFolder) async throws -> [Leftover] { try await inner.leftovers(under: folder) }
    func remove(_ leftover: Leftover) async throws { try await inner.remove(leftover) }
}
