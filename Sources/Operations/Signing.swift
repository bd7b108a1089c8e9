// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Logging
import ObjectStorage

/// Signs sets that are in a store already: those that were taken without a key, or anew with another one.
///
/// A signature says that what the manifest says is to be believed; so nothing is signed whose members are not what it
/// says, by their SHA-256.
package struct Signing: Sendable {
    /// What is asked of a run that signs.
    package struct Request: Sendable {
        package var key: SigningKey
        /// Where there are any: only what one of them signed is signed.
        package var signedBefore: [VerificationKey] = []
        /// Whether the members are left unread.
        package var leavesUnread = false
        /// Whether records of removals are signed that nobody signed.
        package var takesRemovals = false
        /// Random, new for each run.
        package var runID: String

        package init(key: SigningKey, runID: String) {
            self.key = key
            self.runID = runID
        }
    }

    private let catalog: Catalog
    private let request: Request
    private let timing: LeaseTiming
    private let meter: ProgressMeter
    private let logger: Logger

    package init(
        _ request: Request,
        in catalog: Catalog,
        timing: LeaseTiming = LeaseTiming(),
        meter: ProgressMeter,
        logger: Logger
    ) {
        self.request = request
        self.catalog = catalog
        self.timing = timing
        self.meter = meter
        self.logger = logger
    }

    /// Signs one set.
    /// - Throws: `.noSuchBackup`, `.corruptManifest`, `.usage` of the choice; only when the run is cancelled otherwise.
    package func run(_ reference: BackupReference, name: String?) async throws -> SigningOutcome {
        let manifest = try await catalog.require(reference, name: name)
        return SigningOutcome(sets: [try await sign(manifest.name, manifest.id)])
    }

    /// Signs every set of a subject, or of all, and the records of what was removed.
    /// - Throws: what the store answers to the listings; only when the run is cancelled otherwise.
    package func runAll(of name: String?) async throws -> SigningOutcome {
        var outcome = SigningOutcome(sets: [])
        let sets = try await catalog.listedSets(of: name)
        guard !sets.isEmpty else {
            throw Failure(
                .noSuchBackup,
                "find backups\(name.map { " of \($0)" } ?? "") in \(catalog.store.location): there is none to sign",
                hint: "`redoubt list --from \(catalog.store.location)` shows every backup of the store."
            )
        }
        for set in sets { outcome.sets.append(try await sign(set.name, set.id)) }
        for name in Set(sets.map(\.name)).sorted() {
            do {
                try await signRemovals(of: name, &outcome)
            } catch {
                try note(error, "sign the records of removals of \(name)", &outcome)
            }
        }
        return outcome
    }

    /// - Throws: only when the run is cancelled.
    private func sign(_ name: String, _ id: BackupID) async throws -> SigningOutcome.SignedSet {
        do {
            let (manifest, bytes) = try await catalog.storedManifest(name: name, id: id)
            let found = try await catalog.signatures(name: name, id: id, manifest: bytes)
            if !found.signers(of: bytes, among: [request.key.verificationKey]).isEmpty {
                return .init(name: name, id: id, outcome: .present)
            }
            try requireSignedBefore("\(name)/\(id)", found.signers(of: bytes, among: request.signedBefore))

            // What is signed is what is stored. Reading takes long, and keeps no backup waiting.
            if !request.leavesUnread { try await requireSound(manifest) }

            // Nothing that prune is about to remove, nor what is another set by now.
            let lease = Lease(holder: request.runID, purpose: "sign", process: .current(), acquiredAt: .now())
            try await catalog.withLease(on: name, as: lease, timing: timing) { held in
                guard try await catalog.storedManifest(name: name, id: id).bytes == bytes else {
                    throw Failure(.corruptManifest, "sign \(name)/\(id): its manifest was changed meanwhile")
                }
                try await held.confirm()
                try await catalog.write(request.key.signature(ofManifest: bytes, name: name, id: id))
            }
            logger.info("signed \(name)/\(id)")
            return .init(name: name, id: id, outcome: .signed)
        } catch {
            let failure = Failure(wrapping: error, attempting: "sign \(name)/\(id)")
            if Task.isCancelled { throw failure }
            logger.error("\(name)/\(id) is not signed: \(failure)")
            return .init(name: name, id: id, outcome: .failed(failure))
        }
    }

    private func requireSignedBefore(_ title: String, _ signers: [VerificationKey]) throws {
        guard !request.signedBefore.isEmpty, signers.isEmpty else { return }
        throw Failure(
            .guardRefused,
            "sign \(title): none of the keys that were given has signed it",
            hint: "Find out whose it is. Without --public-key it is signed whoever signed it before."
        )
    }

    private func requireSound(_ manifest: Manifest) async throws {
        let verify = Verify(catalog, isStoredOnly: true, meter: meter, logger: logger)
        let failures = try await verify.run(manifest).compactMap(\.failure)
        guard let failure = failures.first(where: \.code.isOfContent) ?? failures.first else { return }
        throw Failure(
            failure.code,
            "sign \(manifest.name)/\(manifest.id): \(failures.count) of its members are not what the manifest says",
            cause: failure,
            hint: "Nothing is signed that is damaged. --unread signs the manifest alone."
        )
    }

    /// That somebody removed a set, and says that it was a rule, can be put on record by whoever may write to the
    /// store: so a record is signed only where it was signed before, or where its owner says that it is lawful.
    private func signRemovals(of name: String, _ outcome: inout SigningOutcome) async throws {
        for removal in try await catalog.removalRecords(of: name) {
            if !removal.signers(among: [request.key.verificationKey]).isEmpty { continue }
            guard request.takesRemovals || !removal.signers(among: request.signedBefore).isEmpty else {
                outcome.removalsLeft += 1
                continue
            }
            do {
                try await catalog.sign(removal, with: request.key)
                outcome.removalsSigned += 1
            } catch {
                try note(error, "sign \(removal.key)", &outcome)
            }
        }
    }

    /// - Throws: only when the run is cancelled.
    private func note(_ error: any Error, _ attempt: String, _ outcome: inout SigningOutcome) throws {
        let failure = Failure(wrapping: error, attempting: attempt)
        if Task.isCancelled { throw failure }
        logger.error("\(failure)")
        outcome.removalFailures.append(failure)
    }
}

/// What became of what was to be signed.
package struct SigningOutcome: Sendable {
    package struct SignedSet: Sendable {
        package enum Outcome: Sendable {
            case signed
            /// That key has signed it already.
            case present
            case failed(Failure)
        }

        package let name: String
        package let id: BackupID
        package let outcome: Outcome

        package var failure: Failure? { if case .failed(let failure) = outcome { failure } else { nil } }
    }

    package var sets: [SignedSet]
    /// Records of removals that were signed, and those that stay without.
    package var removalsSigned = 0
    package var removalsLeft = 0
    /// Of records that could not be signed, or of a subject whose records could not be listed.
    package var removalFailures: [Failure] = []
}
