// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// `drill`: what a throw-away server holds after a restore is what the backup says, or the exit code says otherwise.
struct DrillTests {
    /// A store with a set of one member, and a folder for the servers of drills.
    private struct Rig: Sendable {
        let store: TestedStore
        let id: String
        let folder: URL

        var work: URL { folder.appendingPathComponent("work") }

        func drill(_ arguments: String..., server: String) async throws -> Redoubt.Outcome {
            try await Redoubt.run(line(server) + arguments, environment: store.environment)
        }

        func line(_ server: String) -> [String] {
            ["drill", "--from", store.url, "--name", "demo", "--work-dir", work.path, "--server", server]
        }

        /// What is left in the folder of the servers.
        func leftovers() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: work.path) }

        /// A program that answers as this server, and does something else before it becomes it.
        func wrapped(_ server: String, _ lines: String) throws -> String {
            let path = folder.appendingPathComponent("wrapper.sh").path
            let script = "#!/bin/sh\n[ \"$1\" = --version ] && exec \(server) --version\n\(lines)\n"
            try writeProgram(script, to: path)
            return path
        }
    }

    private static func withRig(
        _ flavour: RedisFlavour = .redis70,
        in given: TestedStore? = nil,
        backup options: [String] = [],
        _ fill: @Sendable @escaping (RedisServer) async throws -> Void = { try await Dataset.small.load(into: $0) },
        _ body: @Sendable @escaping (Rig) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let store = given ?? TestedStore.folder(folder.appendingPathComponent("store"))
            let work = folder.appendingPathComponent("work")
            try FileManager.default.createDirectory(at: work, withIntermediateDirectories: false)
            let backup = try await withRedis(flavour) { redis in
                try await fill(redis)
                let line = ["backup", "--endpoint", redis.url, "--to", store.url, "--name", "demo", "--output", "json"]
                return try await Redoubt.run(line + options, environment: store.environment)
            }
            try #require(backup.code == 0, "\(backup.errors)")
            try await body(Rig(store: store, id: try ShownBackup(backup).id, folder: folder))
        }
    }

    /// A sidecar: it runs already, is empty, and is given the snapshot as any server that runs.
    @Test(arguments: RedisFlavour.allCases)
    func aServerThatRunsAlreadyIsDrilled(flavour: RedisFlavour) async throws {
        try await Self.withRig(flavour, backup: ["--proof", "content"]) { rig in
            try await withRedis(flavour) { sidecar in
                let line = [
                    "drill", "--from", rig.store.url, "--name", "demo", "--endpoint", sidecar.url, "--output", "json",
                ]
                let drill = try await Redoubt.run(line)
                try #require(drill.code == 0, "\(drill.errors)")
                let found = try TestJSON(parsing: drill.output)
                let member = try #require(found["members"]?[0])
                #expect(found["verdict"]?.text == "proven" && member["found"] == member["expected"])
                #expect(member["found"]?["digest"] == member["manifestDigest"])
                // It holds data now, and is not drilled again.
                let again = try await Redoubt.run(line)
                #expect(again.code == 8, "\(again.errors)")
            }
        }
    }

    @Test(arguments: RedisFlavour.allCases)
    func everyServerIsProvenWithEitherPersistence(flavour: RedisFlavour) async throws {
        try await Self.withRig(flavour, backup: ["--proof", "content"]) { rig in
            for appendOnly in ["no", "yes"] {
                let drill = try await rig.drill(
                    "--appendonly",
                    appendOnly,
                    "--output",
                    "json",
                    server: try Parts.server(flavour)
                )
                try #require(drill.code == 0, "\(drill.errors)")
                let found = try TestJSON(parsing: drill.output)
                let member = try #require(found["members"]?[0])
                #expect(found["verdict"]?.text == "proven")
                #expect(member["found"] == member["expected"])
                #expect(member["found"]?["digest"] == member["manifestDigest"])
                let key = try #require(found["recordKey"]?.text)
                let keys = try await rig.store.keys()
                #expect(keys.contains(key) && key.hasPrefix(".drills/demo/\(rig.id)/"))
                let leftovers = try rig.leftovers()
                #expect(leftovers.isEmpty && drill.survivors.isEmpty)
            }
            // Sets are what they were: listed, restored, and shown with their last drill.
            let last = try await rig.store.redoubt("show", rig.id, "--from", rig.store.url)
            #expect(last.output.contains("drilled   ") && last.output.contains(": proven"))
            try await rig.store.expectSound(after: last, code: 0, good: [rig.id])
        }
    }

    @Test func anotherVersionIsProvenOrRefusedBeforehand() async throws {
        try await Self.withRig(.redis62) { rig in
            for target in [RedisFlavour.redis70, .valkey91] {
                let drill = try await rig.drill("--no-record", server: try Parts.server(target))
                #expect(drill.code == 0, "\(target): \(drill.errors)")
            }
            let keys = try await rig.store.keys()
            #expect(!keys.contains { $0.hasPrefix(".drills") })
        }
        try await Self.withRig(.redis70) { rig in
            let newer = try await rig.drill("--dry-run", server: try Parts.server(.valkey91))
            #expect(newer.code == 0 && newer.output.contains("would drill"), "\(newer.errors)")
            let older = try await rig.drill(server: try Parts.server(.redis62))
            #expect(older.code == 8 && older.errors.contains("--ignore-compatibility"))
            // The server itself says why not, when it is to try.
            let tried = try await rig.drill("--ignore-compatibility", server: try Parts.server(.redis62))
            #expect(tried.code == 7 && tried.errors.contains("Can't handle RDB format version"), "\(tried.errors)")
            let leftovers = try rig.leftovers()
            #expect(leftovers.isEmpty)
        }
    }

    /// Keys, and fields of hashes, that expire before the drill, at every moment of it, and after.
    @Test(arguments: [RedisFlavour.redis70, .valkey91], ["no", "yes"])
    func whatExpiresIsNoDifference(flavour: RedisFlavour, appendOnly: String) async throws {
        try await Self.withRig(flavour) { redis in
            let now = Int(Date().timeIntervalSince1970 * 1000)
            var commands: [[any CommandWord]] = []
            for index in 0..<2000 { commands.append(["SET", "key:\(index)", "x", "PXAT", now + 100 + index * 2]) }
            if flavour == .valkey91 {
                commands.append(["HSET", "hash"] + (0..<1000).flatMap { ["field:\($0)", "x"] })
                for index in 0..<1000 {
                    commands.append(["HPEXPIREAT", "hash", now + 100 + index * 4, "FIELDS", 1, "field:\(index)"])
                }
            }
            commands.append(["SET", "stays", "x"])
            try await redis.pipeline(commands)
        } _: { rig in
            var expired: [Int] = []
            for _ in 0..<4 {
                let drill = try await rig.drill(
                    "--appendonly",
                    appendOnly,
                    "--output",
                    "json",
                    server: try Parts.server(flavour)
                )
                #expect(drill.code == 0, "\(drill.errors)")
                expired.append(try TestJSON(parsing: drill.output)["members"]?[0]?["expired"]?.int ?? -1)
            }
            #expect(expired == expired.sorted() && (expired.last ?? 0) > 0)
        }
    }

    // MARK: What is not the backup

    /// The counts are right, and a value is not: nothing but the content tells.
    @Test func aServerThatHoldsSomethingElseIsFound() async throws {
        try await Self.withRig(.redis70) { redis in
            try await redis.pipeline([["SET", "a", "one"], ["HSET", "h", "f", "v"]])
        } _: { rig in
            let other = rig.folder.appendingPathComponent("other.rdb")
            try await withRedis(.redis70) { redis in
                try await redis.pipeline([["SET", "a", "two"], ["HSET", "h", "f", "v"], ["SAVE"]])
                let dump = try #require(try await redis.command("CONFIG", "GET", "dir").array?.last?.text)
                try FileManager.default.copyItem(atPath: "\(dump)/dump.rdb", toPath: other.path)
            }
            let server = try rig.wrapped(
                try Parts.server(.redis70),
                "cp \(other.path) other.rdb\nexec \(try Parts.server(.redis70)) \"$@\" --dbfilename other.rdb"
            )
            let drill = try await rig.drill("--output", "json", server: server)
            #expect(drill.code == 4 && drill.errors.contains("the counts are the same"), "\(drill.errors)")
            let found = try TestJSON(parsing: drill.output)
            #expect(found["verdict"]?.text == "different")
            #expect(found["members"]?[0]?["expected"]?["keys"] == found["members"]?[0]?["found"]?["keys"])
            let leftovers = try rig.leftovers()
            #expect(leftovers.isEmpty)
        }
    }

    /// Whoever can write to the store changes a value, and the digests of the bytes with it: the one of the content
    /// stays behind.
    @Test func aStoreThatWasAlteredIsFound() async throws {
        let options = ["--proof", "content", "--compression", "none"]
        try await Self.withRig(.redis70, backup: options) { redis in
            try await redis.pipeline([["SET", "a", "one"]])
        } _: { rig in
            let root = rig.folder.appendingPathComponent("store/demo/\(rig.id)")
            let place = root.appendingPathComponent("manifest.json")
            let script = """
                import hashlib, json, sys
                place, root = sys.argv[1:]
                manifest = json.load(open(place))
                member = manifest["members"][0]
                path = root + "/" + member["stored"]["key"]
                data = open(path, "rb").read()
                # Without a checksum, as servers write it that compute none.
                data = data.replace(b"\\x03one", b"\\x03two")[:-8] + bytes(8)
                open(path, "wb").write(data)
                member["rdb"]["sha256"] = member["stored"]["sha256"] = hashlib.sha256(data).hexdigest()
                crc = 0
                for byte in data[:-8]:
                    crc ^= byte
                    for _ in range(8):
                        crc = crc >> 1 ^ (0x95ac9329ac4bc9b5 if crc & 1 else 0)
                member["rdb"]["crc64"] = f"{crc:016x}"
                json.dump(manifest, open(place, "w"))
                """
            let store = rig.folder.appendingPathComponent("store").path
            try await run(try Parts.python(), ["-c", script, place.path, store])
            let verify = try await rig.store.redoubt("verify", "--from", rig.store.url)
            #expect(verify.code == 0, "the forgery is good enough for its bytes: \(verify.errors)")
            let drill = try await rig.drill(server: try Parts.server(.redis70))
            #expect(drill.code == 4 && drill.errors.contains("content digest"), "\(drill.errors)")
            let record = try await rig.store.keys().first { $0.hasPrefix(".drills/") }
            #expect(record != nil)
        }
    }

    // MARK: Servers that do not serve

    @Test func aServerThatIsNotThereOrDoesNotComeUpIsNamed() async throws {
        try await Self.withRig { rig in
            let missing = try await rig.drill(server: "/nowhere/redis-server")
            #expect(missing.code == 7 && missing.errors.contains("--server") && missing.errors.contains("Install one"))
            let path = ["PATH": rig.work.path]
            let line = ["drill", "--from", rig.store.url]
            let none = try await Redoubt.run(line, environment: rig.store.environment.merging(path) { $1 })
            #expect(none.code == 7 && none.errors.contains("no redis-server and no valkey-server"), "\(none.errors)")
            let server = try rig.wrapped(try Parts.server(.redis70), "echo I have no module today >&2; exit 1")
            let dead = try await rig.drill(server: server)
            #expect(dead.code == 7 && dead.errors.contains("I have no module today"), "\(dead.errors)")
            let leftovers = try rig.leftovers()
            #expect(leftovers.isEmpty)
        }
    }

    /// A server that takes its time to load.
    private static func withLoadingDrill(
        _ rig: Rig,
        _ body: (ChildProcess, _ folder: String, _ server: pid_t) async throws -> Void
    ) async throws {
        let redis = try Parts.server(.redis70)
        let slow = try rig.wrapped(redis, "exec \(redis) \"$@\" --key-load-delay 500000")
        try await Redoubt.withRunning(rig.line(slow), environment: rig.store.environment) { process in
            let server = try await eventually("the server of the drill to start") { () -> (String, pid_t)? in
                guard let name = try rig.leftovers().first else { return nil }
                let folder = rig.work.appendingPathComponent(name).path
                let text = try? String(contentsOfFile: "\(folder)/server.pid", encoding: .utf8)
                return text.flatMap { pid_t($0.trimmingCharacters(in: .whitespacesAndNewlines)) }.map { (folder, $0) }
            }
            try await body(process, server.0, server.1)
        }
    }

    /// A process that has ended may keep its number until somebody asks for it.
    private static func isRunning(_ process: pid_t) -> Bool {
        let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
        return stat.map { !$0.contains(") Z ") } ?? false
    }

    @Test func aSignalLeavesNoServerAndNoFolder() async throws {
        try await Self.withRig { rig in
            try await Self.withLoadingDrill(rig) { process, folder, server in
                // Nobody else comes near it meanwhile: no port, and a folder that is shut.
                let mode = try FileManager.default.attributesOfItem(atPath: folder)[.posixPermissions] as? Int
                #expect(mode == 0o700)
                let tables = ["/proc/\(server)/net/tcp", "/proc/\(server)/net/tcp6"]
                let listening = tables.compactMap { try? String(contentsOfFile: $0, encoding: .utf8) }.joined()
                let inodes = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(server)/fd").compactMap {
                    each in
                    try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(server)/fd/\(each)")
                }.filter { $0.hasPrefix("socket:[") }.map { String($0.dropFirst(8).dropLast()) }
                #expect(!inodes.isEmpty && !inodes.contains { listening.contains(" \($0) ") })
                process.kill(SIGTERM)
                let outcome = try await Redoubt.outcome(of: process)
                #expect(outcome.code == 143 && outcome.survivors.isEmpty, "\(outcome.errors)")
                #expect(!Self.isRunning(server))
            }
            let leftovers = try rig.leftovers()
            #expect(leftovers.isEmpty)
        }
    }

    @Test func theNextDrillEndsWhatAKilledOneLeft() async throws {
        try await Self.withRig { rig in
            try await Self.withLoadingDrill(rig) { process, _, server in
                process.kill(SIGKILL)
                try await process.waitUntilExit(withinSeconds: 30)
                let before = try rig.leftovers()
                #expect(before.count == 1 && Self.isRunning(server))
                let next = try await rig.drill(server: try Parts.server(.redis70))
                #expect(next.code == 0 && next.errors.contains("left behind"), "\(next.errors)")
                #expect(!Self.isRunning(server))
            }
            let leftovers = try rig.leftovers()
            #expect(leftovers.isEmpty)
        }
    }

    // MARK: Records and reports

    @Test func recordsGatherInABucketAndTheReportShowsThem() async throws {
        try await withSeaweedFS { s3 in
            let store = try await TestedStore.bucket(s3)
            try await Self.withRig(.redis70, in: store) { rig in
                let server = try Parts.server(.redis70)
                let report = rig.folder.appendingPathComponent("report.html").path
                for _ in 0..<2 {
                    let drill = try await rig.drill("--all-members", "--report", report, server: server)
                    #expect(drill.code == 0, "\(drill.errors)")
                    try await Task.sleep(for: .milliseconds(1100))
                }
                let keys = try await store.keys()
                #expect(keys.filter { $0.hasPrefix(".drills/demo/") }.count == 2)
                let page = try String(contentsOfFile: report, encoding: .utf8)
                #expect(page.contains("2 drills."))
                try await run(
                    try Parts.python(),
                    ["-c", "import sys, xml.dom.minidom as m; m.parse(sys.argv[1])", report]
                )
                let listed = try await store.listedIDs()
                #expect(listed == [rig.id])
                let verify = try await store.redoubt("verify", "--from", store.url)
                #expect(verify.code == 0, "\(verify.errors)")
            }
        }
    }

    /// What was proven is proven, whether it can be written down or not.
    @Test func aStoreThatKeepsNoRecordIsAWarning() async throws {
        try await Self.withRig { rig in
            try Data().write(to: rig.folder.appendingPathComponent("store/.drills"))
            let drill = try await rig.drill("--output", "json", server: try Parts.server(.redis70))
            #expect(drill.code == 0 && drill.errors.contains("--no-record"), "\(drill.errors)")
            #expect(try TestJSON(parsing: drill.output)["recordKey"] == .null)
            let nowhere = rig.folder.appendingPathComponent("no/such/report.html").path
            let report = try await rig.drill("--report", nowhere, server: try Parts.server(.redis70))
            #expect(report.code == 7 && report.errors.contains("--report"))
        }
    }
}
