// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// An encrypted backup onto the volumes of a StatefulSet: the Jobs need the identity, and whether they have it is found
/// out before any pod is stopped.
struct VolumeEncryptionTests {
    @Test func theJobsGetTheIdentityOutOfASecret() async throws {
        try await withTemporaryFolder { folder in
            let keys = try await AgeKeys("keys", in: folder)
            let strange = try await AgeKeys("strange", in: folder)
            try await VolumeRestoreRig.with(pods: 2) { rig in
                let digest = try await rig.backUp("--recipient", keys.recipient)
                try await rig.pods[0].command("FLUSHALL")
                let secret = "redoubt-identity/key.txt"
                let refusals: [(code: Int32, says: String, words: [String])] = [
                    (12, "--identity-secret", []),
                    (64, "would not find", ["--identity", keys.identityFile]),
                    (12, "--identity", ["--identity-secret", secret, "--identity", strange.identityFile]),
                    (
                        64, "would not find",
                        ["--identity-secret", secret, "--identity-passphrase-file", keys.identityFile]
                    ),
                    (64, "NAME/KEY", ["--identity-secret", "a/b/c"]),
                ]
                for (code, says, words) in refusals {
                    let outcome = try await Redoubt.run(rig.arguments(["--replace", "--yes"] + words))
                    #expect(outcome.code == code && outcome.errors.contains(says), "\(words): \(outcome.errors)")
                    #expect(!outcome.errors.contains(strange.identity))
                }
                let touching = rig.api.uses.filter { ["patch", "delete"].contains($0.verb) }
                #expect(touching.isEmpty && rig.jobsMade.value.isEmpty && rig.replicas == 2)

                let path = "--identity=/run/redoubt-identity/key.txt"
                rig.mounted.change { $0 = [path: "--identity=\(keys.identityFile)"] }
                let outcome = try await rig.restore(
                    "--replace",
                    "--yes",
                    "--identity-secret",
                    secret,
                    "--identity",
                    keys.identityFile
                )
                #expect(outcome.code == 0, "\(outcome.errors)")
                #expect(!(outcome.output + outcome.errors).contains(keys.identity))
                #expect(rig.jobArguments.value.count == 2 && rig.jobArguments.value.allSatisfy { $0.contains(path) })
                try await expectTheSecret(in: rig.jobsMade.value)
                try await rig.waitUntilPodsRun()
                try await rig.expectEverywhere(digest)
                #expect(rig.replicas == 2 && rig.note == nil && rig.api.jobs.isEmpty)
            }
        }
    }

    private func expectTheSecret(in jobs: [TestJSON]) async throws {
        for job in jobs {
            let spec = try #require(job["spec"]?["template"]?["spec"])
            let volume = spec["volumes"]?.array?.first { $0["secret"] != nil }
            #expect(volume?["secret"]?["secretName"]?.text == "redoubt-identity")
            #expect(volume?["secret"]?["items"]?[0]?["key"]?.text == "key.txt")
            let mounts = spec["containers"]?[0]?["volumeMounts"]?.array ?? []
            let mount = mounts.first { $0["name"] == volume?["name"] }
            #expect(mount?["mountPath"]?.text == "/run/redoubt-identity" && mount?["readOnly"]?.bool == true)
        }
    }
}
