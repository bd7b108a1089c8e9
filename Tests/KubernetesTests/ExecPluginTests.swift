// SPDX-License-Identifier: Apache-2.0

import Failures
import Foundation
import Kubernetes
import TestParts
import Testing

@Suite(.timeLimit(.minutes(2))) struct ExecPluginTests {
    private static let version = "client.authentication.k8s.io/v1"

    /// A kubeconfig of the double whose user has a plugin: `script` in a file `plugin` beside it.
    private static func kubeconfig(
        _ api: KubernetesDouble,
        in folder: URL,
        _ script: String,
        more: String = "",
        version: String = version
    ) throws -> String {
        let file = folder.appendingPathComponent("plugin")
        try writeProgram("#!/bin/sh\n\(script)\n", to: file.path)
        let user = "exec: {apiVersion: \(version), command: ./plugin, args: [get-token, --hush=hush-argument]\(more)}"
        return try api.kubeconfig(in: folder, user: user)
    }

    private static func credential(_ status: String, version: String = version) -> String {
        #"{"apiVersion":"\#(version)","kind":"ExecCredential","status":{\#(status)}}"#
    }

    /// Prints the token that stands in a file, counts its runs in another.
    private static func script(_ folder: URL, expires: String = "") -> String {
        """
        echo run >> '\(folder.path)/runs'
        printf '{"apiVersion":"\(version)","kind":"ExecCredential","status":{"token":"%s"\(expires)}}' \
        "$(cat '\(folder.path)/secret')"
        """
    }

    private static func runs(_ folder: URL) -> Int {
        let text = try? String(contentsOf: folder.appendingPathComponent("runs"), encoding: .utf8)
        return (text ?? "").split(separator: "\n").count
    }

    private static func write(_ token: String, in folder: URL) throws {
        try Data(token.utf8).write(to: folder.appendingPathComponent("secret"))
    }

    @Test func aTokenIsGotOnceAndAgainWhenItIsRefused() async throws {
        try await withRedisAPI { api in
            try await withTemporaryFolder { folder in
                try Self.write(api.token, in: folder)
                let path = try Self.kubeconfig(api, in: folder, Self.script(folder))
                try await withClient(KubernetesSettings(kubeconfig: path, environment: ["PATH": "/usr/bin:/bin"])) {
                    client in
                    #expect(Self.runs(folder) == 0)
                    _ = try await client.statefulSet("redis")
                    _ = try await client.statefulSet("redis")
                    #expect(Self.runs(folder) == 1)
                    try Self.write(api.rotateToken(), in: folder)
                    _ = try await client.statefulSet("redis")
                    #expect(Self.runs(folder) == 2)
                    try api.rotateToken()
                    let failure = await failure(.authenticationFailed) { _ = try await client.statefulSet("redis") }
                    #expect(failure?.message.contains("the server answered 401: Unauthorized") == true)
                    #expect(Self.runs(folder) == 3)
                }
            }
        }
    }

    @Test func aTokenThatEndsSoonIsGotAnew() async throws {
        try await withRedisAPI { api in
            try await withTemporaryFolder { folder in
                try Self.write(api.token, in: folder)
                // The clock of the test shows 2027-01-15T08:00:00Z.
                let script = Self.script(folder, expires: #","expirationTimestamp":"2027-01-15T08:01:00Z""#)
                let path = try Self.kubeconfig(api, in: folder, script)
                let clock = TurnedClock()
                let settings = KubernetesSettings(kubeconfig: path, environment: ["PATH": "/usr/bin:/bin"])
                try await withKubernetesClient(settings, logger: quiet, clock: clock.clock) { client in
                    for (seconds, runs) in [(0, 1), (49, 1), (50, 2), (0, 2)] {
                        clock.seconds.change { $0 = 1_800_000_000 + Int64(seconds) }
                        _ = try await client.statefulSet("redis")
                        #expect(Self.runs(folder) == runs, "after \(seconds) s")
                    }
                }
            }
        }
    }

    @Test func manyRequestsAtOnceRunItOnce() async throws {
        try await withRedisAPI { api in
            try await withTemporaryFolder { folder in
                try Self.write(api.token, in: folder)
                let path = try Self.kubeconfig(api, in: folder, Self.script(folder))
                try await withClient(KubernetesSettings(kubeconfig: path, environment: ["PATH": "/usr/bin:/bin"])) {
                    client in
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for _ in 0..<8 { group.addTask { _ = try await client.statefulSet("redis") } }
                        try await group.waitForAll()
                    }
                }
                #expect(Self.runs(folder) == 1)
            }
        }
    }

    @Test func itIsToldAboutTheClusterAndHasNoTerminal() async throws {
        try await withRedisAPI { api in
            try await withTemporaryFolder { folder in
                let script = """
                    printf '%s' "$KUBERNETES_EXEC_INFO" > '\(folder.path)/info'
                    printf '%s' "$EXTRA $OURS" > '\(folder.path)/environment'
                    cat > '\(folder.path)/input'
                    (: < /dev/tty) 2>/dev/null && echo yes > '\(folder.path)/terminal'
                    cat <<'X'
                    \(Self.credential(#""token":"\#(api.token)""#))
                    X
                    """
                let more = ", provideClusterInfo: true, interactiveMode: IfAvailable, env: [{name: EXTRA, value: more}]"
                let path = try Self.kubeconfig(api, in: folder, script, more: more)
                let environment = ["PATH": "/usr/bin:/bin", "OURS": "too", "EXTRA": "less"]
                try await withClient(KubernetesSettings(kubeconfig: path, environment: environment)) { client in
                    _ = try await client.statefulSet("redis")
                }
                func text(_ name: String) throws -> String {
                    try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
                }
                let expected =
                    #"{"apiVersion":"\#(Self.version)","kind":"ExecCredential","spec":{"#
                    + #""cluster":{"server":"\#(api.url)"},"interactive":false}}"#
                #expect(try text("info") == expected)
                #expect(try text("environment") == "more too")
                #expect(try text("input") == "")
                #expect(throws: (any Error).self) { try text("terminal") }
            }
        }
    }

    @Test func whatItComplainsOfIsShownWithoutSecrets() async throws {
        try await withRedisAPI { api in
            try await withTemporaryFolder { folder in
                let script = "echo hush-output; echo \"login expired for $APP_SECRET\" >&2; echo again >&2; exit 3"
                let more = ", env: [{name: APP_SECRET, value: hush-value}], installHint: 'get it from example.org'"
                let path = try Self.kubeconfig(api, in: folder, script, more: more)
                try await withClient(KubernetesSettings(kubeconfig: path, environment: ["PATH": "/usr/bin:/bin"])) {
                    client in
                    let failure = await failure(.authenticationFailed) { _ = try await client.statefulSet("redis") }
                    let text = "\(failure?.description ?? "") \(failure?.hint ?? "")"
                    #expect(text.contains("it ended with exit code 3: login expired for *** | again"), "\(text)")
                    #expect(text.contains("get the StatefulSet default/redis at "))
                    #expect(text.contains("get it from example.org"))
                    #expect(!text.contains("hush"))
                }
            }
        }
    }

    @Test func aPluginThatCannotBeStartedIsAFailureOfConfiguration() async throws {
        try await withRedisAPI { api in
            try await withTemporaryFolder { folder in
                let path = try Self.kubeconfig(api, in: folder, "exit 0")
                let plugin = folder.appendingPathComponent("plugin").path
                try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: plugin)
                let settings = KubernetesSettings(kubeconfig: path, environment: ["PATH": "/usr/bin:/bin"])
                try await withClient(settings) { client in
                    let failure = await failure(.configuration) { _ = try await client.statefulSet("redis") }
                    #expect(failure?.description.contains("hush") == false, "\(failure?.description ?? "")")
                }
            }
        }
    }

    @Test func aPluginThatIsNotInstalledNamesItsHint() async throws {
        try await withRedisAPI { api in
            try await withTemporaryFolder { folder in
                for command in ["no-such-plugin-of-redoubt", "/nonexistent/plugin"] {
                    let path = try api.kubeconfig(
                        in: folder,
                        user: "exec: {apiVersion: \(Self.version), command: \(command), installHint: 'run: install it'}"
                    )
                    let settings = KubernetesSettings(kubeconfig: path, environment: ["PATH": "/usr/bin:/bin"])
                    try await withClient(settings) { client in
                        let failure = await failure(.configuration) { _ = try await client.statefulSet("redis") }
                        #expect(failure?.hint == "The kubeconfig says about it: run: install it")
                        #expect(failure?.description.contains(command) == true)
                    }
                }
            }
        }
    }

    @Test(arguments: [
        "", "hush", "{}", credential(""), credential(#""token":"""#), credential(#""token":"hush hush""#),
        credential(#""clientCertificateData":"hush""#), credential(#""token":"hush""#, version: "hush/v1"),
        credential(#""token":"hush","expirationTimestamp":"hush""#), credential(#""token":17"#),
        #"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential"}"#,
    ])
    func whatIsNoCredentialIsRefusedAndNotShown(_ output: String) async throws {
        try await withRedisAPI { api in
            try await withTemporaryFolder { folder in
                let path = try Self.kubeconfig(api, in: folder, "cat <<'X'\n\(output)\nX")
                try await withClient(KubernetesSettings(kubeconfig: path, environment: ["PATH": "/usr/bin:/bin"])) {
                    client in
                    let failure = await failure(.authenticationFailed) { _ = try await client.statefulSet("redis") }
                    #expect(failure.map { "\($0) \($0.hint ?? "")" }?.contains("hush") == false)
                }
            }
        }
    }

    @Test func aPluginThatDoesNotEndIsEndedWithAllThatItStarted() async throws {
        try await withRedisAPI { api in
            try await withTemporaryFolder { folder in
                let path = try Self.kubeconfig(
                    api,
                    in: folder,
                    "trap '' TERM\nsleep 600 & echo $! > '\(folder.path)/started'\nmv '\(folder.path)/started' "
                        + "'\(folder.path)/child'\nwait"
                )
                let child = folder.appendingPathComponent("child")
                var clock = TurnedClock()
                clock.pluginTime = {
                    try await eventually("the plugin to begin") {
                        FileManager.default.fileExists(atPath: child.path) ? () : nil
                    }
                }
                let settings = KubernetesSettings(kubeconfig: path, environment: ["PATH": "/usr/bin:/bin"])
                try await withKubernetesClient(settings, logger: quiet, clock: clock.clock) { client in
                    let failure = await failure(.timeout) { _ = try await client.statefulSet("redis") }
                    #expect(failure?.description.contains("it did not end within 60 s") == true)
                }
                let text = try String(contentsOf: child, encoding: .utf8).split(separator: "\n").first ?? ""
                let pid = try #require(pid_t(text))
                try await eventually("what it started to be gone") { kill(pid, 0) == 0 ? nil : () }
            }
        }
    }

    @Test func aFloodOfOutputIsCutOff() async throws {
        try await withRedisAPI { api in
            try await withTemporaryFolder { folder in
                let path = try Self.kubeconfig(api, in: folder, "head -c 3000000 /dev/zero")
                try await withClient(KubernetesSettings(kubeconfig: path, environment: ["PATH": "/usr/bin:/bin"])) {
                    client in
                    _ = await failure(.authenticationFailed) { _ = try await client.statefulSet("redis") }
                }
            }
        }
    }

    @Test func anOlderVersionOfTheProtocolIsSpokenToo() async throws {
        try await withRedisAPI { api in
            try await withTemporaryFolder { folder in
                let beta = "client.authentication.k8s.io/v1beta1"
                let output = Self.credential(#""token":"\#(api.token)""#, version: beta)
                let path = try Self.kubeconfig(api, in: folder, "cat <<'X'\n\(output)\nX", version: beta)
                try await withClient(KubernetesSettings(kubeconfig: path, environment: ["PATH": "/usr/bin:/bin"])) {
                    client in
                    _ = try await client.statefulSet("redis")
                }
            }
        }
    }

    @Test func aCertificateFromAPluginIsShown() async throws {
        let material = try await TLSMaterial.shared()
        try await withKubernetesAPI(tls: material, clientAuthority: material.authority) { api in
            try api.addStatefulSet("redis")
            try await withTemporaryFolder { folder in
                let script = """
                    pem() { awk '{printf "%s\\\\n", $0}' "$1"; }
                    printf '{"apiVersion":"\(Self.version)","kind":"ExecCredential","status":{'
                    printf '"clientCertificateData":"%s","clientKeyData":"%s"}}' \
                    "$(pem '\(material.clientCertificate)')" "$(pem '\(material.clientKey)')"
                    """
                let path = try Self.kubeconfig(api, in: folder, script)
                try await withClient(KubernetesSettings(kubeconfig: path, environment: ["PATH": "/usr/bin:/bin"])) {
                    client in
                    _ = try await client.statefulSet("redis")
                }
            }
        }
    }
}
