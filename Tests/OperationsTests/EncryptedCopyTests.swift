// SPDX-License-Identifier: Apache-2.0

import Age
import Catalog
import Failures
import Foundation
import ObjectStorage
import Operations
import TestParts
import Testing

/// Copies that are encrypted anew: each attempt makes other bytes, and what is left of one never passes for another.
@Suite(.timeLimit(.minutes(2))) struct EncryptedCopyTests {
    private static let recipient = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"

    private static func copy(_ rig: PruneRig, to target: any ObjectStore) async throws -> [CopiedSet] {
        let lock = try AgeLock(recipients: [AgeRecipient(parsing: recipient)])
        let copy = Copy(
            from: rig.catalog,
            to: Catalog(store: target),
            at: nil,
            encrypting: EncryptionChoice(lock),
            runID: String(UInt64.random(in: .min ... .max), radix: 16),
            timing: LeaseTiming(lifetime: .seconds(300), interval: .seconds(10)),
            meter: ProgressMeter(),
            logger: PlanParts.logger
        )
        return try await copy.run(.all, name: nil)
    }

    /// Every set that is listed has the very members that its manifest names.
    private static func expectSound(_ store: FileStore, sets: Int) async throws {
        let catalog = Catalog(store: store)
        let entries = try await catalog.entries(of: nil)
        #expect(entries.count == sets)
        for entry in entries {
            guard case .complete(let manifest) = entry else {
                Issue.record("\(entry.id) cannot be read")
                continue
            }
            let verify = Verify(catalog, isStoredOnly: true, meter: ProgressMeter(), logger: PlanParts.logger)
            let findings = try await verify.run(manifest)
            #expect(findings.count == 2 && findings.allSatisfy { $0.failure == nil }, "\(findings)")
            let keys = try await store.list(under: KeyFolder(["demo", manifest.id.text])).map(\.key).filter(\.isMember)
            #expect(Set(keys.map(\.description)) == Set(manifest.members.compactMap(\.stored?.key)))
        }
    }

    /// A run dies at each of its calls, and the next one does the whole.
    @Test func aCopyThatDiesAtAnyCallIsWholeInTheEnd() async throws {
        var call = 0
        var isOver = false
        while !isOver {
            try await PruneRig.with(sets: 1) { rig in
                try await withTemporaryFolder { folder in
                    let target = FileStore(root: folder.path)
                    let dying = FailingStore(target, .deathAfter, atCall: call)
                    _ = try? await Self.copy(rig, to: dying)
                    isOver = !dying.hasFailed
                    if let lease = try? Lease.key(of: "demo") { _ = try? await target.remove(lease) }
                    let done = try await Self.copy(rig, to: target)
                    #expect(done.allSatisfy { $0.failure == nil }, "call \(call)")
                    try await Self.expectSound(target, sets: 1)
                }
            }
            call += 1
        }
        #expect(call > 10)
    }

    /// The manifest of a run that died arrives while the next one sends: its members are gone, and what is listed in
    /// the end is whole.
    @Test func theManifestOfADeadRunNamesNoMembersOfTheNext() async throws {
        try await PruneRig.with(sets: 1) { rig in
            try await withTemporaryFolder { folder in
                let target = FileStore(root: folder.path)
                let key = try Catalog.manifestKey(name: "demo", id: PruneRig.id(1))
                // The first attempt, of which the manifest is held up.
                _ = try await Self.copy(rig, to: target)
                let late = try await target.read(key, bytesMax: 1 << 20).bytes
                try await target.remove(key)
                let held = HookedStore(
                    target,
                    staging: { chunks in
                        chunks.observed { _ in Self.arrive(key, late, folder.path) }
                    }
                )
                let second = try await Self.copy(rig, to: held)
                #expect(second.map { $0.failure?.code } == [.storeUnavailable])
                try await Self.expectSound(target, sets: 0)
                let third = try await Self.copy(rig, to: target)
                #expect(third.allSatisfy { $0.failure == nil })
                try await Self.expectSound(target, sets: 1)
            }
        }
    }

    /// Names as long as a key may be find room for what an attempt adds.
    @Test func theLongestNamesFitIntoKeys() async throws {
        try await PruneRig.with { rig in
            let names = ["a", "b"].map { String(repeating: $0, count: 124) }
            let members = try await PruneRig.members(7, names)
            let manifest = PruneRig.manifest(try PruneRig.id(1), of: "demo", members)
            for (member, (_, bytes)) in zip(manifest.members, members) {
                try await rig.store.create(try #require(ObjectKey(parsing: member.stored?.key ?? "")), bytes)
            }
            try await rig.store.create(Catalog.manifestKey(name: "demo", id: manifest.id), try manifest.encoded())
            try await withTemporaryFolder { folder in
                let target = FileStore(root: folder.path)
                let done = try await Self.copy(rig, to: target)
                #expect(done.allSatisfy { $0.failure == nil }, "\(done)")
                try await Self.expectSound(target, sets: 1)
                let keys = try await target.list(under: .root).map(\.key.description)
                #expect(keys.filter { $0.hasSuffix(".rdb.age") }.count == 2)
            }
        }
    }

    private static func arrive(_ key: ObjectKey, _ bytes: [UInt8], _ root: String) {
        try? bytes.withUnsafeBytes { buffer in
            try Data(buffer).write(to: URL(fileURLWithPath: "\(root)/\(key)"), options: .withoutOverwriting)
        }
    }
}
