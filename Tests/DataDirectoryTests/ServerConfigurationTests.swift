// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Failures
import Foundation
import TestParts
import Testing

@Suite struct ServerConfigurationTests {
    private func parse(_ text: String) throws -> ServerConfiguration {
        try ServerConfiguration.parse(.init(name: "redis.conf", text: text))
    }

    @Test func emptyConfigurationGivesTheDefaultsOfTheServer() throws {
        let configuration = try parse("")
        #expect(configuration == ServerConfiguration())
        #expect(try configuration.fileNames() == .standard)
        #expect(configuration.directory == nil)
        #expect(configuration.isAppendOnly == false)
        #expect(configuration.usesRDBPreamble)
        #expect(configuration.databases == 16)
        #expect(configuration.savePoints == nil)
    }

    private static let everyDirective = """
        # a comment
        DIR "/my data"
        dbfilename d.rdb
        appendonly YES
        appendfilename "a.aof"
        appenddirname parts
        aof-use-rdb-preamble no
        rdbchecksum no
        databases 4
        maxmemory 2gb
        maxmemory-policy AllKeys-LRU
        cluster-enabled yes
        cluster-config-file cluster.conf
        loadmodule /m/json.so a b
        loadmodule /m/bloom.so
        save 900 1 300 10
        save 60 10000
        requirepass "unbalanced inside is fine ' here"
        unknown-to-us 1 2 3
        """

    @Test func everyDirectiveIsRead() throws {
        let configuration = try parse(Self.everyDirective)
        var expected = ServerConfiguration()
        expected.directory = "/my data"
        expected.dumpFileName = "d.rdb"
        expected.isAppendOnly = true
        expected.appendFileName = "a.aof"
        expected.appendFolderName = "parts"
        expected.usesRDBPreamble = false
        expected.writesChecksum = false
        expected.databases = 4
        expected.maxMemoryBytes = 2 << 30
        expected.maxMemoryPolicy = "allkeys-lru"
        expected.isClusterEnabled = true
        expected.clusterFileName = "cluster.conf"
        expected.modules = [.init(path: "/m/json.so", arguments: ["a", "b"]), .init(path: "/m/bloom.so")]
        expected.savePoints = [
            .init(seconds: 900, changes: 1), .init(seconds: 300, changes: 10), .init(seconds: 60, changes: 10000),
        ]
        #expect(configuration == expected)
    }

    @Test func linesMayEndAsOnWindows() throws {
        let configuration = try parse("databases 3\r\nappendonly yes\r\n\r\n# x\r\ndir \"/a b\"\r\n")
        #expect(configuration.databases == 3)
        #expect(configuration.isAppendOnly)
        #expect(configuration.directory == "/a b")
    }

    @Test func theLaterLineWinsAndAnEmptySaveTakesBack() throws {
        let configuration = try parse("appendonly yes\nsave 1 1\nsave \"\"\nappendonly no\nsave 5 6")
        #expect(!configuration.isAppendOnly)
        #expect(configuration.savePoints == [.init(seconds: 5, changes: 6)])
        #expect(try parse("save ''").savePoints == [])
    }

    @Test(
        arguments: [
            ("0", 0), ("100", 100), ("1b", 1), ("1k", 1000), ("1kb", 1024), ("3M", 3_000_000), ("3mB", 3 << 20),
            ("2g", 2_000_000_000), ("2GB", 2 << 30),
        ] as [(String, Int64)]
    )
    func memoryHasUnits(text: String, bytes: Int64) throws {
        #expect(try parse("maxmemory \(text)").maxMemoryBytes == bytes)
    }

    @Test(arguments: [
        ("appendonly", "redis.conf line 2: appendonly takes one argument"),
        ("appendonly secret", "redis.conf line 2: appendonly takes yes or no"),
        ("appendonly yes # on", "redis.conf line 2: appendonly takes one argument"),
        ("databases 0", "redis.conf line 2: databases takes a number from 1 to 2147483647"),
        ("maxmemory secret", "redis.conf line 2: maxmemory takes a number of bytes, such as 512mb"),
        ("maxmemory -1", "redis.conf line 2: maxmemory takes a number of bytes, such as 512mb"),
        ("maxmemory 9999999999gb", "redis.conf line 2: maxmemory takes less than 8 EiB"),
        ("save 1", "redis.conf line 2: save takes pairs of seconds and changes, or \"\""),
        ("save", "redis.conf line 2: save takes pairs of seconds and changes, or \"\""),
        ("save a b", "redis.conf line 2: save takes pairs of seconds and changes, or \"\""),
        ("loadmodule", "redis.conf line 2: loadmodule takes the path of a module"),
        ("include", "redis.conf line 2: include takes one argument"),
        ("requirepass \"secret", "redis.conf line 2: unbalanced quotes"),
    ])
    func errorNamesTheLineAndNoArgument(line: String, message: String) throws {
        let failure = try #require(throws: Failure.self) { try parse("port 1\n\(line)\n") }
        #expect(failure.code == .configuration)
        #expect(failure.message == message)
        #expect(!"\(failure)".contains("secret"))
    }

    @Test(arguments: [
        "dbfilename ../x", "dbfilename /x", "dbfilename ''", "dbfilename ..", "appendfilename a/b",
        "appenddirname .", "dbfilename .restore-x", "appenddirname pre-restore-1", "dbfilename .redoubt-restore.json",
        "dbfilename appendonly.aof", "appenddirname dump.rdb", #"dbfilename "a\x00b""#,
    ])
    func fileNameThatIsNotOneIsRefused(line: String) throws {
        let configuration = try parse(line)
        let failure = #expect(throws: Failure.self) { try configuration.fileNames() }
        #expect(failure?.code == .configuration)
    }

    @Test func includesAreReadWhereTheyStand() throws {
        let texts = ["a": "appendonly yes\ninclude b\ndatabases 3", "b": "databases 2\nsave 1 1"]
        let configuration = try ServerConfiguration.parse(
            .init(name: "main", text: "databases 1\ninclude a\nappendonly no")
        ) { path in [.init(name: path, text: texts[path] ?? "")] }
        #expect(configuration.databases == 3)
        #expect(!configuration.isAppendOnly)
        #expect(configuration.savePoints == [.init(seconds: 1, changes: 1)])
    }

    @Test func fileThatIncludesItselfIsRefused() throws {
        let failure = try #require(throws: Failure.self) {
            try ServerConfiguration.parse(.init(name: "loop", text: "include loop")) {
                [.init(name: $0, text: "include loop")]
            }
        }
        #expect(failure.code == .configuration)
    }

    @Test func wideIncludesAreBounded() throws {
        let many = (0...ServerConfiguration.includedFilesMax).map {
            ServerConfiguration.Source(name: "\($0)", text: "")
        }
        #expect(throws: Failure.self) {
            try ServerConfiguration.parse(.init(name: "main", text: "include *")) { _ in many }
        }
    }
}

@Suite struct ServerConfigurationLoadingTests {
    @Test func filesAndPatternsAreIncluded() async throws {
        try await withTemporaryFolder { folder in
            try "include conf.d/*.conf\ninclude \(folder.path)/absolute\ninclude none/*.conf\n"
                .write(to: folder.appendingPathComponent("redis.conf"), atomically: false, encoding: .utf8)
            let inner = folder.appendingPathComponent("conf.d")
            try FileManager.default.createDirectory(at: inner, withIntermediateDirectories: false)
            for (name, text) in [
                ("1.conf", "databases 1\nappendonly yes"), ("2.conf", "databases 2"), ("x", "databases 9"),
            ] {
                try text.write(to: inner.appendingPathComponent(name), atomically: false, encoding: .utf8)
            }
            try "dir /from/include".write(
                to: folder.appendingPathComponent("absolute"),
                atomically: false,
                encoding: .utf8
            )
            let configuration = try await ServerConfiguration.load(path: "\(folder.path)/redis.conf")
            #expect(configuration.databases == 2)
            #expect(configuration.isAppendOnly)
            #expect(configuration.directory == "/from/include")
        }
    }

    @Test func missingFilesAreNamed() async throws {
        try await withTemporaryFolder { folder in
            let main = "\(folder.path)/redis.conf"
            let missing = await #expect(throws: Failure.self) { try await ServerConfiguration.load(path: main) }
            #expect(missing?.code == .configuration)
            try "port 1\ninclude gone.conf".write(toFile: main, atomically: false, encoding: .utf8)
            let included = await #expect(throws: Failure.self) { try await ServerConfiguration.load(path: main) }
            #expect(included?.code == .configuration)
            #expect(
                included?.description == "\(main) line 2: include: read the configuration \(folder.path)/gone.conf: "
                    + "there is no such file"
            )
        }
    }

    /// The real thing, with its comments: the file that the Debian package installs.
    @Test func configurationOfTheServerItselfIsRead() async throws {
        let configuration = try await ServerConfiguration.load(path: "/etc/redis/redis.conf")
        #expect(configuration.directory == "/var/lib/redis")
        #expect(configuration.dumpFileName == "dump.rdb")
        #expect(configuration.isAppendOnly == false)
        #expect(configuration.appendFolderName == "appendonlydir")
        #expect(configuration.databases == 16)
    }
}
