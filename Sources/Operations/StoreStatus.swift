// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Logging
import ObjectStorage

/// Says of each subject of a store whether there is a backup that is fresh, proven and drilled.
///
/// Three listings, the manifests of the last sets of each subject, and the records of drills of the sets that are
/// there: nothing else is read.
package struct StoreStatus: Sendable {
    private let request: StatusRequest
    private let catalog: Catalog
    private let logger: Logger
    private let now: Timestamp

    /// - Parameter now: the time that ages are counted to.
    package init(_ request: StatusRequest, of catalog: Catalog, logger: Logger, now: Timestamp = .now()) {
        self.request = request
        self.catalog = catalog
        self.logger = logger
        self.now = now
    }

    /// How many sets are looked at, and how many before the newest make up what is usual.
    private static let historyMax = 14
    private static let usualMax = 7
    private static let drillsMax = 5

    /// One status for each subject, in the order of names; of a subject that was named also when it has no backup.
    /// - Throws: what the store answers. That something is not as it should be is a result.
    package func run() async throws -> [SubjectStatus] {
        let sets = try await listedSets()
        let ledger = ProofLedger(try await notes(), now: now)
        var names = Set(sets.map(\.name))
        if let name = request.name { names.insert(name) }
        var statuses: [SubjectStatus] = []
        for name in names.sorted() {
            statuses.append(try await status(of: name, sets.filter { $0.name == name }, ledger))
        }
        return statuses
    }

    private func listedSets() async throws -> [ListedSet] {
        try await catalog.listedSets(of: request.name)
    }

    /// A store that does not let us look for records still tells what it holds.
    private func notes() async throws -> [ProofNote] {
        do {
            return try await catalog.proofNotes(of: request.name)
        } catch let failure as Failure where failure.code == .permissionDenied {
            logger.warning("could not look for records of proofs: \(failure)")
            return []
        }
    }

    private func status(of name: String, _ sets: [ListedSet], _ ledger: ProofLedger) async throws -> SubjectStatus {
        var status = SubjectStatus(name, now: now)
        status.sets = sets.count
        (status.oldest, status.newest) = (sets.first?.id, sets.last?.id)

        // The last sets, and which of them counts.
        try await read(sets, into: &status)
        choose(&status)

        // What was proven since, and drilled.
        for set in sets {
            guard let history = ledger[name, set.id] else { continue }
            if history.isDifferent, !status.corruptSets.contains(set.id) {
                status.corruptSets.append(set.id)
                status.problems.append(.init(.corrupt, "\(set.id): verify found that it is corrupt"))
            }
            guard let proven = history.proven else { continue }
            status.verifiedSets += 1
            if proven.id >= status.verified?.id ?? proven.id { status.verified = proven }
        }
        let drills = try await drills(of: name, sets)
        status.lastDrill = drills.records.last
        status.drilled = drills.records.last { $0.verdict == .proven }
        for set in drills.disproven.sorted() {
            if !status.corruptSets.contains(set) { status.corruptSets.append(set) }
            status.problems.append(.init(.corrupt, "the drill of \(set) found other content than was backed up"))
        }

        judge(&status)
        return status
    }

    private func read(_ sets: [ListedSet], into status: inout SubjectStatus) async throws {
        for set in sets.suffix(Self.historyMax) {
            do {
                let manifest = try await catalog.manifest(name: set.name, id: set.id)
                if set.id == sets.last?.id, let missing = try await catalog.missingMember(of: manifest) {
                    status.corruptSets.append(set.id)
                    status.problems.append(.init(.corrupt, "\(set.id): \(missing) is not there as its manifest says"))
                    continue
                }
                status.history.append(.init(manifest))
            } catch let failure as Failure where [.corruptManifest, .unsupported].contains(failure.code) {
                status.corruptSets.append(set.id)
                status.problems.append(.init(.corrupt, "\(set.id): \(failure.message)"))
            } catch let failure as Failure where failure.code == .noSuchBackup {
                continue
            }
        }
    }

    /// A set that is dated later than now would stay fresh for as long: it is not believed.
    private func choose(_ status: inout SubjectStatus) {
        let believed = status.history.filter { $0.startedAt.isReached(by: now) }
        for point in status.history where !point.startedAt.isReached(by: now) {
            status.warnings.append("\(point.id) is dated \(point.startedAt), which this clock (\(now)) has not reached")
        }
        let counting = believed.filter { request.acceptsPartial || !$0.isPartial }
        status.counted = counting.last
        status.usual = DatasetExtent.median(of: counting.dropLast().suffix(Self.usualMax).map(\.extent))
        if let newest = believed.last, newest.isPartial {
            let failed = "\(newest.id) is partial: some members failed"
            status.warnings.append(request.acceptsPartial ? failed : "\(failed); --accept-partial counts it")
        }
    }

    /// The last drills of a subject, and which of its sets drills found to be something else.
    private func drills(
        of name: String,
        _ sets: [ListedSet]
    ) async throws -> (records: [DrillRecord], disproven: Set<BackupID>) {
        do {
            let records = try await catalog.drills(of: name, limit: Self.drillsMax)
                .filter { $0.startedAt.isReached(by: now) }
            let ids = Set(sets.map(\.id))
            return (records, try await catalog.disprovenByDrills(of: name, among: ids, now: now))
        } catch let failure as Failure where failure.code == .permissionDenied {
            logger.warning("could not look for drills of \(name): \(failure)")
            return ([], [])
        }
    }
}

// MARK: - The verdict

extension StoreStatus {
    private func judge(_ status: inout SubjectStatus) {
        guard status.sets > 0 else {
            status.problems.append(.init(.absent, "there is no backup in \(catalog.store.location)"))
            return
        }
        // Of a set that is gone by now, the last word still counts.
        if let drill = status.lastDrill, drill.verdict == .different, !status.corruptSets.contains(drill.backup) {
            let text = "the drill of \(drill.backup) found other content than was backed up"
            status.problems.append(.init(.corrupt, text))
        }
        guard let counted = status.counted else {
            let count = status.history.count
            status.problems.append(.init(.partial, "none of the last \(count) backups is complete (--accept-partial)"))
            return
        }
        let age = status.age(of: counted.startedAt)
        if let limit = request.ageMax, age > limit {
            status.problems.append(
                .init(.stale, "the newest is \(Self.span(age)) old, --max-age is \(Self.span(limit))")
            )
        }
        judgeProofs(&status)
        judgeSize(of: counted, &status)
    }

    private func judgeProofs(_ status: inout SubjectStatus) {
        if let limit = request.verifyAgeMax {
            let age = status.verified.map { status.age(of: $0.time) }
            if age ?? .max > limit {
                let found =
                    age.map { "the last proof is \(Self.span($0)) old" } ?? "none was verified since it was made"
                status.problems.append(.init(.unverified, "\(found), --max-verify-age is \(Self.span(limit))"))
            }
        }
        if let limit = request.drillAgeMax {
            let age = status.drilled.map { status.age(of: $0.startedAt) }
            if age ?? .max > limit {
                let found = age.map { "the last good drill is \(Self.span($0)) old" } ?? "there was no good drill"
                status.problems.append(.init(.undrilled, "\(found), --max-drill-age is \(Self.span(limit))"))
            }
        }
    }

    /// Types with fewer keys than this come and go.
    private static let typeKeysMin: UInt64 = 100

    private func judgeSize(of point: SubjectStatus.Point, _ status: inout SubjectStatus) {
        let extent = point.extent
        if let least = request.keysMin, extent.keys < least {
            status.problems.append(.init(.small, "\(extent.keys) keys in \(point.id), --min-keys is \(least)"))
        }
        guard let limit = request.shrinkMax, let usual = status.usual else { return }
        func compare(_ what: String, _ found: Double, _ usual: Double, _ text: (Double) -> String) {
            guard usual > 0, found < usual * (1 - limit) else { return }
            let percent = Int((100 * (1 - found / usual)).rounded(.down))
            status.problems.append(
                .init(.shrunk, "\(what): \(text(found)), \(percent)% less than the usual \(text(usual)) (--max-shrink)")
            )
        }
        compare("keys", Double(extent.keys), Double(usual.keys)) { ReadableAmount.count(Self.whole($0)) }
        compare("bytes", Double(extent.rawBytes), Double(usual.rawBytes)) { ReadableAmount.bytes(Int64($0)) }
        for (type, count) in usual.types.sorted(by: { $0.key < $1.key }) where count >= Self.typeKeysMin {
            compare("keys of type \(type)", Double(extent.types[type] ?? 0), Double(count)) {
                ReadableAmount.count(Self.whole($0))
            }
        }
    }

    /// A manifest may say any number.
    private static func whole(_ number: Double) -> UInt64 { UInt64(exactly: number.rounded()) ?? .max }

    private static func span(_ seconds: Int64) -> String { ReadableAmount.age(seconds) }
}

extension ReadableAmount {
    /// `45 s`, `12 min`, `26 h`, `9 days`.
    package static func age(_ seconds: Int64) -> String { SpokenTime.age(seconds) }
}
