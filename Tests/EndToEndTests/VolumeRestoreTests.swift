// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// `restore --statefulset --via volumes`: a whole set comes back, and whatever happens on the way, so do its pods.
struct VolumeRestoreTests {
    /// What `jobs/restore-set` grants.
    static let granted: Set<String> = [
        "get statefulsets", "patch statefulsets", "get statefulsets/scale", "patch statefulsets/scale", "get pods",
        "list pods", "watch pods", "get persistentvolumeclaims", "create jobs", "get jobs", "delete jobs", "get leases",
        "create leases", "update leases", "create events",
    ]

    @Test func theWholeSetComesBack() async throws {
        try await VolumeRestoreRig.with(pods: 3) { rig in
            let digest = try await rig.backUp()
            try await rig.pods[0].command("FLUSHALL")
            try await rig.pods[0].command("SET", "written", "since")
            try await rig.pods[0].waitUntilSynchronized(Array(rig.pods.dropFirst()))
            try rig.addOwnPod()
            let own = ["POD_NAME": "redoubt-x1", "POD_NAMESPACE": "prod"]
            let arguments = rig.arguments(["--replace", "--yes", "--server-config", "/etc/redis/redis.conf"])
            let outcome = try await Redoubt.run(arguments, environment: own)
            try await rig.expectSound(after: outcome, code: 0)
            try await rig.expectEverywhere(digest)
            try await Self.expectAGoodJob(try #require(rig.jobsMade.value.first))

            // Every replica went on from the snapshot that it has in common with the primary.
            let replication = try await rig.pods[0].info("stats")
            #expect(replication["sync_full"] == "0" && replication["sync_partial_ok"] == "2")
            let document = try TestJSON(parsing: outcome.output)
            #expect(document["proof"]?["fullSyncs"] == 0 && document["proof"]?["replicasOnline"] == 2)
            #expect(document["proof"]?["primaries"] == .array(["redis-0"]))
            #expect(document["volumes"]?.array?.count == 3)

            // What was there is there, under another name.
            for pod in rig.pods {
                let names = try FileManager.default.contentsOfDirectory(atPath: pod.folder.path)
                #expect(names.contains { $0.hasPrefix("pre-restore-") }, "\(names)")
            }
            try Self.expectTheCourse(rig)
        }
    }

    /// Whoever may look at Jobs would see the signature: nothing is stopped, and nothing said of it.
    @Test func aPreSignedURLIsRefusedBeforeAnythingIsStopped() async throws {
        try await VolumeRestoreRig.with(pods: 1) { rig in
            let secret = "d0c95b5c67fd1c2a2d2e3e4f5a6b7c8d"
            let arguments = rig.arguments(["--replace", "--yes"]).map { word in
                word == rig.store.url ? "https://bucket.example/nightly.tar?X-Amz-Signature=\(secret)" : word
            }
            let outcome = try await Redoubt.run(arguments)
            #expect(outcome.code == 64 && outcome.errors.contains("pre-signed URL"), "\(outcome.errors)")
            #expect(outcome.errors.contains("redoubt copy"), "\(outcome.errors)")
            #expect(!outcome.errors.contains(secret) && !outcome.output.contains(secret))
            #expect(rig.jobsMade.value.isEmpty)
            #expect(try await rig.pods[0].info("server")["redis_version"] != nil)
        }
    }

    /// Kubernetes understands the Job, it keeps the standard `restricted`, and has what the set and our own pod have.
    private static func expectAGoodJob(_ job: TestJSON) async throws {
        let problems = try await withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("job.json")
            try JSONEncoder().encode(job).write(to: file)
            let script = Parts.testsFolder.appendingPathComponent("oracles/manifests.py").path
            let output = try await run(try Parts.python(), [script, "--document", file.path], withinSeconds: 60)
            return try TestJSON(parsing: String(decoding: output, as: UTF8.self))
        }
        #expect(problems == .array([]))
        let spec = job["spec"]?["template"]?["spec"]
        #expect(spec?["securityContext"]?["runAsUser"] == 999 && spec?["securityContext"]?["fsGroup"] == 999)
        let container = spec?["containers"]?[0]
        #expect(container?["image"]?.text == VolumeRestoreRig.image)
        let names = container?["env"]?.array?.compactMap { $0["name"]?.text }
        #expect(names == ["AWS_REGION"], "no password of a server, no option of ours")
        let mounts = container?["volumeMounts"]?.array?.compactMap { $0["mountPath"]?.text }
        #expect(mounts == ["/data", "/etc/redis", "/backups"])
        #expect(container?["args"]?.array?.contains("--server-config=/etc/redis/redis.conf") == true)
    }

    /// The note comes before the stop, and everything that is used is granted.
    private static func expectTheCourse(_ rig: VolumeRestoreRig) throws {
        let changes = rig.api.uses.map(\.description).filter { $0.hasPrefix("patch") || $0.contains(" jobs") }
        let course = changes.filter { !$0.hasPrefix("get") }
        #expect(course.first == "patch statefulsets.apps redis" && course.last == "patch statefulsets.apps redis")
        #expect(course.dropFirst().first == "patch statefulsets/scale.apps redis")
        #expect(course.dropLast().last == "patch statefulsets/scale.apps redis")
        #expect(course.filter { $0 == "create jobs.batch" }.count == 3)

        let used = Set(
            rig.api.verbsUsed.map { "\($0.verb) \($0.resource)\($0.subresource.map { "/\($0)" } ?? "")" }
        )
        #expect(used.subtracting(granted) == ["create selfsubjectaccessreviews"])
        #expect(granted.subtracting(used).isEmpty, "each right is used")

        #expect(rig.api.events.map { $0["reason"]?.text } == ["RestoreCompleted"])
        #expect(rig.api.lease("redoubt-redis", namespace: "prod")?["spec"]?["holderIdentity"] == "")
    }

    /// A volume that is new: nothing needs leave to be moved, and nothing is.
    @Test func freshVolumesNeedNoLeave() async throws {
        try await VolumeRestoreRig.with(pods: 2) { rig in
            let digest = try await rig.backUp()
            try await rig.wipe(startAgain: true)
            let outcome = try await rig.restore("--yes")
            try await rig.expectSound(after: outcome, code: 0)
            try await rig.expectEverywhere(digest)
            #expect(rig.jobArguments.value.allSatisfy { $0.contains("--require-fresh") && !$0.contains("--replace") })
        }
    }

    // MARK: Refusals: nothing is touched

    @Test func whatIsNotMeantIsRefusedBeforeAnythingIsTouched() async throws {
        try await VolumeRestoreRig.with(pods: 1) { rig in
            let digest = try await rig.backUp()
            func expectRefusal(_ code: Int32, _ words: String, _ more: [String]) async throws {
                let outcome = try await Redoubt.run(rig.arguments(more))
                #expect(outcome.errors.contains(words), "\(outcome.errors)")
                try await rig.expectSound(after: outcome, code: code)
            }
            try await expectRefusal(8, "--replace", ["--yes"])
            try await expectRefusal(8, "--yes", ["--replace"])
            // The double's pod has its data elsewhere than on the volume, as the server says itself.
            let elsewhere = rig.arguments(["--replace", "--yes"]).filter { $0 != "--data-dir" && $0 != "/data" }
            let misplaced = try await Redoubt.run(elsewhere)
            #expect(misplaced.code == 8 && misplaced.errors.contains("--data-dir"), "\(misplaced.errors)")
            try await expectRefusal(10, "no such backup", ["20200101T000000Z-0000", "--replace", "--yes"])
            let dry = try await rig.restore("--replace", "--dry-run")
            #expect(dry.code == 0 && dry.output.contains("would-restore"), "\(dry.errors)")

            try await expectRefusal(7, "data-redis-1 does not exist", ["--replace", "--yes", "--scale-to", "2"])
            try await rig.pods[0].command("CONFIG", "SET", "dbfilename", "other.rdb")
            try await expectRefusal(8, "--server-config", ["--replace", "--yes"])
            try await rig.pods[0].command("CONFIG", "SET", "dbfilename", "dump.rdb")
            rig.api.changeStatefulSet("redis", namespace: "prod") { $0.set(0, at: "spec", "replicas") }
            let unknown = try await rig.restore("--replace", "--yes")
            #expect(unknown.code == 8 && unknown.errors.contains("--scale-to"), "\(unknown.errors)")
            rig.api.changeStatefulSet("redis", namespace: "prod") { $0.set(1, at: "spec", "replicas") }

            rig.api.forbid(verb: "patch", resource: "statefulsets/scale")
            rig.api.forbid(verb: "create", resource: "jobs")
            try await expectRefusal(7, "patch statefulsets/scale redis, create jobs", ["--replace", "--yes"])
            rig.api.allow(verb: "patch", resource: "statefulsets/scale")
            rig.api.allow(verb: "create", resource: "jobs")

            rig.api.changeStatefulSet("redis", namespace: "prod") {
                $0.set("Delete", at: "spec", "persistentVolumeClaimRetentionPolicy", "whenScaled")
            }
            try await expectRefusal(7, "whenScaled", ["--replace", "--yes"])

            let touching = rig.api.uses.filter { ["patch", "delete"].contains($0.verb) || $0.resource == "jobs" }
            #expect(touching.isEmpty && rig.jobsMade.value.isEmpty)
            try await rig.expectEverywhere(digest)
        }
    }

    // MARK: Faults on the way

    /// One volume cannot be restored: the failure says why, what each volume holds, and the pods are back.
    @Test func aJobThatFailsBringsThePodsBack() async throws {
        try await VolumeRestoreRig.with(pods: 2) { rig in
            _ = try await rig.backUp()
            let link = rig.pods[1].folder.appendingPathComponent("appendonly.aof").path
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "/nonexistent")
            let outcome = try await rig.restore("--replace", "--yes")
            try await rig.expectSound(after: outcome, code: 8)
            #expect(outcome.errors.contains("data-redis-0: restored"), "\(outcome.errors)")
            #expect(outcome.errors.contains("data-redis-1: as before"), "\(outcome.errors)")
            #expect(outcome.errors.contains("is a symbolic link"), "what the Job said is quoted: \(outcome.errors)")
            #expect(outcome.errors.contains("it has 2 pods again"), "\(outcome.errors)")
            #expect(rig.api.events.map { $0["reason"]?.text } == ["RestoreFailed"])
            try await rig.waitUntilPodsRun()
        }
    }

    @Test func aJobThatDoesNotStartIsQuotedAndGivenUp() async throws {
        try await VolumeRestoreRig.with(pods: 2) { rig in
            let digest = try await rig.backUp()
            rig.behaviours.change { $0 = [0: .waits("ImagePullBackOff"), 1: .waits("CreateContainerConfigError")] }
            let outcome = try await rig.restore("--replace", "--yes", "--job-start-timeout", "1")
            try await rig.expectSound(after: outcome, code: 5)
            #expect(outcome.errors.contains("ImagePullBackOff"), "\(outcome.errors)")
            #expect(outcome.errors.contains("CreateContainerConfigError"), "\(outcome.errors)")
            try await rig.waitUntilPodsRun()
            try await rig.expectEverywhere(digest)
        }
    }

    @Test func podsThatDoNotGoAreNamedAndTheRestComesBack() async throws {
        try await VolumeRestoreRig.with(pods: 2) { rig in
            let digest = try await rig.backUp()
            rig.stubborn.change { $0 = [0] }
            let outcome = try await rig.restore("--replace", "--yes", "--stop-timeout", "2")
            try await rig.expectSound(after: outcome, code: 5)
            #expect(outcome.errors.contains("redis-0 still runs"), "\(outcome.errors)")
            #expect(rig.jobsMade.value.isEmpty)
            try await rig.waitUntilPodsRun()
            try await rig.expectEverywhere(digest)
        }
    }

    /// A Job that is killed may have left its volume in the middle of the last steps: no server may start on it. The
    /// next run ends it, and the number of pods comes from the note.
    @Test func aVolumeThatIsNotKnownToBeWholeKeepsThePodsAwayUntilTheNextRun() async throws {
        try await VolumeRestoreRig.with(pods: 2) { rig in
            let digest = try await rig.backUp()
            rig.behaviours.change { $0 = [1: .isKilled] }
            let first = try await rig.restore("--replace", "--yes")
            #expect(first.code == 1 && first.errors.contains("data-redis-1: NOT KNOWN"), "\(first.errors)")
            #expect(first.errors.contains("OOMKilled") && first.errors.contains("redoubt.dev/replicas-before-restore"))
            #expect(rig.replicas == 0 && rig.note == "2" && rig.api.jobs.isEmpty)
            #expect(rig.pods.allSatisfy { !$0.child.isRunning })

            rig.behaviours.change { $0 = [:] }
            let second = try await rig.restore("--replace", "--yes")
            try await rig.expectSound(after: second, code: 0)
            #expect(second.output.contains("already restored"), "the first volume is not restored twice")
            try await rig.expectEverywhere(digest)
        }
    }

    /// kill -9 in the middle: the note is there, and the same command brings everything to its end.
    @Test func aRunThatWasKilledIsTakenUpByTheNextOne() async throws {
        try await VolumeRestoreRig.with(pods: 2) { rig in
            let digest = try await rig.backUp()
            try await rig.wipe(startAgain: true)
            rig.behaviours.change { $0 = [1: .hangs] }
            try await Redoubt.withRunning(rig.arguments(["--yes"])) { process in
                try await eventually("the first volume is restored", withinSeconds: 30) {
                    process.errors.text.contains("data-redis-0: restored") ? true : nil
                }
                process.kill(SIGKILL)
                _ = try await Redoubt.outcome(of: process)
            }
            #expect(rig.replicas == 0 && rig.note == "2" && rig.api.jobs.count == 2)
            // As after the minute that a lease is watched for that nobody renews.
            rig.api.changeLease("redoubt-redis", namespace: "prod") { $0.set("", at: "spec", "holderIdentity") }
            rig.behaviours.change { $0 = [:] }
            let outcome = try await rig.restore("--yes")
            try await rig.expectSound(after: outcome, code: 0)
            try await rig.expectEverywhere(digest)
            #expect(outcome.errors.contains("goes on with a restore"), "\(outcome.errors)")
            let requests = Set(rig.jobArguments.value.compactMap { $0.first { $0.hasPrefix("--request-id=") } })
            #expect(requests.count == 1, "it is the same restore")
        }
    }

    @Test func aSignalBringsThePodsBackInTime() async throws {
        try await VolumeRestoreRig.with(pods: 2) { rig in
            let digest = try await rig.backUp()
            rig.behaviours.change { $0 = [0: .hangs, 1: .hangs] }
            try await Redoubt.withRunning(rig.arguments(["--replace", "--yes"])) { process in
                try await eventually("the Jobs work", withinSeconds: 30) { rig.api.jobs.count == 2 ? true : nil }
                process.kill(SIGTERM)
                let outcome = try await Redoubt.outcome(of: process, withinSeconds: 15)
                try await rig.expectSound(after: outcome, code: 143)
                #expect(outcome.errors.contains("it has 2 pods again"), "\(outcome.errors)")
            }
            try await rig.waitUntilPodsRun()
            try await rig.expectEverywhere(digest)
        }
    }

    /// What cannot be undone in time is said, and the note keeps the number.
    @Test func aSignalWhileTheAPIServerIsAwayLeavesTheNote() async throws {
        try await VolumeRestoreRig.with(pods: 2) { rig in
            _ = try await rig.backUp()
            rig.behaviours.change { $0 = [0: .hangs, 1: .hangs] }
            try await Redoubt.withRunning(rig.arguments(["--replace", "--yes"])) { process in
                try await eventually("the Jobs work", withinSeconds: 30) { rig.api.jobs.count == 2 ? true : nil }
                rig.api.inject(.status(503), on: "", times: .max)
                process.kill(SIGTERM)
                let outcome = try await Redoubt.outcome(of: process, withinSeconds: 15)
                #expect(outcome.code == 143, "\(outcome.errors)")
                #expect(outcome.errors.contains("data-redis-0: NOT KNOWN"), "\(outcome.errors)")
                #expect(rig.replicas == 0 && rig.note == "2" && rig.api.jobs.count == 2)
            }
        }
    }

    /// What an API server does on a bad day, at each step.
    @Test func theAPIServerMayHaveABadDay() async throws {
        try await VolumeRestoreRig.with(pods: 2) { rig in
            let digest = try await rig.backUp()
            let set = "/apis/apps/v1/namespaces/prod/statefulsets/redis"
            rig.api.inject(.status(409), on: "PATCH \(set)/scale", times: 2)
            rig.api.inject(.lostAnswer, on: "PATCH \(set)/scale")
            rig.api.inject(.lostAnswer, on: "PATCH \(set)")
            rig.api.inject(.lostAnswer, on: "POST /apis/batch/v1/namespaces/prod/jobs")
            rig.api.inject(.status(503), on: "GET /apis/batch/v1/namespaces/prod/jobs", times: 2)
            rig.api.inject(.reset, on: "DELETE /apis/batch/v1/namespaces/prod/jobs")
            rig.api.inject(.dropWatch(afterEvents: 1), on: "GET /api/v1/namespaces/prod/pods?watch", times: 2)
            let outcome = try await rig.restore("--replace", "--yes")
            try await rig.expectSound(after: outcome, code: 0)
            try await rig.expectEverywhere(digest)
            #expect(rig.jobsMade.value.count == 2)
        }
    }

    /// An autoscaler, or GitOps: two servers and a Job on one volume would be worse than no restore.
    @Test func somebodyElseWhoScalesItEndsTheRestore() async throws {
        try await VolumeRestoreRig.with(pods: 2) { rig in
            let digest = try await rig.backUp()
            rig.behaviours.change { $0 = [0: .hangs, 1: .hangs] }
            try await Redoubt.withRunning(rig.arguments(["--replace", "--yes"])) { process in
                try await eventually("the Jobs work", withinSeconds: 30) { rig.api.jobs.count == 2 ? true : nil }
                rig.api.changeStatefulSet("redis", namespace: "prod") { $0.set(2, at: "spec", "replicas") }
                // Something moves, so that it is looked again.
                let job = rig.jobsMade.value[0]["metadata"]?["uid"]?.text ?? ""
                rig.api.changePod(rig.api.podNames(ofOwner: job)[0], namespace: "prod") {
                    $0.set("node7", at: "spec", "nodeName")
                }
                let outcome = try await Redoubt.outcome(of: process)
                try await rig.expectSound(after: outcome, code: 5)
                #expect(outcome.errors.contains("somebody scaled it to 2"), "\(outcome.errors)")
            }
            for pod in rig.pods where !pod.child.isRunning { try await pod.start() }
            try await rig.expectEverywhere(digest)
        }
    }
}
