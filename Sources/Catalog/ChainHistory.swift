// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import ObjectStorage

/// What a store holds of the history of a subject.
package struct ChainHistory: Sendable {
    /// Oldest first.
    package var sets: [ChainedSet]
    package var removals: [ChainedRemoval]

    package init(sets: [ChainedSet], removals: [ChainedRemoval]) {
        self.sets = sets
        self.removals = removals
    }
}

/// A set, as far as its place in the history goes.
package struct ChainedSet: Sendable {
    package let id: BackupID
    /// The manifest, byte for byte.
    package let bytes: [UInt8]
    /// `nil` when the bytes are no manifest of this set.
    package let manifest: Manifest?
    /// What lies beside the manifest, also signatures of other bytes.
    package let signatures: [StoredSignature]
    /// Why the bytes are no manifest of this set.
    package var trouble: String?
    /// The first member that is not there, or has another size.
    package var missing: String?
    /// Whether a record says that this very set was removed.
    package var wasPruned = false

    package init(id: BackupID, bytes: [UInt8], manifest: Manifest?, signatures: [StoredSignature]) {
        self.id = id
        self.bytes = bytes
        self.manifest = manifest
        self.signatures = signatures
    }

    package var link: Manifest.Link { Manifest.Link(to: id, manifest: bytes) }
}

/// From the newest set back to the oldest, along what each says of the one before. Pure.
package struct ChainWalk {
    package enum Step {
        case set(ChainedSet, Words)
        case pruned(ChainedRemoval)
        /// A set that is neither there nor on record, named by a newer one.
        case missing(Manifest.Link, after: BackupID)
    }

    /// What the rest of the history says of a set.
    package enum Words {
        case newest
        case agrees
        case differs(after: BackupID)
        case detached(String)
    }

    private var waiting: [ChainedSet]
    private let removals: [Manifest.Link: ChainedRemoval]
    private var link: Manifest.Link?
    /// Who said so.
    private var speaker: BackupID?
    private var isStarted = false
    private var isBroken = false

    /// - Parameter rank: of several records of one set, the one with the least counts. Anybody who may write to the
    ///   store may have put another one beside it.
    package init(_ history: ChainHistory, rank: (ChainedRemoval) -> Int) {
        waiting = history.sets.sorted { $0.id < $1.id }
        removals = Dictionary(
            history.removals.map { ($0.record.link, $0) },
            uniquingKeysWith: { first, other in rank(other) < rank(first) ? other : first }
        )
    }

    package mutating func next() -> Step? {
        if let link, waiting.last.map({ $0.id < link.id }) ?? true { return goBack(over: link) }
        guard let set = waiting.popLast() else { return nil }
        defer {
            isStarted = true
            if link.map({ $0.id == set.id }) ?? true { follow(set) }
        }
        guard let link, let speaker else { return .set(set, words(ofUnnamed: set)) }
        guard link.id == set.id else {
            return .set(set, .detached("\(speaker) names \(link.id) as the set before it, and nothing names this one"))
        }
        return .set(set, link == set.link ? .agrees : .differs(after: speaker))
    }

    /// The set that is named is not there.
    private mutating func goBack(over missing: Manifest.Link) -> Step {
        guard let removal = removals[missing] else {
            defer { (link, speaker, isBroken) = (nil, nil, true) }
            return .missing(missing, after: speaker ?? missing.id)
        }
        (link, speaker) = (removal.record.previous, removal.record.backup)
        return .pruned(removal)
    }

    private mutating func follow(_ set: ChainedSet) {
        (link, speaker) = (set.manifest?.previous, set.id)
        if set.manifest == nil { isBroken = true }
        if link == nil { speaker = nil }
    }

    /// Nothing newer names a set before it: it is the newest, or the history begins anew behind it, or is broken there
    /// and that was said. Programs of an earlier version named nothing.
    private mutating func words(ofUnnamed set: ChainedSet) -> Words {
        if !isStarted { return .newest }
        if isBroken {
            isBroken = false
            return .agrees
        }
        let isOfOldProgram = set.manifest?.previous == nil && set.signatures.isEmpty
        return isOfOldProgram ? .agrees : .detached("the set after it names none before itself")
    }
}

extension Catalog {
    /// How many manifests are read at once.
    private static let historyReadsAtOnce = 8

    /// The history of a subject: one listing, every manifest, and the records of removals.
    /// - Parameter countsRemoval: of which sets the record of a removal is asked for.
    /// - Throws: what the store answers; nothing is left out.
    package func history(
        of name: String,
        countsRemoval: (BackupID) -> Bool = { _ in true }
    ) async throws -> ChainHistory {
        let objects = try await store.list(under: KeyFolder([name]))
        let sizes = Dictionary(objects.map { ($0.key.description, $0.bytes) }, uniquingKeysWith: { first, _ in first })
        let ids = objects.map(\.key).filter(Self.isManifest).compactMap { BackupID($0.components[1]) }
        let signed = SignatureIndex(objects.lazy.map(\.key))
        let sets = try await withThrowingTaskGroup(of: ChainedSet?.self) { group in
            var waiting = ids.makeIterator()
            var sets: [ChainedSet] = []
            func startNext() {
                guard let id = waiting.next() else { return }
                group.addTask { try await chainedSet(name, id, sizes, signed) }
            }
            for _ in 0..<Self.historyReadsAtOnce { startNext() }
            while let set = try await group.next() {
                if let set { sets.append(set) }
                startNext()
            }
            return sets
        }
        // After the manifests: what goes meanwhile is on record before it goes.
        let removals = try await removalRecords(of: name, where: countsRemoval)
        let pruned = Set(removals.lazy.filter { !$0.isFromElsewhere }.map(\.record.link))
        let marked = sets.sorted { $0.id < $1.id }.map { set in
            var set = set
            set.wasPruned = pruned.contains(set.link)
            return set
        }
        return ChainHistory(sets: marked, removals: removals)
    }

    private func chainedSet(
        _ name: String,
        _ id: BackupID,
        _ sizes: [String: Int64],
        _ signed: SignatureIndex
    ) async throws -> ChainedSet? {
        guard let bytes = try await manifestBytes(name: name, id: id) else { return nil }
        var trouble: String?
        var decoded: Manifest?
        do {
            let manifest = try Manifest(decoding: bytes)
            decoded = manifest.name == name && manifest.id == id ? manifest : nil
            if decoded == nil { trouble = "its manifest says that it is \(manifest.name)/\(manifest.id)" }
        } catch let failure as Failure {
            trouble = failure.message
        }
        var signatures = try await signatures(name: name, id: id, manifest: bytes, among: signed)
        // A signature under another name is one of another manifest: it is there, and does not fit.
        if signatures.isEmpty, let other = signed.any(in: [name, id.text]) {
            signatures = [StoredSignature(key: other, bytes: [], claimedBy: nil)]
        }
        var set = ChainedSet(id: id, bytes: bytes, manifest: decoded, signatures: signatures)
        set.trouble = trouble
        // Members of a set that was written meanwhile may be newer than the listing.
        if let decoded { set.missing = try await missingMember(of: decoded, besides: sizes) }
        return set
    }
}
