// SPDX-License-Identifier: Apache-2.0

import Failures

/// Which files must stand in a data directory so that a server loads a snapshot when it starts.
///
/// With AOF off a server loads `dbfilename` and nothing else. With AOF on it loads the AOF and nothing else, and where
/// there is none it starts empty, whatever dump lies beside it (F33). A restore that guesses wrong ends in an empty
/// server, and the configuration file is only a guess: the command line of the server wins over it. So the usual layout
/// serves both: the dump, and an AOF whose base is the same file under a second name. The hard link takes no space, and
/// is safe: a server replaces its dump by renaming a new one over it, and from version 7.0 on never writes to a base.
///
/// Observed on Redis 6.2 and 7.0 and Valkey 9.1:
/// - An AOF that is nothing but an RDB is loaded, whatever `aof-use-rdb-preamble` says.
/// - A single-file AOF in the data directory is loaded by all of them: from 7.0 on the server moves it into
///   `appenddirname` by itself.
/// - Redis 6.2 appends to the single file, and so to the dump of the same inode, until it rewrites one of the two. A
///   server loads such a dump, because it reads no further than the end of the RDB.
/// - Loading by way of AOF drops the replication id and offset that the RDB carries: the replica then needs a full
///   synchronization. Started with `appendonly no`, and `CONFIG SET appendonly yes` afterwards, it keeps them.
///
/// What it costs: a server that keeps AOF off never removes the AOF base, so the snapshot of the restore stays on the
/// volume until somebody removes it. Switching AOF on in the configuration file and restarting would load it, old as it
/// is by then; without it the same mistake would give an empty server. `CONFIG SET appendonly yes` is the right way,
/// with or without it.
package struct PersistenceLayout: Sendable, Hashable {
    /// For which setting of `appendonly` the files are.
    package enum Purpose: String, Sendable, Hashable, Codable, CaseIterable {
        /// Whatever it is.
        case either
        /// Only for `appendonly yes`.
        case appendOnly
        /// Only for `appendonly no`.
        case snapshot
    }

    /// How the AOF is laid out.
    package enum AppendOnlyShape: String, Sendable, Hashable, Codable, CaseIterable {
        /// A folder with a manifest and a base: servers from version 7.0 on.
        case parts
        /// One file in the data directory: every server from version 4.0 on.
        case singleFile
    }

    package let names: DataFileNames
    package let purpose: Purpose
    package let shape: AppendOnlyShape

    package init(names: DataFileNames = .standard, purpose: Purpose = .either, shape: AppendOnlyShape) {
        self.names = names
        self.purpose = purpose
        self.shape = shape
    }

    /// The layout for a server and a snapshot.
    ///
    /// Where the version of the server is not known, that of the RDB tells enough: version 10 came with Redis 7.0, and
    /// no older server loads it; for an older RDB, the single file is what every server loads.
    ///
    /// - Parameters:
    ///   - serverMajorVersion: of the server that will start there, as in 7 for 7.2.4, if it is known.
    ///   - rdbVersion: the number after the magic of the snapshot.
    /// - Throws: `.unsupported` for an AOF of a server that cannot load an RDB by way of it.
    package init(
        names: DataFileNames = .standard,
        purpose: Purpose = .either,
        serverMajorVersion: Int?,
        rdbVersion: Int
    ) throws {
        if let version = serverMajorVersion, version < Self.preambleMajorVersion, purpose != .snapshot {
            throw Failure(
                .unsupported,
                "lay out an AOF for a server of version \(version): it loads no RDB by way of its AOF",
                hint: "Start the server with appendonly no, and ask for the files of that setting alone."
            )
        }
        let hasParts = serverMajorVersion.map { $0 >= Self.partsMajorVersion } ?? (rdbVersion >= Self.partsRDBVersion)
        self.init(names: names, purpose: purpose, shape: hasParts ? .parts : .singleFile)
    }

    /// The first version that loads an AOF that begins with an RDB.
    private static let preambleMajorVersion = 4
    /// The first version whose AOF is a folder of parts.
    private static let partsMajorVersion = 7
    /// The RDB version that came with it.
    private static let partsRDBVersion = 10
}

extension PersistenceLayout {
    /// A file or folder to be made.
    enum Entry: Sendable, Hashable {
        /// The snapshot itself, or one more name of it.
        case snapshot(String)
        case text(String, String)
        case folder(String, [Entry])

        var name: String {
            switch self {
            case .snapshot(let name), .text(let name, _), .folder(let name, _): name
            }
        }
    }

    /// What stands in the data directory in the end, in the order in which it is put there: the AOF comes first,
    /// because with it a server needs nothing else.
    var entries: [Entry] {
        var entries: [Entry] = []
        if purpose != .snapshot { entries.append(appendOnlyEntry) }
        if purpose != .appendOnly { entries.append(.snapshot(names.dump)) }
        return entries
    }

    private var appendOnlyEntry: Entry {
        guard shape == .parts else { return .snapshot(names.appendFile) }
        let base = "\(names.appendFile).1.base.rdb"
        let manifest = AppendOnlyManifest(parts: [.init(fileName: base, sequence: 1, kind: .base)])
        return .folder(
            names.appendFolder,
            [.snapshot(base), .text("\(names.appendFile).manifest", manifest.text)]
        )
    }

    /// The names in the data directory that the restore fills.
    package var topLevelNames: [String] { entries.map(\.name) }

    /// Whether the restore puts a file of that name, and not a folder, into the data directory.
    func hasFile(named name: String) -> Bool {
        entries.contains { entry in
            if case .folder = entry { false } else { entry.name == name }
        }
    }

    /// Every file of the layout, as a path from the data directory.
    package var filePaths: [String] {
        entries.flatMap { entry -> [String] in
            guard case .folder(let name, let inner) = entry else { return [entry.name] }
            return inner.map { "\(name)/\($0.name)" }
        }
    }
}
