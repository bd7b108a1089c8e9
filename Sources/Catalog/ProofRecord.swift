// SPDX-License-Identifier: Apache-2.0

import Failures
import ObjectStorage

/// What one verify of a set found: its stored bytes were read again, and held against the manifest. Format 1, specified
/// in docs/backup-format.md; later versions only add fields.
package struct ProofRecord: Sendable, Hashable, NumberedRecord {
    package static let formatNumber = 1
    package static let title = "the record of a proof"

    /// What came of it, for the set as a whole and for each member. The raw values stand in keys too.
    package enum Verdict: String, Sendable, Hashable, Codable, CaseIterable {
        /// Every byte is what the manifest says.
        case proven
        /// The stored bytes are those that were stored; what is in them was not read.
        case stored
        /// The store holds something else.
        case different
        /// It could not be found out.
        case failed
    }

    package var format: Int
    /// Of the verify itself, in the form of an id of a set.
    package var id: BackupID
    /// The subject, and the set of it.
    package var name: String
    package var backup: BackupID
    package var startedAt: Timestamp
    package var finishedAt: Timestamp
    package var tool: Manifest.Tool
    /// The location of the store, without credentials.
    package var store: String
    /// The machine, or pod, on which it ran.
    package var host: String
    /// How closely the snapshots were read: a raw value of `RDBLevel`, or `storedLevel`.
    package var level: String
    package var verdict: Verdict
    package var members: [Member]
    /// Why the set as a whole could not be read: its manifest is damaged.
    package var error: Manifest.Problem?

    package init(
        id: BackupID,
        of manifest: Manifest,
        tool: Manifest.Tool,
        store: String,
        host: String,
        level: String,
        finishedAt: Timestamp,
        members: [Member]
    ) {
        format = Self.formatNumber
        self.id = id
        name = manifest.name
        backup = manifest.id
        startedAt = id.time
        self.finishedAt = finishedAt
        self.tool = tool
        self.store = store
        self.host = host
        self.level = level
        verdict = Self.verdict(of: members)
        self.members = members
    }

    /// A set whose manifest cannot be read.
    package init(
        id: BackupID,
        ofUnreadable backup: BackupID,
        name: String,
        tool: Manifest.Tool,
        store: String,
        host: String,
        level: String,
        verdict: Verdict,
        error: Manifest.Problem
    ) {
        format = Self.formatNumber
        self.id = id
        self.name = name
        self.backup = backup
        startedAt = id.time
        finishedAt = id.time
        self.tool = tool
        self.store = store
        self.host = host
        self.level = level
        self.verdict = verdict
        members = []
        self.error = error
    }

    /// Bytes that are wrong must not hide behind a store that did not answer.
    private static func verdict(of members: [Member]) -> Verdict {
        if members.contains(where: { $0.verdict == .different }) { return .different }
        if members.isEmpty || members.contains(where: { $0.verdict == .failed }) { return .failed }
        return members.contains { $0.verdict == .stored } ? .stored : .proven
    }

    /// Where the objects alone were read, and not what is in them.
    package static let storedLevel = "stored"

    package struct Member: Sendable, Hashable, Codable {
        package var member: String
        package var verdict: Verdict
        /// Bytes of the snapshot, and of the object in the store.
        package var bytes: Int64
        package var storedBytes: Int64
        /// How long reading took, in seconds.
        package var seconds: Double
        /// What the dataset says, where it was read at level content.
        package var contentDigest: String?
        package var error: Manifest.Problem?

        package init(
            of member: Manifest.Member,
            verdict: Verdict,
            seconds: Double,
            contentDigest: String? = nil,
            error: Manifest.Problem? = nil
        ) {
            self.member = member.member
            self.verdict = verdict
            bytes = member.rdb?.bytes ?? 0
            storedBytes = member.stored?.bytes ?? 0
            self.seconds = seconds
            self.contentDigest = contentDigest
            self.error = error
        }
    }
}

// MARK: - In the store

extension ProofRecord {
    /// Beside the sets and not among them, as the records of drills.
    package static let folderName = ".proofs"
    /// The largest record that is read, in bytes.
    static let sizeBytesMax = 4 << 20

    package func validate() throws {
        guard members.allSatisfy(\.isPlausible) else { throw Self.broken("a number in it cannot be one") }
    }

    /// What its key tells.
    package var note: ProofNote {
        let isShallow = level == Self.storedLevel
        return ProofNote(name: name, backup: backup, id: id, verdict: verdict, isShallow: isShallow)
    }
}

extension ProofRecord.Member {
    /// A pebibyte and a year: what is beyond would be added up as if it were a number.
    fileprivate var isPlausible: Bool {
        (0...(1 << 50)).contains(bytes) && (0...(1 << 50)).contains(storedBytes)
            && (0...366.0 * 86400).contains(seconds)
    }
}

/// What the key of a record tells by itself: which set, when, and what was found. Ten thousand sets are told apart by
/// one listing, without reading anything.
///
///     .proofs/<name>/<id of the set>/<id of the verify>.<verdict>.json
///     .proofs/<name>/<id of the set>/<id of the verify>.failed-stored.json
///
/// The latter failed at a look at the stored bytes alone. A key without it may be of such a look too, of an earlier
/// version.
package struct ProofNote: Sendable, Hashable {
    package let name: String
    package let backup: BackupID
    /// Of the verify.
    package let id: BackupID
    package let verdict: ProofRecord.Verdict
    /// Whether it looked at the stored bytes alone, and found nothing wrong with them.
    package let isShallow: Bool

    private static let suffix = ".json"
    private static let shallowFailure = "failed-stored"

    package init(
        name: String,
        backup: BackupID,
        id: BackupID,
        verdict: ProofRecord.Verdict,
        isShallow: Bool = false
    ) {
        self.name = name
        self.backup = backup
        self.id = id
        self.verdict = verdict
        // What is wrong with the stored bytes is wrong with what is in them.
        self.isShallow = verdict == .stored || (verdict == .failed && isShallow)
    }

    /// Whether it is the key of that record, whichever version wrote it.
    func fits(_ record: ProofRecord) -> Bool {
        (name, backup, id, verdict) == (record.name, record.backup, record.id, record.verdict)
    }

    /// `nil` for a key that is none of a record.
    init?(_ key: ObjectKey) {
        guard key.components.count == 4, key.components[0] == ProofRecord.folderName,
            let backup = BackupID(key.components[2]), key.components[3].hasSuffix(Self.suffix)
        else { return nil }
        let parts = key.components[3].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let isShallow = parts.count == 3 && parts[1] == Self.shallowFailure
        guard parts.count == 3, let id = BackupID(parts[0]),
            let verdict = isShallow ? .failed : ProofRecord.Verdict(rawValue: parts[1])
        else { return nil }
        self.init(name: key.components[1], backup: backup, id: id, verdict: verdict, isShallow: isShallow)
    }

    var key: ObjectKey {
        get throws {
            let word = verdict == .failed && isShallow ? Self.shallowFailure : verdict.rawValue
            let file = "\(id.text).\(word)\(Self.suffix)"
            return try ObjectKey([ProofRecord.folderName, name, backup.text, file])
        }
    }

    /// When the verify began, by the clock of the machine it ran on.
    package var time: Timestamp { id.time }
}

/// Which set was examined when, for a subject or for all.
package struct ProofLedger: Sendable {
    /// A set by its subject and id.
    private struct Place: Hashable {
        let name: String
        let backup: BackupID
    }

    /// What is on record of one set.
    package struct History: Sendable, Hashable {
        /// The newest attempt, whatever came of it.
        package fileprivate(set) var tried: ProofNote
        /// The newest attempt that looked further than at the stored bytes, as far as that is known.
        package fileprivate(set) var triedDeeply: ProofNote?
        /// The newest that found every byte right.
        package fileprivate(set) var proven: ProofNote?
        /// The newest that found the stored bytes right, and looked no further.
        package fileprivate(set) var stored: ProofNote?
        /// The newest that found something out. What looked less closely than the one that found it different is never
        /// on record as a finding (`Verify.keep`).
        package fileprivate(set) var found: ProofNote?

        fileprivate init(_ note: ProofNote) {
            tried = note
            add(note)
        }

        fileprivate mutating func add(_ note: ProofNote) {
            if note.id > tried.id { tried = note }
            if !note.isShallow { Self.advance(&triedDeeply, to: note) }
            if note.verdict != .failed { Self.advance(&found, to: note) }
            if note.verdict == .proven { Self.advance(&proven, to: note) }
            if note.verdict == .stored { Self.advance(&stored, to: note) }
        }

        private static func advance(_ newest: inout ProofNote?, to note: ProofNote) {
            if note.id >= newest?.id ?? note.id { newest = note }
        }

        /// Whether the last that is known of the set is that its bytes are wrong.
        package var isDifferent: Bool { found?.verdict == .different }
    }

    private var histories: [Place: History] = [:]
    /// Every set of which there is a record.
    package var sets: [(name: String, id: BackupID)] { histories.keys.map { ($0.name, $0.backup) } }
    /// Records that are dated later than this clock allows, and are not believed.
    package private(set) var fromTheFuture: [ProofNote] = []

    package init(_ notes: [ProofNote], now: Timestamp = .now()) {
        for note in notes {
            guard note.time.isReached(by: now) else {
                fromTheFuture.append(note)
                continue
            }
            histories[Place(name: note.name, backup: note.backup), default: History(note)].add(note)
        }
    }

    /// `nil` when the set was never verified since it was made.
    package subscript(name: String, backup: BackupID) -> History? {
        histories[Place(name: name, backup: backup)]
    }

    /// The newest proof of any set of a subject, also of one that is gone by now.
    package func newestProof(of name: String) -> ProofNote? {
        histories.values.compactMap(\.proven).filter { $0.name == name }.max { $0.id < $1.id }
    }
}
