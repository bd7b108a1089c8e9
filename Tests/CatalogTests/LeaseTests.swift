// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import Logging
import ObjectStorage
import Synchronization
import TestParts
import Testing

struct LeaseTests {
    /// For those who wait for it to run out.
    private static let quick = LeaseTiming(lifetime: .milliseconds(1500), interval: .milliseconds(40))
    /// For those who hold it: a starved machine may stand still for longer than a short one lasts.
    private static let lasting = LeaseTiming(lifetime: .seconds(30), interval: .milliseconds(40))

    private func lease(_ holder: String, pid: Int32? = nil, host: String? = nil) -> Lease {
        var process = ProcessIdentity.current()
        if let pid { process.pid = pid }
        if let host { process.host = host }
        return Lease(holder: holder, purpose: "backup", process: process, acquiredAt: .now())
    }

    private func withCatalog(_ body: (Catalog) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            try await body(Catalog(store: FileStore(root: folder.path)))
        }
    }

    private func keys(_ catalog: Catalog) async throws -> [String] {
        try await catalog.store.list(under: .root).map(\.key.description)
    }

    private static func isLost(_ lease: HeldLease) async -> Bool {
        do {
            try await lease.confirm()
            return false
        } catch {
            return (error as? Failure)?.code == .locked
        }
    }

    @Test func aLeaseIsGoneWhenItsScopeEnds() async throws {
        try await withCatalog { catalog in
            let held = try await catalog.withLease(on: "demo", as: lease("a"), timing: Self.lasting) { lease in
                try await lease.confirm()
                return try await keys(catalog)
            }
            #expect(held == [".locks/demo.json"])
            #expect(try await keys(catalog) == [])
        }
    }

    @Test func aLeaseIsGoneAlsoWhenItsScopeThrowsOrIsCancelled() async throws {
        try await withCatalog { catalog in
            await #expect(throws: Failure.self) {
                try await catalog.withLease(on: "demo", as: lease("a"), timing: Self.lasting) { _ in
                    throw Failure(.unclassified, "boom")
                }
            }
            #expect(try await keys(catalog) == [])
            let run = Task {
                try await catalog.withLease(on: "demo", as: lease("a"), timing: Self.lasting) { _ in
                    try await Task.sleep(for: .seconds(60))
                }
            }
            _ = try await eventually("the lease is taken", withinSeconds: 10) {
                try await keys(catalog).isEmpty ? nil : true
            }
            run.cancel()
            _ = await run.result
            #expect(try await keys(catalog) == [])
        }
    }

    @Test func aSecondRunIsLockedOutAtOnceByALivingProcessOfThisMachine() async throws {
        try await withCatalog { catalog in
            try await catalog.withLease(on: "demo", as: lease("a"), timing: Self.lasting) { _ in
                let failure = await #expect(throws: Failure.self) {
                    try await catalog.withLease(on: "demo", as: lease("b"), timing: Self.lasting) { _ in }
                }
                #expect(failure?.code == .locked)
            }
        }
    }

    @Test func aSecondRunIsLockedOutByARenewalOfAnotherMachine() async throws {
        try await withCatalog { catalog in
            try await catalog.withLease(on: "demo", as: lease("a", host: "elsewhere"), timing: Self.lasting) { _ in
                let failure = await #expect(throws: Failure.self) {
                    try await catalog.withLease(on: "demo", as: lease("b"), timing: Self.lasting) { _ in }
                }
                #expect(failure?.code == .locked)
            }
        }
    }

    @Test(arguments: ["dead process", "other machine", "garbage"])
    func anAbandonedLeaseIsTakenOver(kind: String) async throws {
        try await withCatalog { catalog in
            let key = try Lease.key(of: "demo")
            // No process has this number: the kernel's largest is 2^22.
            let dead = lease("dead", pid: 5_000_000)
            let text =
                switch kind {
                case "dead process": dead.text
                case "other machine": lease("dead", host: "elsewhere").text
                default: "not a lease"
                }
            try await catalog.store.create(key, Array(text.utf8))
            try await catalog.withLease(on: "demo", as: lease("b"), timing: Self.quick) { lease in
                try await lease.confirm()
            }
            #expect(try await keys(catalog) == [])
        }
    }

    @Test func aRunThatLosesItsLeaseIsStopped() async throws {
        try await withCatalog { catalog in
            let wasCancelled = Mutex(false)
            let failure = await #expect(throws: Failure.self) {
                try await catalog.withLease(on: "demo", as: lease("a"), timing: Self.lasting) { lease in
                    // The holder renews meanwhile, so the thief may need several tries.
                    _ = try await eventually("the lease is stolen", withinSeconds: 10) {
                        let version = try await catalog.store.stat(Lease.key(of: "demo"))?.version
                        return try? await catalog.store.replace(
                            Lease.key(of: "demo"),
                            version: #require(version),
                            with: Array("other".utf8)
                        )
                    }
                    #expect(await Self.isLost(lease))
                    do {
                        try await Task.sleep(for: .seconds(60))
                    } catch {
                        wasCancelled.withLock { $0 = true }
                        throw error
                    }
                }
            }
            #expect(failure?.code == .locked)
            #expect(wasCancelled.withLock { $0 })
            let left = try await keys(catalog)
            #expect(left == [".locks/demo.json"], "the thief keeps its lease")
        }
    }

    @Test func ofManyRunsAtOnceOneWorksAtATime() async throws {
        try await withCatalog { catalog in
            let inside = Occupancy()
            let leases = (0..<12).map { lease("\($0)") }
            await withTaskGroup(of: Void.self) { group in
                for lease in leases {
                    group.addTask {
                        try? await catalog.withLease(on: "demo", as: lease, timing: Self.lasting) { _ in
                            inside.enter()
                            try await Task.sleep(for: .milliseconds(20))
                            inside.leave()
                        }
                    }
                }
            }
            #expect(inside.most == 1 && inside.entered >= 1)
        }
    }
}

/// How many are inside at a time.
private final class Occupancy: Sendable {
    private let state = Mutex((now: 0, most: 0, entered: 0))

    var most: Int { state.withLock { $0.most } }
    var entered: Int { state.withLock { $0.entered } }

    func enter() {
        state.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1), $0.entered + 1) }
    }

    func leave() {
        state.withLock { $0.now -= 1 }
    }
}

extension Lease {
    fileprivate var text: String {
        """
        {"holder":"\(holder)","purpose":"\(purpose)","acquiredAt":"\(acquiredAt)","renewals":0,"process":{\
        "host":"\(process.host)","boot":"\(process.boot)","pid":\(process.pid),"started":"\(process.started)"}}
        """
    }
}
