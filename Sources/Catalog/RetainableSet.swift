// SPDX-License-Identifier: Apache-2.0

/// A set, as far as anybody asks who decides whether it is kept.
package struct RetainableSet: Sendable, Hashable {
    /// What keeps a set from counting as a backup that restores.
    package enum Damage: String, Sendable, Hashable {
        /// Its manifest cannot be read as one.
        case damaged
        /// A member is not there, or not of its size; the others may well restore.
        case incomplete
        /// Its manifest is one of a later program, or too large for this one.
        case unreadable
    }

    package let name: String
    package let id: BackupID
    /// When it was taken: what the rules of a calendar go by.
    package var takenAt: Timestamp
    /// When its manifest was written, by the clock of the store.
    package var writtenAt: Timestamp
    /// Whether a member that was asked for is missing from it.
    package var isPartial = false
    /// Whether a drill, or a verification, found something else in it than its manifest says.
    package var isDisproven = false
    package var damage: Damage?
    /// The first member that is not there, or not of its size: the name of its file.
    package var missing: String?
    package var isPinned = false
    /// Whether a signature lies beside its manifest.
    package var isSigned = false
    package var tags: Set<String> = []
    /// What the store holds of its members, in bytes; `nil` where its manifest does not say.
    package var storedBytes: Int64?

    package init(name: String, id: BackupID, takenAt: Timestamp, writtenAt: Timestamp) {
        self.name = name
        self.id = id
        self.takenAt = takenAt
        self.writtenAt = writtenAt
    }

    package init(_ manifest: Manifest, writtenAt: Timestamp, now: Timestamp) {
        self.init(
            name: manifest.name,
            id: manifest.id,
            takenAt: Self.takenAt(id: manifest.id.time, start: manifest.startedAt, written: writtenAt, now: now),
            writtenAt: writtenAt
        )
        isPartial = manifest.isPartial
        tags = Set(manifest.tags ?? [])
        storedBytes = manifest.storedBytes
    }

    /// Whether it counts as one backup of those that a rule keeps.
    var counts: Bool { damage == nil && !isDisproven }

    /// Whether it is younger than a grace period: by the clock of the store or by its id, whichever makes it younger.
    /// An id of the future says nothing about its age.
    func isYoung(graceSeconds: Int64, now: Timestamp) -> Bool {
        let limit = now.secondsSince1970 - graceSeconds
        return writtenAt.secondsSince1970 > limit || (id.time <= now && id.time.secondsSince1970 > limit)
    }

    /// When a set was taken, where the clocks of those who were there may disagree (F22).
    ///
    /// The id is the time of the start, except after a run whose clock was ahead: then it is only newer than the id
    /// before, and the start is right; or where a clock was behind, and then the id is nearer to the truth. Neither can
    /// be later than when the store got the manifest. Where both are, the clock of the run was ahead, as long as it has
    /// not come to that time; after that it cannot be told from a store whose clock was behind.
    static func takenAt(id: Timestamp, start: Timestamp, written: Timestamp, now: Timestamp) -> Timestamp {
        if let plausible = [id, start].filter({ $0 <= written }).max() { return plausible }
        return [id, start].filter { $0 <= now }.max() ?? written
    }
}
