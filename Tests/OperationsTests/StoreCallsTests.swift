// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Foundation
import ObjectStorage
import Operations
import TestParts
import Testing

/// What is asked of a store costs time and money: nothing is asked twice.
@Suite struct StoreCallsTests {
    /// The id of a new set and the set before it come of one listing, in each store.
    @Test func aBackupListsItsSubjectOnceForItsIDAndItsChain() async throws {
        try await ChainRig.with { rig in
            let store = CountingStore(rig.store)
            let destinations = Destinations([store], logger: PlanParts.logger)
            let listings = try await destinations.listings(of: ChainRig.name)
            let id = destinations.newID(after: listings)
            let previous = try await destinations.newestLink(in: listings, isRequired: true)
            #expect(id > rig.ids[3] && previous?.id == rig.ids[3])
            #expect(store.calls == ["list demo/", "read demo/\(rig.ids[3])/manifest.json"])
        }
    }

    /// Sets that are signed are pruned without a key: that is known from the listing.
    @Test func pruneReadsNoSignatures() async throws {
        try await ChainRig.with { rig in
            let store = CountingStore(rig.store)
            let prune = PruneRig(store: rig.store, folder: rig.folder).prune(store) { $0.last = 1 }
            let plans = try await prune.plan(of: ChainRig.name)
            #expect(plans[0].due.map(\.set.isSigned) == [true, true, true])
            let findings = try await prune.run(plans).findings
            #expect(findings.map(\.outcome.word) == ["removed", "removed", "removed"])
            #expect(store.count("read") { $0.hasSuffix(".sig") } == 0)
            #expect(try await rig.verify(keyed: false).bad.isEmpty)
        }
    }

    /// Pins of all subjects are seen in the listing of the store itself.
    @Test func pinsAreSeenInTheListingOfTheStore() async throws {
        try await PruneRig.with(sets: 3) { rig in
            let pinning = Pinning(rig.catalog, tool: .init(name: "redoubt", version: "1"))
            _ = try await pinning.pin(.id(PruneRig.id(2)), name: "demo", reason: nil)
            let store = CountingStore(rig.store)
            let catalog = Catalog(store: store)
            let keys = try await catalog.keys(of: nil)
            #expect(try await catalog.entries(among: keys).count == 3)
            #expect(Catalog.pins(among: keys) == ["demo": [try PruneRig.id(2)]])
            #expect(store.count("list") == 1)
            let histories = try await catalog.histories(of: nil, now: .now())
            #expect(histories["demo"]?.map(\.isPinned) == [false, true, false])
            #expect(store.count("list") { $0 == "list .pins/" } == 0)
        }
    }

    /// Where the history is bounded, years of records are not read.
    @Test func recordsOfSetsThatDoNotCountAreNotRead() async throws {
        try await ChainRig.with { rig in
            let anchor = try #require(try await rig.verify().newest)
            for _ in 0..<3 { try await rig.add() }
            for index in [0, 1, 3, 5] { try await rig.prune(index) }
            let store = CountingStore(rig.store)
            var trust = VerifyChain.Trust()
            trust.keys = [rig.key.verificationKey]
            trust.signedSince = rig.ids[4]
            trust.anchor = anchor
            let outcome = try await VerifyChain(Catalog(store: store), name: "demo", trusting: trust).run()
            #expect(outcome.bad.isEmpty, "\(outcome.bad)")
            let read = store.calls.filter { $0.hasPrefix("read .removed/") && $0.hasSuffix(".json") }
            #expect(read.count == 2 && read.allSatisfy { $0.contains("\(rig.ids[3])") || $0.contains("\(rig.ids[5])") })
        }
    }
}
