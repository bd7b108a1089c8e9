// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures

/// The leases that a run holds.
package struct RunLeases: Sendable {
    /// Those beside the stores: a Lease of Kubernetes.
    let common: [HeldLease]
    /// That of each store, by its number.
    let ofStores: [Int: HeldLease]

    /// What a set in this store is committed under.
    func of(_ destination: Destination) -> [HeldLease] {
        common + (ofStores[destination.number].map { [$0] } ?? [])
    }
}

extension Destinations {
    /// Runs `body` while holding the lease of a subject in every store, and those of other seats.
    ///
    /// The leases are taken one after another in the order of the URLs, so that of two runs at once one gets all of
    /// them. A store whose lease another run holds ends this run. One whose lease cannot be had, or is lost while
    /// `body` runs, drops out.
    /// - Throws: `.locked`; when no store is left; what `body` throws.
    package func withLeases<Result: Sendable>(
        on name: String,
        beside seats: [any LeaseSeat],
        as lease: Lease,
        _ body: @escaping @Sendable (RunLeases) async throws -> Result
    ) async throws -> Result {
        let ordered = all.sorted { ($0.label, $0.number) < ($1.label, $1.number) }
        let numbers = ordered.map(\.number)
        @Sendable func seat(_ destination: Destination) -> Int {
            seats.count + (numbers.firstIndex(of: destination.number) ?? 0)
        }
        let storeSeats = try ordered.map { try StoreLeaseSeat(name: name, in: $0.catalog.store) }
        let goesOn: LeaseWaiver = { index, failure, isHeld in
            guard all.count > 1, index >= seats.count else { return false }
            // Before anything was done: another run is at work, or a store was named twice.
            if !isHeld, [.locked, .usage].contains(failure.code) { return false }
            dropOut(ordered[index - seats.count], failure)
            return true
        }
        return try await Catalog.withLeases(
            at: seats + storeSeats,
            as: lease,
            logger: logger,
            waivedIf: goesOn
        ) { held in
            // A store that is out is not asked for long whether the lease is still ours.
            defer { for destination in all where !destination.isIn { held[seat(destination)]?.hurry() } }
            try requireOne()
            let stores = all.compactMap { destination in held[seat(destination)].map { (destination.number, $0) } }
            return try await body(
                RunLeases(
                    common: seats.indices.compactMap { held[$0] },
                    ofStores: Dictionary(uniqueKeysWithValues: stores)
                )
            )
        }
    }

    /// Removes what dead runs left behind in each store.
    package func removeLeftovers(of name: String) async throws -> [Done<Sweep>] {
        try await each("clean up in") { try await $0.catalog.removeLeftovers(of: name, logger: logger) }
    }

    /// Looks once more after sets whose members were removed.
    func removeManifests(ofSwept sweeps: [Done<Sweep>], name: String) async {
        for sweep in sweeps where sweep.destination.isIn {
            await sweep.destination.catalog.removeManifests(ofSwept: sweep.value, name: name, logger: logger)
        }
    }

    /// What each store shows of a subject: the next set is newer than all of it, and names the newest one.
    package func listings(of name: String) async throws -> [Done<SubjectListing>] {
        try await each("list") { try await $0.catalog.listing(of: name) }
    }

    /// An id for a new set that is newer than every other in every store.
    package func newID(after listings: [Done<SubjectListing>]) -> BackupID {
        Catalog.newID(after: listings.flatMap(\.value.ids), logger: logger)
    }

    /// The newest set of a subject in any store: what the manifest of the next one names.
    package func newestLink(in listings: [Done<SubjectListing>], isRequired: Bool) async throws -> Manifest.Link? {
        let links = try await each("read the newest manifest in") { destination in
            guard let listed = listings.first(where: { $0.destination === destination }) else {
                return Manifest.Link?.none
            }
            return try await destination.catalog.newestLink(in: listed.value, isRequired: isRequired, logger: logger)
        }
        return links.compactMap(\.value).max { $0.id < $1.id }
    }
}
