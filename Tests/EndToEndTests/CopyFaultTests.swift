// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// Copies that are ended from outside, or whose source changes under their hands.
struct CopyFaultTests {
    /// A bucket with one set of three members, about as large as told, that comes at so many bytes a second; and a
    /// second store.
    private func withSlowRig(
        to kind: CopyRig.Kind,
        bytesPerSecond: Int,
        bigValueBytes: Int = 3_000_000,
        _ body: (CopyRig, _ id: String, FaultProxy) async throws -> Void
    ) async throws {
        try await withSeaweedFS { s3 in
            try await withFaultProxy(to: s3.port) { proxy in
                let source = try await OpenedStore.bucket(s3, port: proxy.port)
                let ids = try await source.fill(sets: 1, bigValueBytes: bigValueBytes)
                proxy.add(.bandwidth(bytesPerSecond: bytesPerSecond), .toClient)
                try await kind.withStore { target in
                    try await body(CopyRig(source: source, target: target), try #require(ids.first), proxy)
                }
            }
        }
    }

    /// Killed between two members: the next run sends only those that are missing.
    @Test(arguments: CopyRig.Kind.allCases)
    func aKilledCopyGoesOnWhereItWas(kind: CopyRig.Kind) async throws {
        try await withSlowRig(to: kind, bytesPerSecond: 3_000_000) { rig, id, proxy in
            try await Redoubt.withRunning(rig.arguments(), environment: rig.environment) { process in
                try await eventually("the first member to be there") {
                    try await rig.target.tested.keys().contains { $0.contains(id) } ? true : nil
                }
                process.kill(SIGKILL)
                let outcome = try await Redoubt.outcome(of: process)
                try #require(outcome.code != 0)
            }
            #expect(try await rig.target.tested.listedIDs() == [])
            let left = try await rig.target.objects(of: id).filter { !$0.key.hasSuffix(".json") }
            proxy.clear()
            let before = proxy.bytesToClient
            let next = try await rig.copy()
            let read = proxy.bytesToClient - before
            try await rig.target.tested.expectSound(after: next, code: 0, good: [id])
            let set = try #require(try CopyOutput(next).sets.first)
            #expect(set.reusedMembers == left.count && left.count < 3)
            #expect(set.reusedBytes == left.values.reduce(0) { $0 + $1.count })
            #expect(set.sentBytes == set.storedBytes - set.reusedBytes)
            // What came over the wire is the rest of the members and a few small answers.
            #expect(read < set.sentBytes + 200_000, "\(read) bytes were read for \(set.sentBytes)")
            try await rig.expectSame([id])
        }
    }

    /// 42: kill -9 at any moment.
    @Test(arguments: CopyRig.Kind.allCases)
    func aKilledCopyLeavesNothingThatIsListedAndTheNextOneCompletes(kind: CopyRig.Kind) async throws {
        try await withSlowRig(to: kind, bytesPerSecond: 40_000_000) { rig, id, _ in
            for _ in 0..<8 {
                let wait = Duration.milliseconds(Int.random(in: 20...600))
                try await Redoubt.withRunning(rig.arguments(), environment: rig.environment) { process in
                    try await Task.sleep(for: wait)
                    process.kill(SIGKILL)
                    _ = try await Redoubt.outcome(of: process)
                }
                let listed = try await rig.target.tested.listedIDs()
                #expect(listed == [] || listed == [id], "killed after \(wait)")
                for id in listed { try await rig.target.tested.expectRestores(id) }
            }
            let next = try await rig.copy()
            try await rig.target.tested.expectSound(after: next, code: 0, good: [id])
            try await rig.expectSame([id])
        }
    }

    /// 45: what is proven stays for the next run, and is said to.
    @Test(arguments: CopyRig.Kind.allCases)
    func aTerminatedCopyEndsSoonAndTheNextOneGoesOn(kind: CopyRig.Kind) async throws {
        try await withSlowRig(to: kind, bytesPerSecond: 3_000_000) { rig, id, proxy in
            try await Redoubt.withRunning(rig.arguments(), environment: rig.environment) { process in
                // A member is seen before the run hears that it is there.
                try await eventually("the first member to be there, and the second to be on its way") {
                    let isThere = try await rig.target.tested.keys().contains { $0.contains(id) }
                    let isOnItsWay = try await rig.target.tested.unfinished().contains { $0.contains(id) }
                    return isThere && isOnItsWay ? true : nil
                }
                let begun = ContinuousClock.now
                process.kill(SIGTERM)
                let outcome = try await Redoubt.outcome(of: process, withinSeconds: 30)
                #expect(ContinuousClock.now - begun < .seconds(10))
                try await rig.target.tested.expectSound(after: outcome, code: 143, good: [])
                #expect(outcome.errors.contains("goes on from there"), "\(outcome.errors)")
            }
            #expect(try await rig.target.tested.unfinished() == [])
            #expect(try await !rig.target.tested.keys().contains { $0.hasPrefix(".locks/") })
            proxy.clear()
            let next = try await rig.copy()
            #expect(try CopyOutput(next).sets.first?.reusedMembers ?? 0 > 0)
            try await rig.target.tested.expectSound(after: next, code: 0, good: [id])
            try await rig.expectSame([id])
        }
    }

    /// 37, 49: an object of the source is replaced, or removed with its set, while it is read.
    @Test(arguments: [true, false])
    func aSourceThatChangesMeanwhileIsNotCopied(isReplaced: Bool) async throws {
        try await withSlowRig(to: .folder, bytesPerSecond: 3_000_000) { rig, id, proxy in
            let members = try await rig.source.objects(of: id).keys.sorted().filter { !$0.hasSuffix(".json") }
            try await Redoubt.withRunning(rig.arguments(), environment: rig.environment) { process in
                try await eventually("the first member to be there, and the second to be on its way") {
                    let isThere = try await rig.target.tested.keys().contains { $0.contains(id) }
                    let isOnItsWay = try await rig.target.tested.unfinished().contains { $0.contains(id) }
                    return isThere && isOnItsWay ? true : nil
                }
                proxy.freeze()
                if isReplaced {
                    for member in members.dropFirst() { try await rig.source.put(member, [1, 2, 3]) }
                } else {
                    try await rig.source.delete("demo/\(id)/manifest.json")
                    for member in members { try await rig.source.delete(member) }
                }
                await proxy.resetAll()
                proxy.clear()
                let outcome = try await Redoubt.outcome(of: process)
                let codes: [Int32?] = isReplaced ? [4, 5] : [10]
                #expect(codes.contains(outcome.code), "\(outcome.errors)")
            }
            #expect(try await rig.target.tested.listedIDs() == [])
            try await rig.target.tested.expectNothingHalfMade(good: [])
        }
    }
}
