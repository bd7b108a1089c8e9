// SPDX-License-Identifier: Apache-2.0

import Failures
import Logging
import ObjectStorage

/// What a store shows of a subject, for whoever makes the next set of it: under its lease nobody else does.
package struct SubjectListing: Sendable {
    let name: String
    let keys: [ObjectKey]

    /// The ids under which there are objects, committed or not, in order.
    package var ids: [BackupID] {
        Set(keys.filter { $0.components.count == 3 }.compactMap { BackupID($0.components[1]) }).sorted()
    }
}

extension Catalog {
    /// One listing; a store that does not exist yet shows nothing. Before the first set of a subject it is asked
    /// whether the location is a store: a set below the folder of another subject is found by nobody.
    /// - Throws: `.configuration` when it is the folder of a subject; what the store answers to the listing of the
    ///   subject.
    package func listing(of name: String) async throws -> SubjectListing {
        do {
            let listing = SubjectListing(name: name, keys: try await keys(of: name))
            if listing.keys.isEmpty { try await requireStore() }
            return listing
        } catch let failure as Failure where failure.code == .noSuchStore {
            return SubjectListing(name: name, keys: [])
        }
    }

    /// An id for a new set of a subject: newer than every other. Called under the lease of the subject.
    package func newID(for name: String, logger: Logger) async throws -> BackupID {
        Self.newID(after: try await listing(of: name).ids, logger: logger)
    }
}
