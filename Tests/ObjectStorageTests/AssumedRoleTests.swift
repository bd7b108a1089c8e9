// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Foundation
import TestParts
import Testing

/// Roles of profiles: who takes them on, and how the security token service is asked.
@Suite(.timeLimit(.minutes(2))) struct AssumedRoleTests {
    private static let chain = """
        [default]
        role_arn = arn:outer
        source_profile = middle
        external_id = hush-external
        duration_seconds = 1800
        [profile middle]
        role_arn = arn:inner
        source_profile = base
        role_session_name = inner
        [profile base]
        aws_access_key_id = AKIABASE
        aws_secret_access_key = hush-base

        """

    @Test func rolesAreTakenOnOneAfterAnother() async throws {
        try await withCredentialRig(
            environment: { url, _ in ["AWS_ENDPOINT_URL_STS": url, "AWS_REGION": "eu-west-1"] },
            config: { _, _ in Self.chain },
            answer: { request, _ in
                request.isForBucket
                    ? nil
                    : CredentialText.role(
                        request.form["RoleArn"] == "arn:inner" ? "ASIAIN" : "ASIAOUT",
                        action: "AssumeRole"
                    )
            }
        ) { rig in
            _ = try await rig.store.list(under: .root)
            #expect(rig.signers == ["ASIAOUT"])
            #expect(rig.asked.map(\.signer) == ["AKIABASE", "ASIAIN"])
            #expect(rig.asked.last?.headers["x-amz-security-token"] == "hush-token-ASIAIN")
            #expect(
                rig.asked.map(\.form) == [
                    [
                        "Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": "arn:inner",
                        "RoleSessionName": "inner",
                    ],
                    [
                        "Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": "arn:outer",
                        "RoleSessionName": "redoubt-\(TurnedClock.start)", "ExternalId": "hush-external",
                        "DurationSeconds": "1800",
                    ],
                ]
            )
        }
    }

    /// The signature is the one that botocore makes.
    @Test func requestsAreSignedForTheTokenService() async throws {
        try await withCredentialRig(
            environment: { url, _ in ["AWS_ENDPOINT_URL_STS": url, "AWS_REGION": "eu-west-1"] },
            config: { _, _ in Self.chain },
            answer: { request, _ in request.isForBucket ? nil : CredentialText.role("ASIAIN", action: "AssumeRole") }
        ) { rig in
            _ = try await rig.store.list(under: .root)
            let asked = try #require(rig.asked.first)
            let names = ["content-type"]
            let signed = try await S3Oracle.sign([
                S3Oracle.Unsigned(
                    method: "POST",
                    url: "\(rig.server.url)/",
                    headers: asked.headers.filter { names.contains($0.key) }.map { ($0.key, $0.value) },
                    bodySHA256: SHA256Digest.hex(of: asked.body),
                    time: asked.headers["x-amz-date"] ?? "",
                    accessKey: "AKIABASE",
                    secretKey: "hush-base",
                    region: "eu-west-1",
                    service: "sts"
                )
            ])
            let theirs = signed.first?.authorization
            func signature(_ text: String?) -> Substring? { text?.split(separator: "Signature=").last }
            #expect(asked.headers["authorization"]?.contains("/20261125/eu-west-1/sts/aws4_request") == true)
            #expect(signature(asked.headers["authorization"]) == signature(theirs))
        }
    }

    @Test func clockOfTheTokenServiceIsTakenOver() async throws {
        try await withCredentialRig(
            environment: { url, _ in ["AWS_ENDPOINT_URL_STS": url] },
            config: { _, _ in
                "[default]\nrole_arn = arn:x\nsource_profile = default\naws_access_key_id = A\n"
                    + "aws_secret_access_key = hush\n"
            },
            answer: { request, _ in
                if request.isForBucket { return nil }
                let date = "Date: Wed, 25 Nov 2026 02:00:00 GMT"
                guard request.headers["x-amz-date"] == "20261125T020000Z" else {
                    return CredentialText.roleError("403 Forbidden", "SignatureDoesNotMatch").replacing(
                        "Connection: close",
                        with: "Connection: close\r\n\(date)"
                    )
                }
                // An hour by their clock, which is an hour by ours.
                return CredentialText.role("ASIAONE", endsAfter: 3 * 3600, action: "AssumeRole").replacing(
                    "Connection: close",
                    with: "Connection: close\r\n\(date)"
                )
            }
        ) { rig in
            _ = try await rig.store.list(under: .root)
            #expect(rig.signers == ["ASIAONE"] && rig.asked.count == 2)
            rig.clock.seconds.change { $0 += 3000 }
            _ = try await rig.store.list(under: .root)
            #expect(rig.asked.count == 2)
            rig.clock.seconds.change { $0 += 500 }
            _ = try await rig.store.list(under: .root)
            #expect(rig.asked.count == 4)
        }
    }

    @Test(arguments: [
        ("AccessDenied", Failure.Code.permissionDenied, "sts:AssumeRole on arn:x"),
        ("InvalidClientTokenId", .authenticationFailed, "source of the AWS profile default"),
        ("ExpiredToken", .authenticationFailed, "have ended"),
        ("SignatureDoesNotMatch", .authenticationFailed, "secret of the source"),
    ])
    func refusalOfARoleSaysWhatToDo(_ code: String, _ expected: Failure.Code, _ says: String) async throws {
        try await withCredentialRig(
            environment: { url, _ in ["AWS_ENDPOINT_URL_STS": url] },
            config: { _, _ in
                "[default]\nrole_arn = arn:x\nexternal_id = hush-id\nsource_profile = default\naws_access_key_id = A\n"
                    + "aws_secret_access_key = hush\n"
            },
            answer: { request, _ in
                request.isForBucket ? nil : CredentialText.roleError("403 Forbidden", code, "hush-id is not hush-base")
            }
        ) { rig in
            let failure = await #expect(throws: Failure.self) { try await rig.store.list(under: .root) }
            #expect(failure?.code == expected)
            let text = failure?.shown ?? ""
            #expect(text.contains(says) && text.contains("the role arn:x of the AWS profile default"), "\(text)")
            #expect(!text.contains("hush-id"), "\(text)")
        }
    }
}
