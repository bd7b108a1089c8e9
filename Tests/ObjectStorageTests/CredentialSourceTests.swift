// SPDX-License-Identifier: Apache-2.0

import Failures
import Foundation
import HTTPTransport
import ObjectStorage
import TestParts
import Testing

/// Containers and machines: what they are asked, and what their answers come to (fault 62).
@Suite(.timeLimit(.minutes(2))) struct CredentialSourceTests {
    // MARK: Containers

    private static func container(_ url: String, _ home: URL) -> [String: String] {
        [
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "\(url)/v1/credentials?hush=1",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": home.appendingPathComponent("token").path,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "hush-value",
            // Whatever a proxy is, what is beside us is not asked through it.
            "HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1",
        ]
    }

    private static func write(_ token: String, _ home: URL) throws {
        try Data(token.utf8).write(to: home.appendingPathComponent("token"))
    }

    @Test func containerIsAskedWithTheTokenOfTheFile() async throws {
        try await withCredentialRig(environment: Self.container) { request, _ in
            request.isForBucket ? nil : S3Text.ok(CredentialText.json("ASIACON"))
        } _: { rig in
            try Self.write("hush token", rig.home)
            _ = try await rig.store.list(under: .root)
            #expect(rig.signers == ["ASIACON"])
            let asked = try #require(rig.asked.first)
            #expect(asked.method == "GET" && asked.target == "/v1/credentials?hush=1")
            #expect(asked.headers["authorization"] == "hush token")
            #expect(rig.server.requests.last?.headers["x-amz-security-token"] == "hush-token-ASIACON")
        }
    }

    @Test func tokenOfTheEnvironmentServesWithoutAFile() async throws {
        try await withCredentialRig(
            environment: { url, _ in
                [
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "\(url)/v1",
                    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "hush-value",
                ]
            },
            answer: { request, _ in
                request.isForBucket ? nil : S3Text.ok(CredentialText.json("ASIACON", endsAfter: nil))
            }
        ) { rig in
            _ = try await rig.store.list(under: .root)
            rig.clock.seconds.change { $0 += 1_000_000 }
            _ = try await rig.store.list(under: .root)
            #expect(rig.asked.map { $0.headers["authorization"] } == ["hush-value"])
        }
    }

    @Test(arguments: [nil, "", "hush\n", "hush\r\nX-Hush: 1", "hüsh"])
    func tokenThatIsNoneIsNotSent(_ token: String?) async throws {
        try await withCredentialRig(environment: Self.container) { _, _ in
            nil
        } _: { rig in
            if let token { try Self.write(token, rig.home) }
            let failure = try await rig.failure()
            #expect(failure.code == .configuration && failure.shown.contains("AWS_CONTAINER"), "\(failure.shown)")
            #expect(rig.server.requests.isEmpty)
        }
    }

    @Test(arguments: [
        (ScriptedHTTP.response("400 Bad Request", body: "hush-token-1\n denied"), Failure.Code.authenticationFailed, 1),
        (ScriptedHTTP.response("401 Unauthorized"), .authenticationFailed, 1),
        (ScriptedHTTP.response("404 Not Found"), .authenticationFailed, 1),
        (ScriptedHTTP.response("301 Moved", headers: ["Location: /hush"]), .authenticationFailed, 1),
        (ScriptedHTTP.response("500 Oops", body: "{}"), .storeUnavailable, 4),
        (ScriptedHTTP.response("429 Slow"), .storeUnavailable, 4),
        (ScriptedHTTP.response("200 OK", body: "hush"), .protocolViolation, 4),
        (ScriptedHTTP.response("200 OK", body: "[]"), .protocolViolation, 4),
        (ScriptedHTTP.response("200 OK", body: #"{"AccessKeyId":"hush"}"#), .protocolViolation, 4),
        (ScriptedHTTP.response("200 OK", body: #"{"AccessKeyId":7,"SecretAccessKey":"hush"}"#), .protocolViolation, 4),
        (ScriptedHTTP.response("200 OK", body: CredentialText.json("hu\\nsh")), .protocolViolation, 4),
        (ScriptedHTTP.response("200 OK", body: CredentialText.json("x", endsAfter: -5)), .authenticationFailed, 1),
        (ScriptedHTTP.response("200 OK", headers: ["Content-Length: 999"], body: "{"), .unreachable, 4),
        ("HTTP/1.1 200 OK\r\nContent-Le", .unreachable, 4), ("\u{16}\u{3}\u{1}", .protocolViolation, 4),
    ])
    func answersOfAContainerThatAreNoneAreRefused(_ answer: String, _ code: Failure.Code, _ tries: Int) async throws {
        try await withScriptedServer { connection, index in
            _ = try await connection.readRequest(connection: index)
            try await connection.write(answer)
        } body: { port in
            try await withCredentialRig(
                environment: { _, home in Self.container("http://127.0.0.1:\(port)", home) },
                answer: { _, _ in nil }
            ) { rig in
                try Self.write("hush-token-1", rig.home)
                let failure = try await rig.failure()
                #expect(failure.code == code, "\(failure.shown)")
                #expect(failure.shown.contains("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
                #expect(rig.clock.waits.value.count == tries - 1)
                #expect(rig.signers.isEmpty)
            }
        }
    }

    @Test func containerThatIsNotThereIsAnError() async throws {
        try await withFreePort { port in
            try await withCredentialRig(
                environment: { _, home in Self.container("http://127.0.0.1:\(port)", home) },
                answer: { _, _ in nil }
            ) { rig in
                try Self.write("hush", rig.home)
                let failure = try await rig.failure()
                #expect(failure.code == .unreachable && failure.hint != nil, "\(failure.shown)")
                #expect(rig.signers.isEmpty)
            }
        }
    }

    // MARK: Machines

    private static func machine(_ url: String, _ home: URL) -> [String: String] {
        [
            "AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": url,
            "HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1",
        ]
    }

    private static let rolePath = "/latest/meta-data/iam/security-credentials/"

    /// A metadata service with a role; `spoil` may answer in its place.
    private static func answer(
        _ request: SeenRequest,
        _ spoil: (SeenRequest) -> String? = { _ in nil }
    ) -> String? {
        if request.isForBucket { return nil }
        if let spoiled = spoil(request) { return spoiled }
        switch (request.method, request.target) {
        case ("PUT", "/latest/api/token"): return S3Text.ok("hush-session")
        case ("GET", rolePath): return S3Text.ok("node-role")
        case ("GET", rolePath + "node-role"):
            return S3Text.ok(CredentialText.json("ASIANODE", more: #","Code":"Success""#))
        default: return ScriptedHTTP.response("400 Bad Request")
        }
    }

    @Test func machineIsAskedWithAToken() async throws {
        try await withCredentialRig(environment: Self.machine) { request, _ in
            Self.answer(request)
        } _: { rig in
            _ = try await rig.store.list(under: .root)
            #expect(rig.signers == ["ASIANODE"])
            #expect(
                rig.asked.map { "\($0.method) \($0.target)" } == [
                    "PUT /latest/api/token", "GET \(Self.rolePath)", "GET \(Self.rolePath)node-role",
                ]
            )
            #expect(rig.asked[0].headers["x-aws-ec2-metadata-token-ttl-seconds"] == "21600")
            #expect(rig.asked[1...].allSatisfy { $0.headers["x-aws-ec2-metadata-token"] == "hush-session" })
        }
    }

    struct Spoiled: Sendable {
        let method: String
        let target: String
        let answer: String
        var code = Failure.Code.authenticationFailed
        let says: String
        var tries = 1
    }

    @Test(arguments: [
        Spoiled(method: "PUT", target: "/", answer: ScriptedHTTP.response("403 No"), says: "switched off"),
        // Another cloud, or a machine that has only version 1, which is never asked.
        Spoiled(method: "PUT", target: "/", answer: ScriptedHTTP.response("404 No"), says: "version 1"),
        Spoiled(method: "PUT", target: "/", answer: ScriptedHTTP.response("405 No"), says: "version 1"),
        Spoiled(method: "PUT", target: "/", answer: ScriptedHTTP.response("200 OK"), says: "no token"),
        Spoiled(method: "PUT", target: "/", answer: ScriptedHTTP.response("200 OK", body: "a\r\nb"), says: "no token"),
        Spoiled(
            method: "PUT",
            target: "/",
            answer: ScriptedHTTP.response("500 No"),
            code: .storeUnavailable,
            says: "500",
            tries: 3
        ),
        Spoiled(method: "GET", target: rolePath, answer: ScriptedHTTP.response("404 No"), says: "has no role"),
        Spoiled(method: "GET", target: rolePath, answer: ScriptedHTTP.response("401 No"), says: "401"),
        Spoiled(
            method: "GET",
            target: rolePath,
            answer: ScriptedHTTP.response("200 OK", body: "../../hush"),
            code: .protocolViolation,
            says: "name of a role",
            tries: 3
        ),
        Spoiled(
            method: "GET",
            target: rolePath,
            answer: ScriptedHTTP.response("503 No"),
            code: .storeUnavailable,
            says: "503",
            tries: 3
        ),
        Spoiled(
            method: "GET",
            target: rolePath + "node-role",
            answer: ScriptedHTTP.response(
                "200 OK",
                body: #"{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot"}"#
            ),
            says: "AssumeRoleUnauthorizedAccess: EC2 cannot"
        ),
        Spoiled(
            method: "GET",
            target: rolePath + "node-role",
            answer: ScriptedHTTP.response("200 OK", body: "hush"),
            code: .protocolViolation,
            says: "no JSON",
            tries: 3
        ),
        Spoiled(
            method: "GET",
            target: rolePath + "node-role",
            answer: ScriptedHTTP.response("200 OK", body: #"{"Code":"Success","AccessKeyId":"hush"}"#),
            code: .protocolViolation,
            says: "the secret is missing",
            tries: 3
        ),
    ])
    func answersOfAMachineThatAreNoneAreRefused(_ spoiled: Spoiled) async throws {
        try await withCredentialRig(environment: Self.machine) { request, _ in
            Self.answer(request) { request in
                let isMeant = request.method == spoiled.method && request.target.hasPrefix(spoiled.target)
                let isExact = spoiled.method == "PUT" || request.target == spoiled.target
                return isMeant && isExact ? spoiled.answer : nil
            }
        } _: { rig in
            let failure = try await rig.failure()
            #expect(failure.code == spoiled.code, "\(failure.shown)")
            #expect(failure.shown.contains(spoiled.says), "\(failure.shown)")
            #expect(failure.shown.contains("none are configured"))
            #expect(rig.clock.waits.value.count == spoiled.tries - 1)
            #expect(rig.signers.isEmpty)
        }
    }

    /// Where there is no such service there are no credentials, and all the ways to get some are named.
    @Test func machineThatIsNoneLeavesNoCredentials() async throws {
        try await withFreePort { port in
            try await withCredentialRig(
                environment: { _, home in Self.machine("http://127.0.0.1:\(port)", home) },
                answer: { _, _ in nil }
            ) { rig in
                let failure = try await rig.failure()
                #expect(failure.code == .authenticationFailed, "\(failure.shown)")
                for way in ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "IRSA", "Pod Identity", "docs/credentials.md"] {
                    #expect(failure.hint?.contains(way) == true, "\(failure.shown)")
                }
                #expect(failure.hint?.contains("hop limit") == false)
            }
        }
        try await withCredentialRig(environment: { _, _ in [:] }, answer: { _, _ in nil }) { rig in
            let failure = try await rig.failure()
            #expect(failure.code == .authenticationFailed)
            #expect(failure.shown.contains("AWS_EC2_METADATA_DISABLED") && failure.shown.contains("AWS_PROFILE"))
            #expect(rig.server.requests.isEmpty)
        }
    }

    /// In a pod, the answer to the request for a token is lost on its way.
    @Test func silenceIsTheHopLimit() async throws {
        try await withScriptedServer { connection, index in
            _ = try await connection.readRequest(connection: index)
            _ = try await connection.read(upTo: 1)
        } body: { port in
            try await withCredentialRig(
                environment: { _, home in
                    Self.machine("http://127.0.0.1:\(port)", home).merging(
                        ["AWS_METADATA_SERVICE_NUM_ATTEMPTS": "2", "AWS_METADATA_SERVICE_TIMEOUT": "0.5"]
                    ) { $1 }
                },
                answer: { _, _ in nil }
            ) { rig in
                let failure = try await rig.failure()
                #expect(failure.code == .authenticationFailed)
                #expect(failure.hint?.contains("--http-put-response-hop-limit 2") == true, "\(failure.shown)")
                #expect(rig.clock.waits.value.count == 1)
            }
        }
    }

    @Test func profileMayNameTheMachine() async throws {
        try await withCredentialRig(
            environment: { url, home in Self.machine(url, home).merging(["AWS_ENDPOINT_URL_STS": url]) { $1 } },
            config: { _, _ in "[default]\nrole_arn = arn:x\ncredential_source = Ec2InstanceMetadata\n" },
            answer: { request, _ in
                request.target == "/" ? CredentialText.role("ASIAROLE", action: "AssumeRole") : Self.answer(request)
            }
        ) { rig in
            _ = try await rig.store.list(under: .root)
            #expect(rig.signers == ["ASIAROLE"] && rig.asked.last?.signer == "ASIANODE")
        }
    }
}
