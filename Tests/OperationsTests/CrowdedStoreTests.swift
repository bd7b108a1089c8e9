// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import ObjectStorage
import TestParts
import Testing

/// A bucket or share that others use too: what lies there beside the subject may be a lot, or not be readable.
@Suite struct CrowdedStoreTests {
    @Test(arguments: [Failure.Code.inputOutput, .permissionDenied, .timeout, .storeUnavailable])
    func whatOthersLeftThereKeepsNoBackupFromBeingTakenOrLookedFor(code: Failure.Code) async throws {
        try await PruneRig.with(sets: 1) { rig in
            let store = HookedStore(
                rig.store,
                listing: { folder, objects in
                    if folder == .root { throw Failure(code, "list all") }
                    return objects
                }
            )
            let catalog = Catalog(store: store)
            let listing = try await catalog.listing(of: "new")
            let (none, one) = (
                try await catalog.resolve(.latest, name: "new"), try await catalog.resolve(.latest, name: "demo")
            )
            let id = try PruneRig.id(1)
            #expect(listing.ids.isEmpty && none == nil && one?.id == id)
        }
    }
}
