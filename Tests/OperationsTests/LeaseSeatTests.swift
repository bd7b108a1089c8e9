// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Foundation
import Kubernetes
import ObjectStorage
import Operations
import Synchronization
import TestParts
import Testing

/// What every seat of a lease promises, whether it is an object of a store or a Lease of Kubernetes.
struct LeaseSeatTests {
    enum Kind: CaseIterable, Sendable {
        case folder
        case kubernetes

        /// - Parameter body: gets two views of one seat, as two runs have them.
        func withSeats(_ body: @Sendable (any LeaseSeat, any LeaseSeat) async throws -> Void) async throws {
            try await withTemporaryFolder { folder in
                switch self {
                case .folder:
                    let store = FileStore(root: folder.path)
                    let seats = try (0..<2).map { _ in try StoreLeaseSeat(name: "demo", in: store) }
                    try await body(seats[0], seats[1])
                case .kubernetes:
                    try await withKubernetesAPI { api in
                        let settings = KubernetesSettings(
                            kubeconfig: try api.kubeconfig(in: folder, namespace: "prod"),
                            environment: [:]
                        )
                        try await withKubernetesClient(settings, logger: PlanParts.logger) { client in
                            let seats = (0..<2).map { _ in
                                KubernetesLeaseSeat(name: "redoubt-demo", namespace: "prod", client: client)
                            }
                            try await body(seats[0], seats[1])
                        }
                    }
                }
            }
        }
    }

    /// For those who wait for it to run out.
    private static let quick = LeaseTiming(lifetime: .milliseconds(1500), interval: .milliseconds(60))
    /// For those who hold it: a starved machine may stand still for longer than a short one lasts.
    private static let lasting = LeaseTiming(lifetime: .seconds(30), interval: .milliseconds(60))

    private static func isLost(_ lease: HeldLease) async -> Bool {
        do {
            try await lease.confirm()
            return false
        } catch {
            return (error as? Failure)?.code == .locked
        }
    }

    private static func lease(_ holder: String) -> Lease {
        // On another machine: whether it lives can only be seen by its renewals.
        let process = ProcessIdentity(host: "elsewhere", boot: "", pid: 1, started: "1")
        return Lease(holder: holder, purpose: "backup", process: process, acquiredAt: .now())
    }

    @Test(arguments: Kind.allCases)
    func ofTwoWhoCreateOrReplaceOneSucceeds(kind: Kind) async throws {
        try await kind.withSeats { one, two in
            let empty = try await one.read()
            let version = try await one.create(Self.lease("a"))
            let second = await #expect(throws: Failure.self) { try await two.create(Self.lease("b")) }
            #expect(empty == nil && second?.code == .alreadyExists)
            let seen = try await two.read()
            #expect(seen?.lease?.holder == "a" && seen?.lease?.purpose == "backup" && seen?.version == version)

            let newer = try await one.replace(version, with: Self.lease("a"))
            #expect(newer != version)
            let late = await #expect(throws: Failure.self) { try await two.replace(version, with: Self.lease("b")) }
            #expect(late?.code == .alreadyExists)
            try await two.release(version)
            #expect(try await one.read()?.lease?.holder == "a", "another version is not given up")
            try await one.release(newer)
            #expect(try await two.read() == nil)
            _ = try await two.create(Self.lease("b"))
            #expect(try await one.read()?.lease?.holder == "b")
        }
    }

    @Test(arguments: Kind.allCases)
    func aHolderWhoRenewsIsRespectedAndADeadOneIsNot(kind: Kind) async throws {
        try await kind.withSeats { one, two in
            try await Catalog.withLease(at: one, as: Self.lease("a"), timing: Self.lasting) { held in
                let failure = await #expect(throws: Failure.self) {
                    try await Catalog.withLease(at: two, as: Self.lease("b"), timing: Self.lasting) { _ in }
                }
                #expect(failure?.code == .locked)
                try await held.confirm()
            }
            _ = try await one.create(Self.lease("dead"))
            try await Catalog.withLease(at: two, as: Self.lease("b"), timing: Self.quick) { try await $0.confirm() }
            #expect(try await one.read() == nil)
        }
    }

    @Test(arguments: Kind.allCases)
    func aRunThatLosesItsLeaseIsStopped(kind: Kind) async throws {
        try await kind.withSeats { one, two in
            let failure = await #expect(throws: Failure.self) {
                try await Catalog.withLease(at: one, as: Self.lease("a"), timing: Self.lasting) { held in
                    _ = try await eventually("the lease is stolen", withinSeconds: 10) {
                        guard let seen = try await two.read() else { return nil as ObjectVersion? }
                        return try? await two.replace(seen.version, with: Self.lease("thief"))
                    }
                    #expect(await Self.isLost(held))
                    try await Task.sleep(for: .seconds(60))
                }
            }
            let left = try await two.read()
            #expect(failure?.code == .locked && left?.lease?.holder == "thief")
        }
    }

    /// A dead run that held two leases is waited for once: the second seat is looked at no more than to take it.
    @Test func aDeadRunIsWaitedForOnce() async throws {
        try await Kind.folder.withSeats { one, _ in
            try await Kind.kubernetes.withSeats { two, _ in
                for seat in [one, two] { _ = try await seat.create(Self.lease("dead")) }
                let watched = CountingSeat(seat: two)
                let timing = LeaseTiming(lifetime: .seconds(6), interval: .milliseconds(20))
                try await Catalog.withLeases(at: [one, watched], as: Self.lease("next"), timing: timing) { held in
                    #expect(held.count == 2)
                    #expect((1...4).contains(watched.reads.withLock { $0 }))
                    for lease in held { try await lease.confirm() }
                }
            }
        }
    }

    /// A seat that counts how often it is looked at.
    private final class CountingSeat: LeaseSeat {
        let seat: any LeaseSeat
        let reads = Mutex(0)

        init(seat: any LeaseSeat) {
            self.seat = seat
        }

        var place: String { seat.place }
        var isAdvisory: Bool { seat.isAdvisory }

        func create(_ lease: Lease) async throws -> ObjectVersion { try await seat.create(lease) }
        func replace(_ version: ObjectVersion, with lease: Lease) async throws -> ObjectVersion {
            try await seat.replace(version, with: lease)
        }
        func release(_ version: ObjectVersion) async throws { try await seat.release(version) }
        func read() async throws -> SeatedLease? {
            reads.withLock { $0 += 1 }
            return try await seat.read()
        }
    }

    @Test(arguments: Kind.allCases)
    func podsOfOneJobShareIt(kind: Kind) async throws {
        try await kind.withSeats { one, two in
            let shared = Lease.shared(byJob: "job", purpose: "backup")
            try await Catalog.withLease(at: one, as: shared, timing: Self.lasting) { first in
                try await Catalog.withLease(at: two, as: shared, timing: Self.lasting) { second in
                    try await Task.sleep(for: .milliseconds(400))
                    try await first.confirm()
                    try await second.confirm()
                }
                try await first.confirm()
                first.end()
            }
            #expect(try await two.read() == nil)
        }
    }
}
