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
            if case .complete(let manifest) = entry, try await missingMember(of: manifest, besides: sizes) != nil {
                set.damage = .damaged
            }
            set.isPinned = pins[entry.name]?.contains(entry.id) == true
            set.isSigned = signed.contains(key.components.dropLast())
            histories[entry.name, default: []].append(set)
        }
        for (name, sets) in histories {
            let disproven = try await disproven(of: name)
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
    private func disproven(of name: String) async throws -> Set<BackupID> {
        let ledger = try await proofLedger(of: name)
        var disproven = Set(ledger.sets.map(\.id).filter { ledger[name, $0]?.isDifferent == true })
        let keys = try await store.list(under: KeyFolder([DrillRecord.folderName, name])).map(\.key)
        let bySet = Dictionary(grouping: keys.filter { $0.components.count == 4 }) { $0.components[2] }
        var waiting = bySet.compactMap { id, keys in BackupID(id).map { ($0, keys.sorted(by: >)) } }[...]
        try await withThrowingTaskGroup(of: (BackupID, Bool).self) { group in
            func startNext() {
                guard let (id, keys) = waiting.popFirst() else { return }
                group.addTask { (id, try await isDifferent(byNewestOf: keys)) }
            }
            for _ in 0..<Self.drillsReadAtOnce { startNext() }
            while let (id, isDifferent) = try await group.next() {
                if isDifferent { disproven.insert(id) }
                startNext()
            }
        }
        return disproven
    }

    private static let drillsReadAtOnce = 8
    private static let drillBytesMax = 4 << 20

    private func isDifferent(byNewestOf keys: [ObjectKey]) async throws -> Bool {
        for key in keys {
            switch try await drillVerdict(at: key) {
            case .different: return true
            case .proven: return false
            case .failed, nil: continue
            }
        }
        return false
    }

    /// `nil` where it cannot be read: it proves nothing.
    private func drillVerdict(at key: ObjectKey) async throws -> DrillRecord.Verdict? {
        do {
            let bytes = try await store.read(key, bytesMax: Self.drillBytesMax).bytes
            return (try? DrillRecord(decoding: bytes))?.verdict
        } catch let failure as Failure where [.noSuchObject, .unsupported].contains(failure.code) {
            return nil
        }
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
