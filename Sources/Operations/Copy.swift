// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Logging
import ObjectStorage
import RDB
import Synchronization

/// Copies backup sets from one store to another, unchanged: the same keys, the same bytes, the same manifest. Or, where
/// it is asked for, encrypted anew: then what is stored differs, and what is in it is the same.
///
/// The promise: a set that the target lists restores. Every byte is proven on its way, the manifest comes last, and a
/// set that is damaged in the source never becomes visible in the target.
package struct Copy: Sendable {
    let source: Catalog
    let target: Catalog
    /// How closely each snapshot is read on its way; as closely as it was proven before when it is not said.
    let level: RDBLevel?
    /// For whom the copies are encrypted; as they are in the source when it says nothing.
    let encryption: EncryptionChoice
    /// What manifests are signed with that are not those of the source.
    let signingKey: SigningKey?
    /// What says that sets are to be encrypted, though not by this copy; nothing where any may be copied as it is.
    private let refusingPlainFor: [String]
    let meter: ProgressMeter
    let logger: Logger
    private let runID: String
    private let timing: LeaseTiming

    /// - Parameters:
    ///   - refusingPlainFor: variables of the environment that say whom backups are encrypted for: then a set that is
    ///     not encrypted is refused, and not sent to where only encrypted ones are expected.
    ///   - runID: random, new for each run.
    package init(
        from source: Catalog,
        to target: Catalog,
        at level: RDBLevel?,
        encrypting encryption: EncryptionChoice = .none,
        signingWith signingKey: SigningKey? = nil,
        refusingPlainFor: [String] = [],
        runID: String,
        timing: LeaseTiming = LeaseTiming(),
        meter: ProgressMeter,
        logger: Logger
    ) {
        self.source = source
        self.target = target
        self.level = level
        self.encryption = encryption
        self.signingKey = signingKey
        self.refusingPlainFor = refusingPlainFor
        self.runID = runID
        self.timing = timing
        self.meter = meter
        self.logger = logger
    }

    /// Copies the sets that are meant, and says what became of each, in the order in which they were copied.
    ///
    /// One that is damaged, or that the target holds another of, does not keep the others from being copied.
    /// - Throws: `.noSuchBackup`, `.corruptManifest` and `.usage` of the choice; `.usage` when both stores are one.
    package func run(_ choice: CopyChoice, name: String?) async throws -> [CopiedSet] {
        // Which sets are meant, oldest first.
        let entries = try await choice.entries(in: source, name: name)
        var done: [CopiedSet] = []
        for sets in entries.bySubject {
            // What stops one set at a store that is full, or away, stops them all.
            if let failure = done.compactMap(\.failure).first(where: \.code.stopsTheCopy) {
                logger.error("\(sets.count) sets of \(sets[0].name) are not tried: \(failure)")
                done += sets.map { CopiedSet($0, .notTried) }
            } else {
                done += try await copy(sets, of: sets[0].name)
            }
        }
        return done
    }

    /// What `run` would do, by what both stores hold now.
    package func plan(_ choice: CopyChoice, name: String?) async throws -> [CopiedSet] {
        var planned: [CopiedSet] = []
        for entry in try await choice.entries(in: source, name: name) {
            do {
                let set = try await StoredSet(entry, in: source)
                let isThere = try await target.holds(set, as: encryption)
                if !isThere { try requireEncrypted(set) }
                planned.append(CopiedSet(entry, isThere ? .present : .wouldCopy))
            } catch let failure as Failure {
                planned.append(CopiedSet(entry, .failed(failure)))
            }
        }
        return planned
    }

    /// Copies sets of one subject.
    private func copy(_ entries: [Catalog.Entry], of name: String) async throws -> [CopiedSet] {
        let lease = Lease(holder: runID, purpose: "copy", process: .current(), acquiredAt: .now())
        let done = Mutex<[CopiedSet]>([])
        let lastWords = Mutex<Failure?>(nil)
        do {
            // Nobody else works on this subject in the target meanwhile.
            try await target.withLease(on: name, as: lease, timing: timing) { held in
                try await requireTwoStores(name)

                // What dead runs left behind goes first, but for what this run can go on with.
                let ids = Set(entries.map(\.id))
                let swept = try await target.removeLeftovers(of: name, keepingMembersOf: ids, logger: logger)
                let history =
                    encryption.isAsked
                    ? nil : try await CopiedHistory(of: name, from: source, to: target, logger: logger)
                for entry in entries {
                    let copied = try await copy(entry, beside: history, under: held) { words in
                        lastWords.withLock { $0 = words }
                    }
                    done.withLock { $0.append(copied) }
                    if copied.failure?.code.stopsTheCopy == true { break }
                }
                await target.removeManifests(ofSwept: swept, name: name, logger: logger)
            }
        } catch {
            // The lease could not be taken, or was lost: then the set that was under way stays unfinished.
            let failure = Failure(wrapping: error, attempting: "copy the backups of \(name)")
            guard !Task.isCancelled, failure.code != .usage else {
                // The end of the lease may be heard before that of the set; the latter says what stays.
                throw lastWords.withLock(\.self) ?? failure
            }
            logger.error("\(failure)")
            let rest = entries.dropFirst(done.withLock(\.count))
            done.withLock { $0 += rest.prefix(1).map { CopiedSet($0, .failed(failure)) } }
        }
        let copied = done.withLock(\.self)
        return copied + entries.dropFirst(copied.count).map { CopiedSet($0, .notTried) }
    }

    /// Copies one set, or finds that it is there.
    /// - Parameter interrupted: told what stays of the set when the run is cancelled.
    /// - Throws: only when the run is cancelled.
    private func copy(
        _ entry: Catalog.Entry,
        beside history: CopiedHistory?,
        under lease: HeldLease,
        interrupted: (Failure) -> Void
    ) async throws -> CopiedSet {
        let begun = ContinuousClock.now
        do {
            // The manifest as the source holds it: what is written at the end is these bytes.
            let set = try await StoredSet(entry, in: source)
            if try await target.holds(set, as: encryption) {
                try await history?.bring(beside: set, isNew: false)
                await history?.forgetRemoval(of: set)
                logger.info("\(set.title) is there already")
                return CopiedSet(entry, .present)
            }
            try requireEncrypted(set)
            // Member by member, each proven before it becomes visible; then the manifest makes the set exist.
            logger.info("copy \(set.title) to \(target.store.location)")
            let amount = try await SetCopy(set, self, beside: history, under: lease).run()
            logger.info("\(set.title): \(ReadableAmount.bytes(amount.sentBytes)) sent, proven")
            let seconds = (ContinuousClock.now - begun) / .seconds(1)
            return CopiedSet(entry, .copied(amount), seconds: seconds)
        } catch {
            let failure = Failure(wrapping: error, attempting: "copy \(entry.title)")
            if failure.code == .interrupted {
                interrupted(failure)
                throw failure
            }
            logger.error("\(entry.title) was not copied: \(failure)")
            return CopiedSet(entry, .failed(failure))
        }
    }

    /// - Throws: `.guardRefused` for a set that is not encrypted, where that is expected of it.
    private func requireEncrypted(_ set: StoredSet) throws {
        guard !refusingPlainFor.isEmpty, !encryption.isAsked,
            let plain = set.manifest.storedMembers.first(where: { $0.stored?.encryption == nil })
        else { return }
        throw Failure(
            .guardRefused,
            "copy \(set.title) to \(target.store.location): \(plain.member) is not encrypted, and "
                + "\(refusingPlainFor.joined(separator: " and ")) is set, which copy does not read",
            hint: "--recipient age1… (or --recipients-file FILE) on the command line encrypts the copy; --as-is copies "
                + "the set as it is."
        )
    }

    /// Two names of one store would make one copy pass for two. Whoever looks into the source, and finds the lease that
    /// was taken in the target, looks into the same store.
    /// - Throws: `.usage`.
    private func requireTwoStores(_ name: String) async throws {
        let seen: SeatedLease?
        do {
            seen = try await StoreLeaseSeat(name: name, in: source.store).read()
        } catch {
            try Task.checkCancellation()
            logger.warning("cannot tell whether both are one store, because .locks cannot be read there: \(error)")
            return
        }
        guard seen?.lease?.holder == runID else { return }
        throw Failure(
            .usage,
            "copy from \(source.store.location) to \(target.store.location): they are one and the same store",
            hint: "Name another store, or another prefix, with --to."
        )
    }
}

extension Failure.Code {
    /// Whether a failure at one set would meet every other one too.
    fileprivate var stopsTheCopy: Bool {
        switch self {
        case .unreachable, .timeout, .storeUnavailable, .noSpace, .noSuchStore, .authenticationFailed: true
        default: false
        }
    }
}

extension [Catalog.Entry] {
    /// The sets of each subject, in the order of the entries.
    fileprivate var bySubject: [[Catalog.Entry]] {
        var subjects: [[Catalog.Entry]] = []
        for entry in self {
            if subjects.last?.last?.name == entry.name {
                subjects[subjects.count - 1].append(entry)
            } else {
                subjects.append([entry])
            }
        }
        return subjects
    }
}
