// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures

/// What the backups of a subject are held against. What is not said is shown, and not judged.
package struct StatusRequest: Sendable {
    /// The subject; `nil` for all.
    package var name: String?
    /// In seconds.
    package var ageMax: Int64?
    package var verifyAgeMax: Int64?
    package var drillAgeMax: Int64?
    package var keysMin: UInt64?
    /// The part of the usual size by which the newest backup may be smaller, 0 to 1.
    package var shrinkMax: Double?
    /// Whether a set in which some members failed counts as a backup.
    package var acceptsPartial = false

    package init(name: String? = nil) {
        self.name = name
    }
}

/// What is not as it should be.
package struct StatusProblem: Sendable, Hashable, Codable {
    package enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
        /// There is no backup at all.
        case absent
        /// A manifest cannot be read, or bytes are not what they should be.
        case corrupt
        /// No backup is complete.
        case partial
        case stale
        case unverified
        case undrilled
        case small
        case shrunk
    }

    package let kind: Kind
    package let message: String

    init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// How it ends a run.
    package var code: Failure.Code {
        switch kind {
        case .absent: .noSuchBackup
        case .corrupt: .digestMismatch
        case .partial, .stale, .unverified, .undrilled, .small, .shrunk: .backupUnfit
        }
    }
}

/// How the backups of one subject do.
package struct SubjectStatus: Sendable {
    /// One set of the past.
    package struct Point: Sendable {
        package let id: BackupID
        package let startedAt: Timestamp
        package let finishedAt: Timestamp
        package let isPartial: Bool
        package let members: Int
        package let extent: DatasetExtent
        package let storedBytes: Int64
        package var seconds: Double { Double(max(0, finishedAt.secondsSince1970 - startedAt.secondsSince1970)) }

        init(_ manifest: Manifest) {
            id = manifest.id
            startedAt = manifest.startedAt
            finishedAt = manifest.finishedAt
            isPartial = manifest.isPartial
            members = manifest.storedMembers.count
            extent = DatasetExtent(of: manifest)
            storedBytes = manifest.storedBytes
        }
    }

    package let name: String
    package let now: Timestamp
    /// How many sets there are, and when the oldest and the newest were begun.
    package var sets = 0
    package var oldest: BackupID?
    package var newest: BackupID?
    /// The last sets whose manifests can be read, oldest first.
    package var history: [Point] = []
    /// The set that counts: the newest that is complete, or that is there where partial ones are accepted.
    package var counted: Point?
    /// What the last sets before that one usually held.
    package var usual: DatasetExtent?
    /// The newest verify that proved a set which is still there.
    package var verified: ProofNote?
    /// How many of the sets were proven again since they were made.
    package var verifiedSets = 0
    /// Sets whose bytes were found wrong, and which were not proven since; and those whose manifest cannot be read.
    package var corruptSets: [BackupID] = []
    /// The newest drill that proved a set, and the newest at all.
    package var drilled: DrillRecord?
    package var lastDrill: DrillRecord?
    package var problems: [StatusProblem] = []
    package var warnings: [String] = []

    init(_ name: String, now: Timestamp) {
        self.name = name
        self.now = now
    }

    package func age(of time: Timestamp) -> Int64 { max(0, now.secondsSince1970 - time.secondsSince1970) }
}
