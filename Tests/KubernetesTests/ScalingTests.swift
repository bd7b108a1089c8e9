// SPDX-License-Identifier: Apache-2.0

import Failures
import Kubernetes
import TestParts
import Testing

/// Scaling and noting on a StatefulSet, its claims, and Jobs.
@Suite(.timeLimit(.minutes(2))) struct ScalingTests {
    private static let path = "/apis/apps/v1/namespaces/default/statefulsets/redis"

    @Test func aSetIsScaledAsOfTheVersionThatWasLookedAt() async throws {
        try await withRedisAPI { api in
            try await withClient(of: api) { client in
                let set = try await client.statefulSet("redis")
                let before = try await client.scale(of: set)
                #expect(before.replicas == 3)
                // Somebody else is faster, twice, and then the answer is lost: it is done once all the same.
                api.inject(.status(409), on: "PATCH \(Self.path)/scale", times: 2)
                api.inject(.lostAnswer, on: "PATCH \(Self.path)/scale")
                try await client.scale(set, to: 0, from: 3)
                let after = try await client.scale(of: set)
                #expect(after.replicas == 0)
                // What is done already is fine; what somebody else did is not.
                try await client.scale(set, to: 0, from: 3)
                let other = await failure(.alreadyExists) { try await client.scale(set, to: 2, from: 3) }
                #expect(other?.message.contains("somebody else scaled it to 0") == true)
                let stranger = StatefulSet(namespace: "default", name: "redis", uid: "another", replicas: 3)
                _ = await failure(.alreadyExists) { try await client.scale(stranger, to: 3, from: 0) }
                _ = await failure(.alreadyExists) { try await client.annotate(stranger, ["a": "b"]) }
            }
        }
    }

    @Test func conflictsWithoutEndAreAFailure() async throws {
        try await withRedisAPI { api in
            try await withClient(of: api) { client in
                let set = try await client.statefulSet("redis")
                api.inject(.status(409), on: "PATCH \(Self.path)", times: 1000)
                _ = await failure(.alreadyExists) { try await client.scale(set, to: 0, from: 3) }
                _ = await failure(.alreadyExists) { try await client.annotate(set, ["a": "b"]) }
            }
        }
    }

    @Test func aNoteLeavesEverythingElse() async throws {
        try await withRedisAPI { api in
            api.changeStatefulSet("redis") { $0.set("theirs", at: "metadata", "annotations", "other") }
            try await withClient(of: api) { client in
                let set = try await client.statefulSet("redis")
                try await client.annotate(set, ["redoubt.dev/replicas-before-restore": "3", "absent": nil])
                let noted = try await client.blueprint("redis", namespace: "default")
                #expect(noted.annotations["redoubt.dev/replicas-before-restore"] == "3")
                #expect(noted.annotations["other"] == "theirs" && noted.set == set)
                try await client.annotate(set, ["redoubt.dev/replicas-before-restore": nil])
                let after = try await client.blueprint("redis", namespace: "default")
                #expect(after.annotations["redoubt.dev/replicas-before-restore"] == nil)
                #expect(after.annotations["other"] == "theirs")
                #expect(after.generation == noted.generation, "a note is no change of what the set should be")
                try await client.scale(set, to: 1, from: 3)
                let scaled = try await client.blueprint("redis", namespace: "default")
                #expect(scaled.generation == after.generation + 1)
            }
        }
    }

    /// What a real server answered.
    @Test(arguments: ["get-scale.http", "patch-scale-merge.http"])
    func aScale(_ name: String) async throws {
        let recording = try recording(name)
        let set = StatefulSet(
            namespace: "default",
            name: "redis",
            uid: "f41bb626-851a-4254-949b-4f17a177e1e5",
            replicas: 3
        )
        try await withAnswer(recording.status, recording.body) { client, server in
            let scale = try await client.scale(of: set)
            #expect(scale.replicas == 3)
            #expect(server.requests.map(\.target) == ["\(Self.path)/scale"])
        }
    }

    @Test func aBlueprint() async throws {
        let recording = try recording("get-statefulset.http")
        try await withAnswer(recording.status, recording.body) { client, _ in
            let blueprint = try await client.blueprint("redis", namespace: "default")
            #expect(blueprint.generation == 1 && !blueprint.deletesClaimsWhenScaled)
            #expect(blueprint.claimTemplates.isEmpty && blueprint.claimMounts(ofContainer: "redis").isEmpty)
        }
    }

    @Test func aJobIsMadeFollowedAndDeletedWithItsPods() async throws {
        try await withRedisAPI { api in
            try await withClient(of: api) { client in
                let blueprint = try await client.blueprint("redis", namespace: "default")
                let mount = StatefulSetBlueprint.Mount(claimTemplate: "data", path: "/data")
                let job = VolumeJob(
                    name: "restore-0",
                    of: blueprint,
                    container: "redis",
                    labels: ["of": "redis"],
                    volume: VolumeJob.Volume(claim: "data-redis-0", mount: mount),
                    program: VolumeJob.Program(image: "redoubt:1", arguments: ["restore", "--from=$(X)"]),
                    secondsMax: 60
                )
                let made = try await client.createJob(job)
                #expect(made.ending == nil)
                _ = await failure(.alreadyExists) { _ = try await client.createJob(job) }
                let sent = try #require(api.jobs.first)
                let container = sent["spec"]?["template"]?["spec"]?["containers"]?[0]
                #expect(container?["args"] == .array(["restore", "--from=$$(X)"]), "nothing is expanded")

                let group = PodGroup(namespace: "default", selector: "of=redis", shown: "the Jobs")
                let pod = api.addPod(ofJob: sent)
                let pods = try await client.pods(of: group)
                #expect(pods.map(\.name) == [pod] && pods.first?.controllerUID == made.uid)
                api.endPod(ofJob: pod, namespace: "default", code: 8, message: "no")
                let ended = try await client.pods(of: group).first?.containers.first?.lastExit
                #expect(ended?.code == 8 && ended?.message == "no")
                api.endJob(sent, failure: ("BackoffLimitExceeded", "too often"))
                let failed = try await client.job("restore-0", namespace: "default")
                #expect(failed?.ending == .failed("BackoffLimitExceeded: too often"))

                try await client.deleteJob("restore-0", namespace: "default")
                try await client.deleteJob("restore-0", namespace: "default")
                let gone = try await client.job("restore-0", namespace: "default")
                #expect(gone == nil)
                let deletions = api.requests.filter { $0.hasPrefix("DELETE") }
                #expect(deletions.allSatisfy { $0.hasSuffix("jobs/restore-0?propagationPolicy=Background") })
                api.addClaim("data-redis-0")
                let claim = try await client.claim("data-redis-0", namespace: "default")
                let none = try await client.claim("data-redis-1", namespace: "default")
                #expect(claim?.phase == "Bound" && none == nil)
            }
        }
    }

    /// EKS sets the variables of a role for each pod, and not where they are already; the token of ours stays with us.
    @Test func aJobGetsTheRoleOfItsOwnServiceAccount() async throws {
        let pod = """
            {"volumes": [{"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}],
             "containers": [{"name": "redoubt", "image": "redoubt:1",
              "volumeMounts": [{"name": "token", "mountPath": "/aws"}], "env": [
               {"name": "AWS_REGION", "value": "eu-west-1"}, {"name": "AWS_ROLE_ARN", "value": "arn"},
               {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "FOLDER/token"}]}]}
            """
        for (folder, expected) in [
            ("/aws", ["AWS_REGION"]),
            ("/elsewhere", ["AWS_REGION", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"]),
        ] {
            try await withRedisAPI { api in
                let spec = try TestJSON(parsing: pod.replacing("FOLDER", with: folder))
                api.changePod("redis-0") { $0.set(spec, at: "spec") }
                try await withClient(of: api) { client in
                    var program = VolumeJob.Program(image: "redoubt:1", arguments: [])
                    program.own = try await client.ownContainer(pod: "redis-0", namespace: "default")
                    let job = VolumeJob(
                        name: "restore-0",
                        of: try await client.blueprint("redis", namespace: "default"),
                        container: "redis",
                        labels: ["of": "redis"],
                        volume: VolumeJob.Volume(
                            claim: "data-redis-0",
                            mount: .init(claimTemplate: "data", path: "/data")
                        ),
                        program: program,
                        secondsMax: 60
                    )
                    _ = try await client.createJob(job)
                }
                let container = api.jobs.first?["spec"]?["template"]?["spec"]?["containers"]?[0]
                #expect(container?["env"]?.array?.compactMap { $0["name"]?.text } == expected)
            }
        }
    }
}
