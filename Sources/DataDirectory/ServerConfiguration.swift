// SPDX-License-Identifier: Apache-2.0

import Failures

/// What a `redis.conf` (or `valkey.conf`) says about the files of a server and about what it can load.
///
/// Everything starts at the server's own default. Directives that say nothing about this are passed over, whatever they
/// are: the server, not this parser, judges its configuration. Arguments given on the server's command line win over
/// the file, and are not seen here.
package struct ServerConfiguration: Sendable, Hashable {
    /// `save <seconds> <changes>`: a snapshot is due when so many changes are older than so many seconds.
    package struct SavePoint: Sendable, Hashable {
        package var seconds: Int
        package var changes: Int

        package init(seconds: Int, changes: Int) {
            self.seconds = seconds
            self.changes = changes
        }
    }

    /// A module that the server loads when it starts.
    package struct Module: Sendable, Hashable {
        package var path: String
        package var arguments: [String]

        package init(path: String, arguments: [String] = []) {
            self.path = path
            self.arguments = arguments
        }
    }

    /// `dir`: the data directory, if it is set; else the folder the server is started in.
    package var directory: String?
    /// `dbfilename`.
    package var dumpFileName = "dump.rdb"
    /// `appendonly`.
    package var isAppendOnly = false
    /// `appendfilename`.
    package var appendFileName = "appendonly.aof"
    /// `appenddirname`, of servers from version 7.0 on.
    package var appendFolderName = "appendonlydir"
    /// `aof-use-rdb-preamble`: how the server rewrites its AOF. It loads an RDB preamble either way.
    package var usesRDBPreamble = true
    /// `rdbchecksum`.
    package var writesChecksum = true
    /// `databases`: how many there are; an RDB with a higher number ends the server (F43).
    package var databases = 16
    /// `maxmemory`, in bytes; 0 is no limit.
    package var maxMemoryBytes: Int64 = 0
    /// `maxmemory-policy`, in lower case.
    package var maxMemoryPolicy = "noeviction"
    /// `cluster-enabled`.
    package var isClusterEnabled = false
    /// `cluster-config-file`.
    package var clusterFileName = "nodes.conf"
    /// `loadmodule`, in the order of the file.
    package var modules: [Module] = []
    /// `save`, in the order of the file; empty after `save ""`, `nil` where the file leaves it to the server's default.
    package var savePoints: [SavePoint]?

    /// The configuration of a server that has no file.
    package init() {}
}

extension ServerConfiguration {
    /// The names of its files in the data directory.
    ///
    /// - Throws: `.configuration` where a name is not one of a file in that folder.
    package func fileNames() throws -> DataFileNames {
        try DataFileNames(
            dump: dumpFileName,
            appendFile: appendFileName,
            appendFolder: appendFolderName,
            clusterFile: clusterFileName
        )
    }
}

extension ServerConfiguration {
    /// Takes one line into account; the later of two wins, `save` and `loadmodule` accumulate.
    ///
    /// - Throws: `DirectiveError` if the arguments are not what the directive takes.
    mutating func apply(_ line: ConfigurationLine) throws(DirectiveError) {
        let arguments = DirectiveArguments(line)
        switch line.name {
        case "dir": directory = try arguments.text()
        case "dbfilename": dumpFileName = try arguments.text()
        case "appendonly": isAppendOnly = try arguments.flag()
        case "appendfilename": appendFileName = try arguments.text()
        case "appenddirname": appendFolderName = try arguments.text()
        case "aof-use-rdb-preamble": usesRDBPreamble = try arguments.flag()
        case "rdbchecksum": writesChecksum = try arguments.flag()
        case "databases": databases = try arguments.number(in: 1...Int(Int32.max))
        case "maxmemory": maxMemoryBytes = try arguments.memoryBytes()
        case "maxmemory-policy": maxMemoryPolicy = try arguments.text().lowercased()
        case "cluster-enabled": isClusterEnabled = try arguments.flag()
        case "cluster-config-file": clusterFileName = try arguments.text()
        case "loadmodule": modules.append(try arguments.module())
        case "save": savePoints = try arguments.savePoints(after: savePoints)
        default: break
        }
    }
}
