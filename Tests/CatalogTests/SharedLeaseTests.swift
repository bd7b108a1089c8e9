// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import ObjectStorage
import TestParts
import Testing

/// The lease that the pods of one Job hold together.
struct SharedLeaseTests {
    private static let quick = LeaseTiming(lifetime: .milliseconds(1500), interval: .milliseconds(40))
    private static let key = ".locks/demo.json"

    private func withCatalog(_ body: (Catalog) async throws -> Void) async throws {
        try await withTemporaryFolder { try await body(Catalog(store: FileStore(root: $0.path))) }
    }

    private func keys(_ catalog: Catalog) async throws -> [String] {
        try await catalog.store.list(under: .root).map(\.key.description)
    }

    private func with(
        _ job: String,
        _ catalog: Catalog,
        _ body: @escaping @Sendable (HeldLease) async throws -> Void
    ) async throws {
        let lease = Lease.shared(byJob: job, purpose: "backup")
        try await catalog.withLease(on: "demo", as: lease, timing: Self.quick, body)
    }

    @Test func podsOfOneJobHoldItTogetherAndOthersAreLockedOut() async throws {
        try await withCatalog { catalog in
            try await with("one", catalog) { first in
                try await with("one", catalog) { second in
                    // Each of them renews it several times, and both keep it.
                    try await Task.sleep(for: .milliseconds(300))
                    try await first.confirm()
                    try await second.confirm()
                    let failure = await #expect(throws: Failure.self) {
                        try await with("two", catalog) { _ in }
                    }
                    #expect(failure?.code == .locked)
                }
                try await first.confirm()
            }
        }
    }

    /// A pod that is done leaves the lease to the others; the one that ends the work gives it up.
    @Test func itIsGivenUpWhenTheWorkIsDone() async throws {
        try await withCatalog { catalog in
            try await with("one", catalog) { _ in }
            #expect(try await keys(catalog) == [Self.key])
            try await with("one", catalog) { $0.end() }
            #expect(try await keys(catalog) == [])
        }
    }

    @Test func theLeaseOfADeadJobIsTakenOver() async throws {
        try await withCatalog { catalog in
            try await with("dead", catalog) { _ in }
            try await with("next", catalog) { lease in
                try await lease.confirm()
                lease.end()
            }
            #expect(try await keys(catalog) == [])
        }
    }

    /// Whoever renews at the moment in which it is asked for is not taken for a thief.
    @Test func aRenewalIsNoLoss() async throws {
        try await withCatalog { catalog in
            let timing = LeaseTiming(lifetime: .seconds(10), interval: .milliseconds(1))
            let lease = Lease(holder: "a", purpose: "backup", process: .current(), acquiredAt: .now())
            try await catalog.withLease(on: "demo", as: lease, timing: timing) { held in
                for _ in 0..<300 { try await held.confirm() }
            }
        }
    }
}
