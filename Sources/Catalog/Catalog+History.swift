// SPDX-License-Identifier: Apache-2.0

import Failures
import ObjectStorage

extension Catalog {
    /// Every set of a subject, or of all, with what decides whether it is kept; by subject, oldest first. Complete, or
    /// it throws.
    /// - Throws: `.noSuchStore`, and what the store answers to any of the listings.
    package func histories(of name: String?, now: Timestamp) async throws -> [String: [RetainableSet]] {
        // A listing of the whole store shows the pins too; each is asked for again before its set goes.
        let named = if let name { try await pins(of: name) } else { [String: Set<BackupID>]?.none }
        let objects = try await store.list(under: name.map { try KeyFolder([$0]) } ?? .root)
        let pins = named ?? Self.pins(among: objects.map(\.key))
        let sizes = Dictionary(objects.map { ($0.key.description, $0.bytes) }, uniquingKeysWith: { first, _ in first })
        let written = objects.filter { Self.isManifest($0.key) }
        let writtenAt = Dictionary(
            written.map { ($0.key, Timestamp(secondsSince1970: $0.modifiedAtSeconds)) },
            uniquingKeysWith: { first, _ in first }
        )
        let signed = Set(objects.map(\.key).filter(\.isSignature).map { $0.components.dropLast() })
        var histories: [String: [RetainableSet]] = [:]
        for entry in try await entries(among: written.map(\.key)) {
            let key = try Self.manifestKey(name: entry.name, id: entry.id)
            guard let writtenAt = writtenAt[key] else { continue }
            var set = RetainableSet(entry, writtenAt: writtenAt, now: now)
            if case .complete(let manifest) = entry,
                let missing = try await missingMember(of: manifest, besides: sizes)
            {
                set.damage = .incomplete
                set.missing = ObjectKey(parsing: missing)?.components.last
            }
            set.isPinned = pins[entry.name]?.contains(entry.id) == true
            set.isSigned = signed.contains(key.components.dropLast())
            histories[entry.name, default: []].append(set)
        }
        for (name, sets) in histories {
            let disproven = try await disproven(of: name, among: Set(sets.map(\.id)), now: now)
            histories[name] = sets.map { set in
                var set = set
                set.isDisproven = disproven.contains(set.id)
                return set
            }
        }
        return histories
    }

    /// The sets that a drill or a verification found to be something else than they should be, by the newest record of
    /// each kind that came to a verdict: one that could not find out takes nothing back, and neither kind answers for
    /// the other, because a verification reads bytes and a drill what a server makes of them.
    private func disproven(of name: String, among ids: Set<BackupID>, now: Timestamp) async throws -> Set<BackupID> {
        let ledger = ProofLedger(try await proofNotes(of: name), now: now)
        let verified = ledger.sets.map(\.id).filter { ledger[name, $0]?.isDifferent == true }
        return try await disprovenByDrills(of: name, among: ids, now: now).union(verified)
    }

    /// The sets that drills found to be something else, by the last word on each of their members: a drill of one says
    /// nothing of the others. What is dated later than `now` is not believed.
    /// - Throws: what the store answers. A record that cannot be read proves nothing.
    package func disprovenByDrills(
        of name: String,
        among ids: Set<BackupID>,
        now: Timestamp
    ) async throws -> Set<BackupID> {
        var bySet: [BackupID: [(id: BackupID, key: ObjectKey)]] = [:]
        for drill in try await drillKeys(of: name) where drill.id.time.isReached(by: now) {
            if let set = BackupID(drill.key.components[2]), ids.contains(set) { bySet[set, default: []].append(drill) }
        }
        var waiting = bySet.map { ($0, $1.sorted { $0.id > $1.id }.map(\.key)) }[...]
        return try await withThrowingTaskGroup(of: (BackupID, Bool).self) { group in
            func startNext() {
                guard let (set, keys) = waiting.popFirst() else { return }
                group.addTask { (set, try await isDifferent(set, of: name, byNewestOf: keys)) }
            }
            for _ in 0..<Self.drillsReadAtOnce { startNext() }
            var disproven: Set<BackupID> = []
            while let (set, isDifferent) = try await group.next() {
                if isDifferent { disproven.insert(set) }
                startNext()
            }
            return disproven
        }
    }

    private static let drillsReadAtOnce = 8

    private func isDifferent(_ set: BackupID, of name: String, byNewestOf keys: [ObjectKey]) async throws -> Bool {
        var settled: Set<String> = []
        for key in keys {
            guard let record = try await drill(at: key), record.name == name, record.backup == set else { continue }
            for member in record.members where member.verdict != .failed && settled.insert(member.member).inserted {
                if member.verdict == .different { return true }
            }
            if settled.isSuperset(of: record.members.map(\.member) + record.omitted) { return false }
        }
        return false
    }
}

extension RetainableSet {
    fileprivate init(_ entry: Catalog.Entry, writtenAt: Timestamp, now: Timestamp) {
        switch entry {
        case .complete(let manifest):
            self.init(manifest, writtenAt: writtenAt, now: now)
        case .damaged(let name, let id, let failure):
            self.init(
                name: name,
                id: id,
                takenAt: Self.takenAt(id: id.time, start: id.time, written: writtenAt, now: now),
                writtenAt: writtenAt
            )
            damage = failure.code == .unsupported ? .unreadable : .damaged
        }
    }
}
