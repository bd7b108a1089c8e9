// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Logging
import ObjectStorage
import TestParts
import Testing

/// A slip in the URL of a store: the folder of a subject is no store, and a place with nothing in it is told.
@Suite struct MisplacedTests {
    private static let id = "20261121T000000Z-0001"

    /// - Parameter path: where the store is opened, below the folder that has the set `prod.redis/<id>`.
    private func withCatalog(at path: String, _ body: (Catalog, String) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let store = FileStore(root: folder.path + "/backups")
            let key = try #require(ObjectKey(parsing: "prod.redis/\(Self.id)/manifest.json"))
            try await store.create(key, Array("{}".utf8))
            try await body(Catalog(store: FileStore(root: folder.path + "/backups" + path)), store.location)
        }
    }

    @Test func theFolderOfASubjectIsNoStore() async throws {
        try await withCatalog(at: "/prod.redis") { catalog, parent in
            var failures: [Failure?] = []
            failures.append(
                await #expect(throws: Failure.self) { _ = try await catalog.resolve(.latest, name: "prod.redis") }
            )
            failures.append(await #expect(throws: Failure.self) { _ = try await catalog.resolve(.latest, name: nil) })
            let reference = try BackupReference(Self.id)
            failures.append(await #expect(throws: Failure.self) { _ = try await catalog.resolve(reference, name: nil) })
            failures.append(await #expect(throws: Failure.self) { _ = try await catalog.onlySubject(named: nil) })
            failures.append(await #expect(throws: Failure.self) { _ = try await catalog.instead() })
            // A backup would be found by nobody.
            failures.append(await #expect(throws: Failure.self) { _ = try await catalog.listing(of: "prod.redis") })
            for failure in failures {
                #expect(failure?.code == .configuration)
                #expect(failure?.hint?.contains("Did you mean \(parent)?") == true)
                #expect(failure?.hint?.contains("prod.redis") == true)
            }
        }
    }

    @Test func aStoreIsOne() async throws {
        try await withCatalog(at: "") { catalog, _ in
            #expect(try await catalog.resolve(.latest, name: "other") == nil)
            let instead = try await catalog.instead()
            #expect(instead.subjects == ["prod.redis"] && !instead.isBare)
            #expect(try await catalog.listing(of: "other").ids.isEmpty)
        }
    }

    /// Files of others are none of ours; what a run leaves while it works is.
    @Test func aPlaceWithNothingOfOursIsBare() async throws {
        try await withTemporaryFolder { folder in
            let catalog = Catalog(store: FileStore(root: folder.path))
            try await catalog.store.create(try ObjectKey(["photos", "2026", "cat.jpg"]), [1])
            let bare = try await catalog.instead()
            #expect(bare.subjects.isEmpty && bare.isBare)
            try await catalog.store.create(try ObjectKey([".locks", "demo.json"]), [1])
            let used = try await catalog.instead()
            #expect(!used.isBare)
        }
    }

    /// Before the first set of a subject only: afterwards a backup lists nothing but its own.
    @Test func aPlaceThatDoesNotExistYetIsNoMistake() async throws {
        try await withTemporaryFolder { folder in
            let catalog = Catalog(store: FileStore(root: folder.path + "/new"))
            let listing = try await catalog.listing(of: "demo")
            #expect(listing.ids.isEmpty)
        }
    }
}
