// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TestParts
import Testing

/// Those who watch hear how a run went, and no run fails or waits because of them.
@Suite(.timeLimit(.minutes(4))) struct MonitoringTests {
    private static let password = "a-password-nobody-may-see"

    private struct Rig: Sendable {
        let redis: RedisServer
        let store: TestedStore
        let folder: URL

        /// A data directory.
        func dataFolder(_ name: String = "data") throws -> String {
            let data = folder.appendingPathComponent(name)
            try FileManager.default.createDirectory(at: data, withIntermediateDirectories: true)
            return data.path
        }

        func backup(_ more: [String], name: String = "demo", port: Int? = nil) async throws -> Redoubt.Outcome {
            try await Redoubt.run(line(more, name: name, port: port), withinSeconds: 30)
        }

        func line(_ more: [String], name: String = "demo", port: Int? = nil) -> [String] {
            let endpoint = port.map { "redis://:\(password)@127.0.0.1:\($0)" } ?? redis.url
            return ["backup", "--endpoint", endpoint, "--to", store.url, "--name", name] + more
        }
    }

    private func withRig(_ body: (Rig) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            try await withRedis(.redis70) { redis in
                try await Dataset.small.load(into: redis)
                let store = TestedStore.folder(folder.appendingPathComponent("store"))
                try await body(Rig(redis: redis, store: store, folder: folder))
            }
        }
    }

    /// The values of a file or a page, by series.
    private static func values(_ text: String) -> [String: Double] {
        var values: [String: Double] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else {
                continue
            }
            values[String(line[..<space])] = value
        }
        return values
    }

    /// The metrics of ours that jobs/monitoring names.
    private static func namesAskedFor() throws -> Set<String> {
        let folder = Parts.testsFolder.deletingLastPathComponent().appendingPathComponent("jobs/monitoring")
        var names: Set<String> = []
        for file in ["rules.yaml", "dashboard.json"] {
            let text = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
            let words = text.split { !($0.isLetter || $0.isNumber || $0 == "_") }
            names.formUnion(words.filter { $0.hasPrefix("redoubt_") }.map(String.init))
        }
        try #require(names.count > 5)
        return names
    }

    private static func series(_ family: String, _ name: String = "demo") -> String {
        "redoubt_\(family){name=\"\(name)\"}"
    }

    /// A failed run leaves the time of the last success where it is; every command and subject shares one file.
    @Test func aTextfileSaysWhatPromtoolUnderstands() async throws {
        try await withRig { rig in
            let file = rig.folder.appendingPathComponent("redoubt.prom")
            func read() throws -> [String: Double] { Self.values(try String(contentsOf: file, encoding: .utf8)) }
            let metrics = ["--metrics-file", file.path]
            let first = try await rig.backup(metrics)
            #expect(first.code == 0, "\(first.errors)")
            let good = try read()
            let successAt = try #require(good[Self.series("backup_last_success_timestamp_seconds")])
            #expect(abs(successAt - Date().timeIntervalSince1970) < 60)
            #expect(good[Self.series("backup_last_status")] == 0)
            #expect(try #require(good[Self.series("backup_keys")]) > 0)
            #expect(try #require(good[Self.series("backup_stored_bytes")]) > 0)
            try await Task.sleep(for: .milliseconds(1100))
            try await withFreePort { port in
                let failed = try await rig.backup(metrics, port: port)
                #expect(failed.code == 5, "\(failed.errors)")
            }
            let bad = try read()
            #expect(bad[Self.series("backup_last_status")] == 5)
            #expect(bad[Self.series("backup_last_success_timestamp_seconds")] == successAt)
            #expect(try #require(bad[Self.series("backup_last_attempt_timestamp_seconds")]) > successAt)
            #expect(bad[Self.series("backup_keys")] == good[Self.series("backup_keys")])

            let other = try await rig.backup(metrics, name: "other")
            #expect(other.code == 0, "\(other.errors)")
            for line in [
                ["verify", "--all"], ["drill", "--name", "demo"], ["status"],
                ["copy", "--all", "--to", "file://\(rig.folder.path)/second"], ["prune", "--keep-last", "1", "--yes"],
                ["restore", "--name", "demo", "--data-dir", try rig.dataFolder()],
            ] {
                let run = try await Redoubt.run(line + ["--from", rig.store.url] + metrics)
                #expect(run.code == 0, "\(line): \(run.errors)")
            }
            let all = try read()
            let both = ["demo", "other"]
            for (command, names) in [
                ("verify", both), ("drill", ["demo"]), ("copy", both), ("prune", both), ("restore", ["demo"]),
            ] {
                for name in names {
                    #expect(
                        all[Self.series("\(command)_last_success_timestamp_seconds", name)] != nil,
                        "\(command) \(name)"
                    )
                }
            }
            #expect(all[Self.series("backups")] == 1 && all["redoubt_verify_last_status"] == 0)
            #expect(all[Self.series("backups_verified_timestamp_seconds", "other")] != nil)
            #expect(all[Self.series("backup_last_status")] == 5)
            #expect(all["redoubt_prune_backups{name=\"demo\",outcome=\"kept\"}"] == 1)
            // What rules and dashboard ask for exists, and the page tells of it.
            let families = Set(all.keys.map { String($0.prefix { $0 != "{" }) })
            for asked in try Self.namesAskedFor() { #expect(families.contains(asked), "\(asked)") }
            let text = try Data(contentsOf: file)
            let verdict = try await run(Parts.promtool(), ["check", "metrics"], input: .bytes([UInt8](text)))
            #expect(verdict.isEmpty, "\(String(decoding: verdict, as: UTF8.self))")
        }
    }

    /// A restore says what became of its target; what it leaves alone, and what fails, puts back no keys.
    @Test func aRestoreTellsWhatBecameOfIt() async throws {
        try await withRig { rig in
            let (file, data) = ("\(rig.folder.path)/restore.prom", try rig.dataFolder())
            let first = try await rig.backup([])
            try #require(first.code == 0, "\(first.errors)")
            func restore(_ more: String...) async throws -> (Redoubt.Outcome, [String: Double]) {
                let line = ["restore", "--from", rig.store.url, "--name", "demo", "--metrics-file", file] + more
                let outcome = try await Redoubt.run(line)
                return (outcome, Self.values(try String(contentsOfFile: file, encoding: .utf8)))
            }
            func targets(_ values: [String: Double]) -> [Double?] {
                ["restored", "unchanged", "failed"].map {
                    values["redoubt_restore_targets{name=\"demo\",outcome=\"\($0)\"}"]
                }
            }
            let (done, restored) = try await restore("--data-dir", data)
            #expect(done.code == 0 && targets(restored) == [1, 0, 0], "\(done.errors)")
            #expect(try #require(restored[Self.series("restore_keys")]) > 0)
            let successAt = try #require(restored[Self.series("restore_last_success_timestamp_seconds")])
            let (again, alone) = try await restore("--data-dir", data, "--request-id", "another")
            #expect(again.code == 0 && targets(alone) == [0, 1, 0], "\(again.errors)")
            let (refused, failed) = try await restore("--data-dir", data, "--require-fresh")
            #expect(refused.code == 8 && failed[Self.series("restore_last_status")] == 8, "\(refused.errors)")
            #expect(try #require(failed[Self.series("restore_last_success_timestamp_seconds")]) >= successAt)

            try await withRedis(.redis70) { fresh in
                try await withScriptedHTTP { _, _ in
                    ScriptedHTTP.response("200 OK")
                } body: { server in
                    let (into, served) = try await restore(
                        "--endpoint",
                        fresh.url,
                        "--webhook",
                        server.url,
                        "--ping-url",
                        server.url + "/ping"
                    )
                    #expect(into.code == 0 && targets(served) == [1, 0, 0], "\(into.errors)")
                    #expect(server.requests.map(\.target).count { $0.hasPrefix("/ping") } == 2)
                    let hook = try #require(server.requests.first { !$0.target.hasPrefix("/ping") })
                    let document = try TestJSON(parsing: String(decoding: hook.body, as: UTF8.self))
                    #expect(document["command"] == "restore" && document["outcome"] == "succeeded")
                    #expect(document["backups"]?["demo"]?.text != nil)
                }
            }
            try await expectUnprovenStartIsNoSuccess(rig, file)
            let verdict = try await run(
                Parts.promtool(),
                ["check", "metrics"],
                input: .bytes([UInt8](Data(contentsOf: URL(filePath: file))))
            )
            #expect(verdict.isEmpty, "\(String(decoding: verdict, as: UTF8.self))")
        }
    }

    /// The server may start, and nobody may take that for a restore.
    private func expectUnprovenStartIsNoSuccess(_ rig: Rig, _ file: String) async throws {
        try await withFreePort { port in
            let outcome = try await Redoubt.run(
                [
                    "restore", "--from", "s3://bucket/redis?endpoint-url=http://127.0.0.1:\(port)", "--name",
                    "unproven",
                    "--data-dir", rig.dataFolder("empty"), "--guard", "--guard-deadline", "0s",
                    "--guard-on-deadline",
                    "start", "--retries", "1", "--metrics-file", file,
                ],
                environment: ["AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"]
            )
            let values = Self.values(try String(contentsOfFile: file, encoding: .utf8))
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(values["redoubt_restore_targets{name=\"unproven\",outcome=\"failed\"}"] == 1)
            #expect(values[Self.series("restore_last_success_timestamp_seconds", "unproven")] == nil)
        }
    }

    /// What is only said, not done, and what is not understood, is told to nobody.
    @Test func rehearsalsAndUsageErrorsAreToldToNobody() async throws {
        try await withRig { rig in
            let first = try await rig.backup([])
            #expect(first.code == 0)
            try await withScriptedHTTP { _, _ in
                ScriptedHTTP.response("200 OK")
            } body: { server in
                let dry = ["copy", "--from", rig.store.url, "--to", "file://\(rig.folder.path)/second", "--dry-run"]
                let rehearsal = try await Redoubt.run(dry + ["--ping-url", server.url, "--webhook", server.url])
                #expect(rehearsal.code == 0, "\(rehearsal.errors)")
                let wrong = try await rig.backup(["--ping-url", server.url, "--no-such-flag"])
                #expect(wrong.code == 64 && server.requests.isEmpty)
                let secret = "https://hc.example/\(Self.password) x"
                let noURL = try await rig.backup(["--ping-url", secret])
                #expect(noURL.code == 64 && !noURL.errors.contains(Self.password), "\(noURL.errors)")
            }
        }
    }

    /// A real Pushgateway: what a failed run does not say stays.
    @Test func aPushgatewayKeepsTheLastSuccess() async throws {
        try await withRig { rig in
            try await withPushgateway { gateway in
                let first = try await rig.backup(["--pushgateway", gateway.url])
                #expect(first.code == 0 && !first.errors.contains("heard"), "\(first.errors)")
                func pushed(_ family: String) async throws -> Double? {
                    let page = Self.values(try await gateway.get("/metrics"))
                    return page.first { $0.key.hasPrefix("redoubt_\(family){") && $0.key.contains("name=\"demo\"") }?
                        .value
                }
                let successAt = try #require(try await pushed("backup_last_success_timestamp_seconds"))
                try await Task.sleep(for: .milliseconds(1100))
                try await withFreePort { port in
                    let failed = try await rig.backup(["--pushgateway", gateway.url], port: port)
                    #expect(failed.code == 5)
                }
                #expect(try await pushed("backup_last_status") == 5)
                #expect(try await pushed("backup_last_success_timestamp_seconds") == successAt)
                let attempt = try #require(try await pushed("backup_last_attempt_timestamp_seconds"))
                #expect(attempt > successAt)
                let status = try await rig.store.redoubt(
                    "status",
                    "--from",
                    rig.store.url,
                    "--pushgateway",
                    gateway.url
                )
                #expect(status.code == 0 && !status.errors.contains("heard"), "\(status.errors)")
                #expect(try await pushed("backups_newest_timestamp_seconds") != nil)
            }
        }
    }

    /// The beginning and the end of a run have one id; what is said of a failure holds no secret, and is signed.
    @Test func pingsAndWebhooksSayHowItEnded() async throws {
        try await withRig { rig in
            try await withScriptedHTTP { _, _ in
                ScriptedHTTP.response("200 OK")
            } body: { server in
                let secret = rig.folder.appendingPathComponent("secret")
                try Data("the webhook secret\n".utf8).write(to: secret)
                let url = rig.folder.appendingPathComponent("ping-url")
                try Data("\(server.url)/ping-uuid\n".utf8).write(to: url)
                let told = [
                    "--ping-url-file", url.path, "--webhook", "\(server.url)/hook?x=1", "--webhook-secret-file",
                    secret.path,
                ]
                let good = try await rig.backup(told)
                #expect(good.code == 0 && !good.errors.contains("heard"), "\(good.errors)")
                let first = server.requests
                #expect(first.count == 3 && first.allSatisfy { $0.method == "POST" })
                #expect(first[0].target.hasPrefix("/ping-uuid/start?rid="))
                let rid = first[0].target.split(separator: "=").last ?? ""
                let end = try #require(first.first { $0.target == "/ping-uuid?rid=\(rid)" })
                #expect(String(decoding: end.body, as: UTF8.self).contains("complete, every snapshot proven"))
                let hook = try #require(first.first { $0.target == "/hook?x=1" })
                try await Self.expectSigned(hook)
                let document = try TestJSON(parsing: String(decoding: hook.body, as: UTF8.self))
                #expect(
                    document["outcome"] == "succeeded" && document["exitCode"] == 0 && document["command"] == "backup"
                )
                #expect(document["names"]?[0] == "demo" && document["backups"]?["demo"]?.text != nil)
                #expect(document["runId"]?.text == String(rid))

                try await withFreePort { port in
                    let bad = try await rig.backup(told, port: port)
                    #expect(bad.code == 5 && !bad.errors.contains("ping-uuid"), "\(bad.errors)")
                }
                let second = server.requests.dropFirst(3)
                #expect(second.contains { $0.target.hasPrefix("/ping-uuid/5?rid=") && !$0.target.contains(rid) })
                for request in second {
                    #expect(!String(decoding: request.body, as: UTF8.self).contains(Self.password))
                }
                let failed = try #require(second.first { $0.target == "/hook?x=1" })
                let failure = try TestJSON(parsing: String(decoding: failed.body, as: UTF8.self))
                #expect(failure["outcome"] == "failed" && failure["error"]?["code"] == "unreachable")
            }
        }
    }

    /// As a receiver would check it.
    private static func expectSigned(_ request: SeenRequest) async throws {
        let time = try #require(request.headers["x-redoubt-timestamp"])
        let digest = try await run(
            Parts.openssl(),
            ["dgst", "-sha256", "-hmac", "the webhook secret", "-r"],
            input: .bytes(Array("\(time).".utf8) + request.body)
        )
        let expected = "v1=" + String(decoding: digest, as: UTF8.self).prefix { $0 != " " }
        #expect(request.headers["x-redoubt-signature"] == expected)
    }

    /// Servers that take everything and say nothing, and ports where nobody listens: the backup is there all the same,
    /// a few seconds later.
    @Test func nobodyWhoWatchesHoldsUpABackup() async throws {
        try await withRig { rig in
            func told(_ place: String) -> [String] {
                [
                    "--pushgateway", place, "--ping-url", "\(place)/ping-uuid", "--webhook", "\(place)/hook-secret",
                    "--metrics-file", "\(rig.folder.path)/no-such-folder/x.prom",
                ]
            }
            func expectMade(_ outcome: Redoubt.Outcome, withinSeconds seconds: Double) {
                #expect(
                    outcome.code == 0 && outcome.wallSeconds < seconds,
                    "\(outcome.wallSeconds) s: \(outcome.errors)"
                )
                for listener in [
                    "--metrics-file", "--pushgateway", "--webhook", "--ping-url, its beginning", "--ping-url, its end",
                ] {
                    #expect(outcome.errors.contains("not everybody heard of this run (\(listener)): "), "\(listener)")
                }
                #expect(!outcome.errors.contains("ping-uuid") && !outcome.errors.contains("hook-secret"))
            }
            try await withFreePort { port in
                expectMade(try await rig.backup(told("http://127.0.0.1:\(port)")), withinSeconds: 40)
            }
            try await withScriptedServer { connection, _ in
                while try await connection.read(upTo: 1000) != nil {}
            } body: { port in
                expectMade(try await rig.backup(told("http://127.0.0.1:\(port)")), withinSeconds: 40)
            }
            try await withScriptedHTTP { _, _ in
                ScriptedHTTP.response("302 Found", headers: ["Location: http://127.0.0.1:1/"])
            } body: { server in
                expectMade(try await rig.backup(told(server.url)), withinSeconds: 40)
            }
            let ids = try await rig.store.listedIDs()
            #expect(ids.count == 3)
        }
    }

    /// Ended by a signal, a run says so, within its ten seconds.
    @Test func aRunThatIsTerminatedSaysSo() async throws {
        try await withRig { rig in
            try await withScriptedHTTP { _, _ in
                ScriptedHTTP.response("200 OK")
            } body: { watcher in
                // A server that never answers: the run waits for it.
                try await withScriptedServer { connection, _ in
                    while try await connection.read(upTo: 1000) != nil {}
                } body: { port in
                    let file = "\(rig.folder.path)/x.prom"
                    let line = rig.line(["--ping-url", watcher.url + "/ping", "--metrics-file", file], port: port)
                    try await Redoubt.withRunning(line) { process in
                        try await eventually("the run to say that it began") { watcher.requests.isEmpty ? nil : true }
                        let begun = ContinuousClock.now
                        process.kill(SIGTERM)
                        let ended = try await Redoubt.outcome(of: process, withinSeconds: 15)
                        #expect(ended.code == 143 && ContinuousClock.now - begun < .seconds(10), "\(ended.errors)")
                    }
                    #expect(watcher.requests.last?.target.hasPrefix("/ping/143?rid=") == true)
                    let values = Self.values(try String(contentsOfFile: file, encoding: .utf8))
                    #expect(values[Self.series("backup_last_status")] == 143)
                    #expect(values[Self.series("backup_last_success_timestamp_seconds")] == nil)
                }
            }
        }
    }
}
