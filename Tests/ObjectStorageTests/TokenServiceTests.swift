// SPDX-License-Identifier: Apache-2.0

import Failures
import Foundation
import HTTPTransport
import Logging
import ObjectStorage
import TestParts
import Testing

/// Web identities (IRSA): what the security token service is asked, and what its answers
/// come to (fault 62).
@Suite(.timeLimit(.minutes(2))) struct TokenServiceTests {
    private static let role = "arn:aws:iam::123456789012:role/backup"

    private static func webIdentity(_ url: String, _ home: URL) -> [String: String] {
        [
            "AWS_WEB_IDENTITY_TOKEN_FILE": home.appendingPathComponent("token").path, "AWS_ROLE_ARN": role,
            "AWS_ENDPOINT_URL_STS": url, "HOSTNAME": "redis-backup-28@x",
        ]
    }

    private static func write(_ token: String, _ home: URL) throws {
        try Data(token.utf8).write(to: home.appendingPathComponent("token"))
    }

    // MARK: Web identities

    @Test func tokenIsChangedForCredentials() async throws {
        try await withCredentialRig(environment: Self.webIdentity) { request, _ in
            request.isForBucket ? nil : CredentialText.role("ASIAONE")
        } _: { rig in
            try Self.write(CredentialText.webToken() + "\n", rig.home)
            _ = try await rig.store.list(under: .root)
            _ = try await rig.store.list(under: .root)
            #expect(rig.signers == ["ASIAONE", "ASIAONE"])
            #expect(rig.server.requests.last?.headers["x-amz-security-token"] == "hush-token-ASIAONE")
            let asked = try #require(rig.asked.first)
            #expect(rig.asked.count == 1 && asked.method == "POST" && asked.target == "/")
            // The token is the proof: nothing is signed.
            #expect(asked.headers["authorization"] == nil)
            #expect(
                asked.form == [
                    "Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": Self.role,
                    "RoleSessionName": "redoubt-redis-backup-28x", "WebIdentityToken": CredentialText.webToken(),
                ]
            )
        }
    }

    @Test func profileMayHaveAWebIdentity() async throws {
        try await withCredentialRig(
            environment: { url, _ in ["AWS_ENDPOINT_URL_STS": url, "AWS_PROFILE": "irsa"] },
            config: { _, home in
                "[profile irsa]\nrole_arn = \(Self.role)\nrole_session_name = night\n"
                    + "web_identity_token_file = \(home.path)/token\n"
            },
            answer: { request, _ in request.isForBucket ? nil : CredentialText.role("ASIAONE") }
        ) { rig in
            try Self.write(CredentialText.webToken(), rig.home)
            _ = try await rig.store.list(under: .root)
            #expect(rig.signers == ["ASIAONE"])
            #expect(rig.asked.first?.form["RoleSessionName"] == "night")
        }
    }

    struct Refusal: Sendable {
        let status: String
        let code: String
        let failure: Failure.Code
        let says: [String]
        var tries = 1
    }

    @Test(arguments: [
        Refusal(
            status: "403 Forbidden",
            code: "AccessDenied",
            failure: .permissionDenied,
            says: [
                role, "trust policy", "sub system:serviceaccount:prod:backup", "aud sts.amazonaws.com",
                "AWS_WEB_IDENTITY_TOKEN_FILE", "403 AccessDenied",
            ]
        ),
        Refusal(
            status: "400 Bad Request",
            code: "InvalidIdentityToken",
            failure: .authenticationFailed,
            says: ["OIDC provider", "sts.amazonaws.com"]
        ),
        Refusal(
            status: "400 Bad Request",
            code: "ExpiredTokenException",
            failure: .authenticationFailed,
            says: ["kubelet", "/token"]
        ),
        Refusal(
            status: "403 Forbidden",
            code: "IDPRejectedClaim",
            failure: .authenticationFailed,
            says: ["audience"]
        ),
        Refusal(
            status: "400 Bad Request",
            code: "IDPCommunicationError",
            failure: .storeUnavailable,
            says: ["issuer", "after 4 tries"],
            tries: 4
        ),
        Refusal(status: "400 Bad Request", code: "ValidationError", failure: .configuration, says: ["ARN"]),
        Refusal(
            status: "403 Forbidden",
            code: "RegionDisabledException",
            failure: .configuration,
            says: ["AWS_REGION"]
        ),
        Refusal(
            status: "503 Unavailable",
            code: "ServiceUnavailable",
            failure: .storeUnavailable,
            says: ["503", "after 4 tries"],
            tries: 4
        ),
        Refusal(
            status: "400 Bad Request",
            code: "Throttling",
            failure: .storeUnavailable,
            says: ["after 4 tries"],
            tries: 4
        ),
    ])
    func refusalSaysWhatToDo(_ refusal: Refusal) async throws {
        let token = CredentialText.webToken()
        try await withCredentialRig(environment: Self.webIdentity) { request, _ in
            request.isForBucket
                ? nil : CredentialText.roleError(refusal.status, refusal.code, "no \(token)\n\u{1B}[31m no")
        } _: { rig in
            try Self.write(token, rig.home)
            let failure = try await rig.failure()
            #expect(failure.code == refusal.failure)
            for says in refusal.says { #expect(failure.shown.contains(says), "\(failure.shown)") }
            #expect(rig.asked.count == refusal.tries)
            #expect(rig.clock.waits.value.count == refusal.tries - 1)
            // Nobody else's credentials are tried (F56).
            #expect(rig.signers.isEmpty)
        }
    }

    /// What is no answer of a token service, byte by byte.
    @Test(arguments: [
        ("", Failure.Code.unreachable), ("hush\r\n\r\n", .protocolViolation),
        (ScriptedHTTP.response("200 OK", headers: ["Connection: close"], body: "hush"), .protocolViolation),
        (ScriptedHTTP.response("200 OK", headers: ["Connection: close"], body: "<A><B/></A>"), .protocolViolation),
        (
            String(CredentialText.role("hush").prefix(420)), .unreachable
        ),
        (
            CredentialText.role("hush").replacing("<AccessKeyId>hush</AccessKeyId>", with: "<AccessKey/>")
                .replacing("Content-Length: ", with: "X-Length: "), .protocolViolation
        ),
        (
            CredentialText.role("hush").replacing("2026-11", with: "hush-11"), .protocolViolation
        ),
        (
            CredentialText.role("hush").replacing("hush-token-hush", with: "hush token hush"), .protocolViolation
        ),
        (ScriptedHTTP.response("404 Not Found", headers: ["Connection: close"], body: "<html>hush"), .configuration),
        (
            ScriptedHTTP.response(
                "302 Found",
                headers: ["Connection: close", "Location: http://127.0.0.1:1/hush"]
            ),
            .configuration
        ),
        (
            ScriptedHTTP.response(
                "200 OK",
                headers: ["Connection: close"],
                body: String(repeating: "hush", count: 100_000)
            ),
            .protocolViolation
        ),
        ("stall", .timeout),
    ])
    func answersThatAreNoneAreRefused(_ answer: String, _ code: Failure.Code) async throws {
        try await withScriptedServer { connection, index in
            _ = try await connection.readRequest(connection: index)
            // The client gives up after a second.
            if answer == "stall" { _ = try await connection.read(upTo: 1) } else { try await connection.write(answer) }
        } body: { port in
            try await withCredentialRig(
                environment: { _, home in Self.webIdentity("http://127.0.0.1:\(port)", home) },
                answer: { _, _ in nil }
            ) { rig in
                try Self.write(CredentialText.webToken(), rig.home)
                let failure = try await rig.failure()
                #expect(failure.code == code, "\(failure.shown)")
                #expect(failure.shown.contains("AWS_WEB_IDENTITY_TOKEN_FILE"))
                #expect(rig.clock.waits.value.count == (code == .configuration ? 0 : 3))
                #expect(rig.signers.isEmpty)
            }
        }
    }

    @Test func tokenFileThatIsMissingOrEmptyIsAnError() async throws {
        for text in [nil, "", " \n", "hush hush"] {
            try await withCredentialRig(environment: Self.webIdentity) { _, _ in
                nil
            } _: { rig in
                if let text { try Self.write(text, rig.home) }
                let failure = try await rig.failure()
                #expect(failure.code == .configuration && failure.shown.contains("/token"))
                #expect(rig.server.requests.isEmpty)
            }
        }
    }

    // MARK: A real one

    /// moto takes the request of every source that there is, and gives credentials that it then takes for the bucket.
    @Test(arguments: ["web identity", "role", "machine"])
    func motoIsUnderstood(_ kind: String) async throws {
        try await withMoto { service in
            let bucket = try await service.makeBucket()
            try await withTemporaryFolder { home in
                try Self.write(CredentialText.webToken(), home)
                try FileManager.default.createDirectory(
                    at: home.appendingPathComponent(".aws"),
                    withIntermediateDirectories: true
                )
                var environment = ["HOME": home.path, "AWS_ENDPOINT_URL": service.endpoint, "AWS_REGION": "us-east-1"]
                switch kind {
                case "web identity":
                    environment["AWS_WEB_IDENTITY_TOKEN_FILE"] = home.appendingPathComponent("token").path
                    environment["AWS_ROLE_ARN"] = Self.role
                case "role":
                    let text = """
                        [default]
                        role_arn = \(Self.role)
                        source_profile = default
                        aws_access_key_id = A
                        aws_secret_access_key = B

                        """
                    try Data(text.utf8).write(to: home.appendingPathComponent(".aws/config"))
                default: environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = service.endpoint
                }
                let log = KeptLog()
                let configuration = StoreConfiguration(
                    environment: environment,
                    logger: Logger(label: "tests") { _ in log },
                    clock: .hasty
                )
                let key = try #require(ObjectKey(parsing: "a"))
                try await withObjectStore(StoreLocation(parsing: "s3://\(bucket)"), configuration: configuration) {
                    store in
                    try await store.create(key, [1, 2, 3])
                    #expect(try await store.readAll(key) == [1, 2, 3])
                }
                #expect(try await service.keys(in: bucket) == ["a"])
            }
        }
    }
}
