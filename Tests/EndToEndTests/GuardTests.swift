// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// `restore --guard`: no server starts empty where there was data, and none with data is kept from starting.
struct GuardTests {
    /// Each group has servers of its own, because some of them change what they have.
    @Test(arguments: GuardTable.Group.allCases)
    func theTruthTableIsTrue(group: GuardTable.Group) async throws {
        let folders = group == .nobody ? GuardTable.Folder.allCases : GuardTable.foldersOfGroups
        let stores: [GuardTable.Store] =
            group == .nobody ? GuardTable.Store.allCases : [.holds, .nothing, .unreachable]
        try await withGuardRig(group) { rig in
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for folder in folders {
                    tasks.addTask {
                        for store in stores { try await rig.tryCell(folder, store, group: group) }
                    }
                }
                try await tasks.waitForAll()
            }
        }
    }

    /// docs/guard.md holds the very tables that are tried here.
    @Test func thePageHoldsTheTruthTable() throws {
        let page = Parts.testsFolder.deletingLastPathComponent().appendingPathComponent("docs/guard.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        #expect(text.contains("\n\n\(GuardTable.storeTable)\n\n"), "\(GuardTable.storeTable)")
        #expect(text.contains("\n\n\(GuardTable.groupTable)\n\n"), "\(GuardTable.groupTable)")
    }

    /// The store comes back while the pod is held: it is restored, and what it waited for was said meanwhile.
    @Test func aPodIsHeldUntilTheStoreCanBeAsked() async throws {
        try await withGuardRig(.nobody) { rig in
            try await withFaultProxy(to: rig.bucket.port) { proxy in
                proxy.refuse(.all)
                let log = rig.root.appendingPathComponent("termination-log")
                try Data().write(to: log)
                let data = try rig.makeFolder(.empty)
                let arguments = rig.arguments(.cut, data, "--guard-deadline", "60s", "--termination-log", log.path)
                let environment = rig.environment(.cut, endpoint: proxy.url)
                try await Redoubt.withRunning(arguments, environment: environment) { process in
                    try await eventually("the hold to be told") {
                        process.errors.text.contains("holding the server of") ? true : nil
                    }
                    // It is written right after it was said.
                    let message = try await eventually("the termination message") {
                        try TestJSON(parsing: String(decoding: try Data(contentsOf: log), as: UTF8.self))
                    }
                    #expect(message["exitCode"] == 5)
                    #expect(message["error"]?["message"]?.text?.contains("hold the server of") == true)
                    proxy.clear()
                    let outcome = try await Redoubt.outcome(of: process)
                    #expect(outcome.code == 0 && outcome.output.contains("\"restored\""), "\(outcome.errors)")
                    let last = try TestJSON(parsing: String(decoding: try Data(contentsOf: log), as: UTF8.self))
                    #expect(last["exitCode"] == 0 && last["error"] == nil)
                }
            }
        }
    }

    /// Its time runs out in the pause before another try: what the tries before came to is what an operator needs.
    @Test func theLastWordNamesWhatTheTriesCameTo() async throws {
        try await withGuardRig(.nobody) { rig in
            let folder = try rig.makeFolder(.empty)
            try await withFreePort { port in
                var environment = rig.environment(.unreachable, endpoint: "http://127.0.0.1:\(port)")
                environment["AWS_MAX_ATTEMPTS"] = "50"
                let arguments = rig.arguments(.unreachable, folder, "--guard-deadline", "0s")
                let outcome = try await Redoubt.run(arguments, environment: environment)
                #expect(outcome.code == 5, "\(outcome.errors)")
                #expect(outcome.errors.contains("no answer within"), "\(outcome.errors)")
                #expect(outcome.errors.contains("because: GET http://127.0.0.1:\(port)"), "\(outcome.errors)")
            }
        }
    }

    /// SIGTERM ends a hold at once, whatever it waits for, and leaves nothing half-made.
    @Test(arguments: [false, true])
    func aHeldPodEndsWhenItIsToldTo(isStalled: Bool) async throws {
        try await withGuardRig(.nobody) { rig in
            try await withFaultProxy(to: rig.bucket.port) { proxy in
                if isStalled { proxy.freeze() } else { proxy.refuse(.all) }
                let data = try rig.makeFolder(.empty)
                let arguments = rig.arguments(.cut, data, "--guard-deadline", "10m")
                let environment = rig.environment(.cut, endpoint: proxy.url)
                try await Redoubt.withRunning(arguments, environment: environment) { process in
                    try await eventually("the store to be asked") { proxy.connections.isEmpty ? nil : true }
                    process.kill(SIGTERM)
                    let outcome = try await Redoubt.outcome(of: process, withinSeconds: 60)
                    #expect(outcome.code == 143, "\(outcome.errors)")
                    let files = try FileManager.default.contentsOfDirectory(atPath: data.path)
                    #expect(files.isEmpty)
                }
            }
        }
    }

    /// At the deadline the server starts empty only where the operator says so, and only where nobody answered.
    @Test func theDeadlineStartsAServerOnlyOnTheOperatorsWord() async throws {
        try await withGuardRig(.nobody) { rig in
            let data = try rig.makeFolder(.empty)
            let started = try await rig.run(.unreachable, data, "--guard-on-deadline", "start")
            #expect(started.code == 0 && started.errors.contains("EMPTY"), "\(started.errors)")
            let report = try TestJSON(parsing: started.output)
            #expect(report["outcome"] == "starts-unproven")
            let denied = try await rig.run(.denied, data, "--guard-on-deadline", "start")
            #expect(denied.code == 7, "\(denied.errors)")
            let files = try FileManager.default.contentsOfDirectory(atPath: data.path)
            #expect(files.isEmpty)
        }
    }

    /// A name that was mistyped looks like a new deployment; whoever knows that there is a backup can say so.
    @Test func aBackupCanBeRequired() async throws {
        try await withGuardRig(.nobody) { rig in
            let refused = try await rig.run(.others, try rig.makeFolder(.empty), "--require-backup")
            #expect(refused.code == 10 && refused.output.contains("demo"), "\(refused.errors)")
        }
    }

    /// A server that was started empty once is restored on request; one that was emptied after the backup is not.
    @Test func dataWithoutAKeyIsReplacedOnRequest() async throws {
        try await withGuardRig(.emptied) { rig in
            let data = try rig.makeFolder(.startedEmpty)
            let restored = try await rig.run(.holds, data, "--replace-empty")
            #expect(restored.code == 0 && restored.output.contains("\"restored\""), "\(restored.errors)")
            let archive = try FileManager.default.contentsOfDirectory(atPath: data.path).first { $0.hasPrefix("pre-") }
            #expect(archive != nil)
            let again = try await rig.run(.holds, data, "--replace-empty")
            #expect(again.code == 0 && again.output.contains("left-alone"), "\(again.output)")
            let emptied = try rig.folder(holding: rig.emptiedDump)
            let alone = try await rig.run(.holds, emptied, "--replace-empty")
            #expect(alone.output.contains("left-alone") && alone.output.contains("it was emptied"), "\(alone.errors)")
        }
    }

    /// A primary that comes back empty while the restore is under way: the server is held with what was restored, and
    /// starts with it when that primary is gone.
    @Test func aPrimaryThatIsRebornEmptyMidwayHoldsThePod() async throws {
        try await withGuardRig(.nobody) { rig in
            try await withRedis(.redis70) { primary in
                try await primary.command("SET", "key", "as good as new")
                try await withFaultProxy(to: rig.bucket.port) { proxy in
                    proxy.freeze()
                    let data = try rig.makeFolder(.empty)
                    let arguments = rig.arguments(.cut, data, "--guard-deadline", "5m", "--peer", primary.url)
                    let environment = rig.environment(.cut, endpoint: proxy.url)
                    try await Redoubt.withRunning(arguments, environment: environment) { process in
                        // The peers are asked before the store is.
                        try await eventually("the store to be asked") { proxy.connections.isEmpty ? nil : true }
                        try await primary.kill()
                        try? FileManager.default.removeItem(at: primary.dumpFile)
                        try await primary.start()
                        let keys = try await primary.command("DBSIZE")
                        #expect(keys == .integer(0))
                        proxy.clear()
                        try await eventually("the pod to be held", withinSeconds: 60) {
                            process.errors.text.contains("is a primary without keys") ? true : nil
                        }
                        #expect(process.isRunning)
                        try await primary.kill()
                        let outcome = try await Redoubt.outcome(of: process, withinSeconds: 120)
                        #expect(outcome.code == 0, "\(outcome.errors)")
                        let dump = data.appendingPathComponent("dump.rdb").path
                        let digest = try await run("/usr/bin/sha256sum", [dump])
                        #expect(String(decoding: digest, as: UTF8.self).hasPrefix(rig.sha256))
                    }
                }
            }
        }
    }

    /// What overrides the two dangers.
    @Test(arguments: [GuardTable.Group.emptyStranger, .orphan])
    func aDangerIsOverriddenByItsFlag(group: GuardTable.Group) async throws {
        try await withGuardRig(group) { rig in
            let flag = group == .orphan ? "--ignore-orphans" : "--ignore-empty-primary"
            let refused = try await rig.run(.holds, try rig.makeFolder(.empty))
            #expect(refused.code == 8 && refused.errors.contains(flag), "\(refused.errors)")
            let restored = try await rig.run(.holds, try rig.makeFolder(.empty), flag)
            #expect(restored.code == 0 && restored.output.contains("\"restored\""), "\(restored.errors)")
        }
    }

    /// Whom a pod is told to ping is nothing that a server waits for; and a number of seconds has always been one.
    @Test func whoeverWatchesKeepsNoServerFromStarting() async throws {
        try await withTemporaryFolder { folder in
            let data = folder.appendingPathComponent("data")
            try FileManager.default.createDirectory(at: data, withIntermediateDirectories: true)
            let store = folder.appendingPathComponent("store")
            try FileManager.default.createDirectory(at: store, withIntermediateDirectories: true)
            let line =
                ["restore", "--guard", "--from", "file://\(store.path)", "--data-dir", data.path, "--name", "demo"]
            let flaws = [
                ["REDOUBT_PING_URL": "a-secret-that-is-no-url"], ["REDOUBT_PUSHGATEWAY": "gateway:9091"],
                ["REDOUBT_WEBHOOK_SECRET_FILE": "/nowhere"],
                ["REDOUBT_PING_URL": "http://127.0.0.1:9/x", "REDOUBT_PING_URL_FILE": "/nowhere"],
            ]
            for flaw in flaws {
                let environment = flaw.merging(["REDOUBT_GUARD_DEADLINE": "600"]) { $1 }
                let outcome = try await Redoubt.run(line, environment: environment)
                #expect(outcome.code == 0 && outcome.errors.contains("passed over"), "\(flaw): \(outcome.errors)")
                #expect(!outcome.errors.contains("a-secret"))
                let typed = try await Redoubt.run(line + ["--ping-url", "no-url"], environment: environment)
                #expect(typed.code == 64, "\(typed.errors)")
            }
        }
    }

    @Test func aGuardMovesNoData() async throws {
        let outcome = try await Redoubt.run(
            "restore",
            "--from",
            "file:///x",
            "--data-dir",
            "/x",
            "--guard",
            "--replace"
        )
        #expect(outcome.code == 64)
    }
}
