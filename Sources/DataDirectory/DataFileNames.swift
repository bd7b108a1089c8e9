// SPDX-License-Identifier: Apache-2.0

import Failures

/// How the files of a server are called in its data directory.
package struct DataFileNames: Sendable, Hashable, Codable {
    /// `dbfilename`: the snapshot that is loaded while AOF is off.
    package let dump: String
    /// `appendfilename`: the AOF, and from version 7.0 on what the names of its parts begin with.
    package let appendFile: String
    /// `appenddirname`: the folder of the parts, from version 7.0 on.
    package let appendFolder: String
    /// `cluster-config-file`.
    package let clusterFile: String

    /// The names a server uses unless its configuration says otherwise.
    package static let standard = DataFileNames()

    private init() {
        dump = "dump.rdb"
        appendFile = "appendonly.aof"
        appendFolder = "appendonlydir"
        clusterFile = "nodes.conf"
    }

    /// - Throws: `.configuration` where a name is not one of a file in the data directory, is one of redoubt's own, or
    ///   two are the same.
    package init(
        dump: String = "dump.rdb",
        appendFile: String = "appendonly.aof",
        appendFolder: String = "appendonlydir",
        clusterFile: String = "nodes.conf"
    ) throws {
        for (directive, name) in [
            ("dbfilename", dump), ("appendfilename", appendFile), ("appenddirname", appendFolder),
        ] {
            try Self.check(name, of: directive)
        }
        guard Set([dump, appendFile, appendFolder]).count == 3 else {
            throw Failure(
                .configuration,
                "dbfilename, appendfilename and appenddirname must differ: \(dump), \(appendFile), \(appendFolder)"
            )
        }
        self.dump = dump
        self.appendFile = appendFile
        self.appendFolder = appendFolder
        self.clusterFile = clusterFile
    }

    /// The longest name Linux allows, in bytes, without room for what the names of AOF parts add.
    private static let nameBytesMax = 200

    /// A server takes only a base name here, too (`isValidDBfilename` and others in redis/src/config.c).
    private static func check(_ name: String, of directive: String) throws {
        let isBaseName =
            !name.isEmpty && name != "." && name != ".." && name.utf8.count <= nameBytesMax
            && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 < 0x20 || $0 == 0x7F }
        guard isBaseName else {
            throw Failure(.configuration, "\(directive) must be a plain file name, without a path")
        }
        guard !ReservedName.matches(name) else {
            throw Failure(.configuration, "\(directive) \(name): the name belongs to redoubt itself")
        }
    }
}

/// Names in the data directory that redoubt uses itself.
enum ReservedName {
    /// Where a restore prepares its files: `.restore-<id>`.
    static let stagingPrefix = ".restore-"
    /// Where the data from before went: `pre-restore-<id>`.
    static let archivePrefix = "pre-restore-"

    static func matches(_ name: String) -> Bool {
        name.hasPrefix(stagingPrefix) || name.hasPrefix(archivePrefix) || name == RestoreMarker.fileName
    }
}
