// SPDX-License-Identifier: Apache-2.0

import Catalog
import DataDirectory
import Failures

/// How the guard of a pod came to an end that lets its server start.
package struct GuardOutcome: Sendable {
    package enum Ending: Sendable {
        /// As a restore without a guard ends.
        case restore(DataDirectoryOutcome)
        /// The deadline passed, the folder is empty, and nobody knows whether it should be: the operator wants it so.
        case startsUnproven(Failure)
    }

    package let ending: Ending
    /// What an operator should know of it, in full sentences but for their ends.
    package let remarks: [String]

    package init(_ ending: Ending, remarks: [String] = []) {
        self.ending = ending
        self.remarks = remarks
    }
}

/// How the data of a folder stands to a backup.
package enum DataComparison: Sendable, Hashable {
    /// It has all that is in the backup.
    case current
    /// It lacks so many bytes of the history of the backup.
    case behind(bytes: Int64)
    /// The two have no history in common, as far as is known: every primary gives its history a new id when it starts.
    case unrelated
    /// One of the two does not say where it stands.
    case notTold

    package init(_ history: DatasetHistory?, with members: [Manifest.Member]) {
        let points = members.compactMap(\.replication)
        guard let history, !points.isEmpty else {
            self = .notTold
            return
        }
        guard let furthest = points.filter({ $0.id == history.id }).map(\.offset).max() else {
            self = .unrelated
            return
        }
        self = history.offset >= furthest ? .current : .behind(bytes: furthest &- history.offset)
    }
}
