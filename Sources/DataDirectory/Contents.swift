// SPDX-License-Identifier: Apache-2.0

import Failures

/// What stands in a data directory, as far as it matters to a restore.
///
/// Fresh is a folder with nothing in it that a server would load, or that looks like data: files such as `lost+found`,
/// `redis.conf`, `users.acl`, `nodes.conf` and hidden ones do not make it less fresh.
package struct Contents: Sendable, Hashable {
    /// Something that a server would load, or that looks like it.
    package struct DataEntry: Sendable, Hashable {
        package enum Kind: String, Sendable, Hashable {
            /// An RDB file, by its name.
            case snapshot
            /// An AOF in one file, by its name.
            case appendOnlyFile
            /// The folder of an AOF, with something in it.
            case appendOnlyFolder
            /// A symbolic link of such a name: a restore refuses to move it.
            case symbolicLink
            /// A folder that has the name of a file, as a volume makes it that is mounted on a file that is missing.
            case folder
        }

        package var name: String
        package var kind: Kind
        /// Of a folder: of the files in it.
        package var bytes: Int64

        package init(name: String, kind: Kind, bytes: Int64) {
            self.name = name
            self.kind = kind
            self.bytes = bytes
        }
    }

    /// What a server that starts there finds, as far as a look at it tells.
    package enum Dataset: String, Sendable, Hashable {
        /// No data.
        case absent
        /// Data, but neither a key nor a function: what a server leaves that was once started empty.
        case empty
        /// Data; what is in it was not read.
        case present
    }

    /// Something that is left over and takes space.
    package enum Leftover: Sendable, Hashable {
        /// `.restore-<id>`: a restore that did not come to its end, or is at work.
        case staging(String)
        /// `pre-restore-<id>`: the data from before an earlier restore.
        case archive(String)
        /// `temp-<pid>.rdb` and the like: a save or a rewrite that did not come to its end, or is at work.
        case temporary(String, bytes: Int64)
    }

    /// In the order of their names.
    package var data: [DataEntry]
    package var dataset: Dataset
    package var marker: RestoreMarker?
    package var leftovers: [Leftover]
    package var runningServer: RunningServer?
    /// What the node knows of its cluster, where there is a `nodes.conf`.
    package var clusterNode: ClusterNode?

    package init(
        data: [DataEntry] = [],
        dataset: Dataset = .absent,
        marker: RestoreMarker? = nil,
        leftovers: [Leftover] = [],
        runningServer: RunningServer? = nil,
        clusterNode: ClusterNode? = nil
    ) {
        self.data = data
        self.dataset = dataset
        self.marker = marker
        self.leftovers = leftovers
        self.runningServer = runningServer
        self.clusterNode = clusterNode
    }

    /// Whether a server that starts there starts empty.
    package var isFresh: Bool { data.isEmpty }
}

/// What is to be done with a data directory: one of two outcomes, the third being an error.
package enum RestoreDecision: Sendable, Hashable {
    /// Restore; these entries are moved to `pre-restore-<id>`.
    case restore(moving: [String])
    /// Leave it as it is.
    case nothingToRestore(NothingToRestore)
}

/// Why a data directory is left as it is.
package enum NothingToRestore: Sendable, Hashable, CustomStringConvertible {
    /// It was restored before, and holds data since then.
    case alreadyRestored(RestoreMarker)
    /// It holds data, and the request does not say that it may be moved.
    case holdsData([Contents.DataEntry])

    package var description: String {
        switch self {
        case .alreadyRestored(let marker):
            "restored already: backup \(marker.backupID), member \(marker.member), at \(marker.finishedAt)"
        case .holdsData(let entries):
            "it holds data: " + entries.map { "\($0.name) (\($0.bytes) bytes)" }.joined(separator: ", ")
        }
    }
}

extension Contents {
    /// What a request comes to, given these contents.
    ///
    /// A restore that was done before is not repeated as long as there is data, whatever the mode: an init container
    /// runs at each start of its pod, and must not take the data back to the backup each time (F39).
    ///
    /// A folder in the place of one of the files is no data, and refused in every mode: it may be a mount point, which
    /// can be neither moved nor replaced, and would stop the swap in its middle.
    ///
    /// - Throws: `.guardRefused` where it would restore, but a server seems to run there (F35), something that would
    ///   have to be moved is a symbolic link, or a folder stands in the place of a file.
    package func decision(for request: RestoreRequest, path: String) throws -> RestoreDecision {
        let obstacle = data.first { $0.kind == .folder && request.layout.hasFile(named: $0.name) }
        if data.contains(where: { $0.kind != .folder || !request.layout.hasFile(named: $0.name) }) {
            if let marker, request.isAnswered(by: marker) { return .nothingToRestore(.alreadyRestored(marker)) }
            let mayMove =
                switch request.mode {
                case .freshOnly: false
                case .replaceEmpty: dataset == .empty
                case .replace: true
                }
            guard mayMove else { return .nothingToRestore(.holdsData(data)) }
        }
        if let runningServer {
            throw Failure(
                .guardRefused,
                "restore into \(path): \(runningServer)",
                hint:
                    "Stop the server first (scale the StatefulSet to 0): when it stops it would save over the restore."
            )
        }
        if let link = data.first(where: { $0.kind == .symbolicLink }) {
            throw Failure(
                .guardRefused,
                "restore into \(path): \(link.name) is a symbolic link",
                hint: "Give the folder that holds the data itself, or move the link away."
            )
        }
        if let obstacle {
            throw Failure(
                .guardRefused,
                "restore into \(path): \(obstacle.name) is a folder, and a file of that name is to be restored",
                hint: """
                    Remove the folder (rmdir, if it is empty), or the mount that made it: a subPath of a file that is \
                    missing makes such a folder. Then run the command again.
                    """
            )
        }
        return .restore(moving: data.map(\.name))
    }
}
