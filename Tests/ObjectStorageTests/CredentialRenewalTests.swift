// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Foundation
import HTTPTransport
import ObjectStorage
import TestParts
import Testing

/// Credentials end while a run goes on (fault 38).
@Suite(.timeLimit(.minutes(2))) struct CredentialRenewalTests {
    private static func webIdentity(_ url: String, _ home: URL) -> [String: String] {
        [
            "AWS_WEB_IDENTITY_TOKEN_FILE": home.appendingPathComponent("token").path, "AWS_ROLE_ARN": "arn",
            "AWS_ENDPOINT_URL_STS": url,
        ]
    }

    private static func write(_ token: String, _ home: URL) throws {
        try Data(token.utf8).write(to: home.appendingPathComponent("token"))
    }

    /// A token service that numbers what it gives; each lasts for an hour of a clock.
    private static func numbered(_ given: Shared<Int>, _ clock: TurnedClock) -> String {
        let number = given.change { given -> Int in
            given += 1
            return given
        }
        return CredentialText.role("ASIA\(number)", endsAfter: clock.seconds.value - TurnedClock.start + 3600)
    }

    @Test func tokenFileIsReadAnewBeforeTheyEnd() async throws {
        let (given, clock) = (Shared(0), TurnedClock())
        try await withCredentialRig(
            environment: Self.webIdentity,
            clock: clock,
            answer: { request, _ in request.isForBucket ? nil : Self.numbered(given, clock) }
        ) { rig in
            // With a chance of a half, 450 s before the end.
            for (seconds, token, signer) in [(0, "one", "ASIA1"), (3149, "two", "ASIA1"), (3150, "three", "ASIA2")] {
                try Self.write("hush-\(token)", rig.home)
                clock.seconds.change { $0 = TurnedClock.start + Int64(seconds) }
                _ = try await rig.store.list(under: .root)
                #expect(rig.signers.last == signer, "after \(seconds) s")
            }
            #expect(rig.asked.map { $0.form["WebIdentityToken"] } == ["hush-one", "hush-three"])
        }
    }

    /// The credentials of each part are those of the moment in which it is sent.
    @Test func uploadGoesOnWithNewCredentials() async throws {
        let (given, clock) = (Shared(0), TurnedClock())
        let key = try #require(ObjectKey(parsing: "a"))
        try await withCredentialRig(
            environment: Self.webIdentity,
            clock: clock,
            configure: {
                $0.partSizeBytes = 5 << 20
                $0.partsInFlight = 1
            },
            answer: { request, _ in
                guard request.isForBucket else { return Self.numbered(given, clock) }
                switch request.method {
                case "POST" where request.target.contains("uploads"):
                    return S3Text.ok(
                        "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
                    )
                case "PUT":
                    // An hour passes with each part.
                    clock.seconds.change { $0 += 3600 }
                    return S3Text.ok("", headers: ["ETag: \"x\""])
                default:
                    return ScriptedHTTP.response(
                        request.target == "/bucket" ? "200 OK" : "404 Not Found",
                        headers: ["Connection: close"]
                    )
                }
            }
        ) { rig in
            try Self.write("hush", rig.home)
            let bytes = [UInt8](repeating: 7, count: 11 << 20)
            _ = try await rig.store.stage(key, estimatedBytes: nil, from: chunked(bytes, 1 << 20))
            let parts = rig.server.requests.filter { $0.isForBucket && $0.method == "PUT" }
            #expect(parts.map(\.signer) == ["ASIA1", "ASIA2", "ASIA3"])
        }
    }

    @Test func manyRequestsAtOnceAskOnce() async throws {
        let (given, clock) = (Shared(0), TurnedClock())
        try await withCredentialRig(
            environment: Self.webIdentity,
            clock: clock,
            answer: { request, _ in request.isForBucket ? nil : Self.numbered(given, clock) }
        ) { rig in
            try Self.write("hush", rig.home)
            for round in 1...2 {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<8 { group.addTask { _ = try await rig.store.list(under: .root) } }
                    try await group.waitForAll()
                }
                #expect(given.value == round)
                clock.seconds.change { $0 += 3600 }
            }
        }
    }

    /// All who waited for one load hear of its failure; none asks again for itself.
    @Test func manyRequestsAtOnceFailOnce() async throws {
        try await withCredentialRig(environment: Self.webIdentity) { request, _ in
            if request.isForBucket { return nil }
            try await Task.sleep(for: .milliseconds(300))
            return CredentialText.roleError("403 Forbidden", "AccessDenied")
        } _: { rig in
            try Self.write("hush", rig.home)
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        let failure = await #expect(throws: Failure.self) { try await rig.store.list(under: .root) }
                        #expect(failure?.code == .permissionDenied)
                    }
                }
            }
            // One that comes late may ask once more.
            #expect(rig.asked.count <= 2)
        }
    }

    @Test func cancelledTaskLeavesTheLoadToAnother() async throws {
        try await withCredentialRig(
            environment: Self.webIdentity,
            configure: { $0.noProgressSeconds = 60 },
            answer: { request, number in
                if request.isForBucket { return nil }
                if number == 1 { try await Task.sleep(for: .seconds(600)) }
                return CredentialText.role("ASIATWO")
            }
        ) { rig in
            try Self.write("hush", rig.home)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    await #expect(throws: CancellationError.self) {
                        try await withThrowingTaskGroup(of: Void.self) { inner in
                            inner.addTask { _ = try await rig.store.list(under: .root) }
                            try await eventually("the first question") { rig.asked.isEmpty ? nil : true }
                            inner.cancelAll()
                            try await inner.next()
                        }
                    }
                }
                group.addTask { _ = try await rig.store.list(under: .root) }
                try await group.waitForAll()
            }
            #expect(rig.signers == ["ASIATWO"])
        }
    }

    // MARK: When nothing new comes

    @Test func oldOnesServeWhileTheyAreGood() async throws {
        let (given, clock) = (Shared(0), TurnedClock())
        try await withCredentialRig(
            environment: Self.webIdentity,
            clock: clock,
            answer: { request, _ in
                if request.isForBucket { return nil }
                return given.value == 0
                    ? Self.numbered(given, clock) : CredentialText.roleError("403 Forbidden", "AccessDenied", "hush-1")
            }
        ) { rig in
            try Self.write("hush-1", rig.home)
            _ = try await rig.store.list(under: .root)
            // Asked when they are due, a minute later again, and not between.
            for (seconds, asked) in [(3200, 2), (3201, 2), (3260, 3), (3599, 4)] {
                clock.seconds.change { $0 = TurnedClock.start + Int64(seconds) }
                _ = try await rig.store.list(under: .root)
                #expect(rig.signers.last == "ASIA1" && rig.asked.count == asked, "after \(seconds) s")
            }
            let warnings = rig.log.lines.value.filter { $0.hasPrefix("warning") }
            #expect(warnings.count == 3 && warnings[0].contains("AccessDenied"), "\(warnings)")
            clock.seconds.change { $0 = TurnedClock.start + 3600 }
            let failure = try await rig.failure()
            #expect(failure.code == .permissionDenied && failure.shown.contains("trust policy"))
        }
    }

    @Test(arguments: ["ExpiredToken", "InvalidToken", "InvalidAccessKeyId"])
    func storeThatRefusesThemGetsNewOnesOnce(_ code: String) async throws {
        let (given, clock) = (Shared(0), TurnedClock())
        let good = Shared("ASIA2")
        try await withCredentialRig(
            environment: Self.webIdentity,
            clock: clock,
            answer: { request, _ in
                guard request.isForBucket else { return Self.numbered(given, clock) }
                return request.signer == good.value
                    ? nil : S3Text.error("400 Bad Request", code, message: "\(request.signer) hush-token-ASIA1")
            }
        ) { rig in
            try Self.write("hush", rig.home)
            _ = try await rig.store.list(under: .root)
            #expect(rig.signers == ["ASIA1", "ASIA2"] && rig.clock.waits.value.isEmpty)
            good.change { $0 = "none" }
            let failure = try await rig.failure()
            #expect(failure.code == .authenticationFailed)
            #expect(rig.signers == ["ASIA1", "ASIA2", "ASIA2", "ASIA3"])
            // Neither the new nor the old ones are shown.
            #expect(!failure.shown.contains("ASIA"), "\(failure.shown)")
        }
    }

    /// A conditional write and a look, whose refusals are answers otherwise, renew them too.
    @Test func everyRequestGetsNewOnes() async throws {
        let (given, clock) = (Shared(0), TurnedClock())
        let key = try #require(ObjectKey(parsing: "a"))
        let bad = Shared("ASIA1")
        try await withCredentialRig(
            environment: Self.webIdentity,
            clock: clock,
            answer: { request, _ in
                guard request.isForBucket else { return Self.numbered(given, clock) }
                if request.signer == bad.value {
                    return request.method == "HEAD"
                        ? "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                        : S3Text.error("400 Bad Request", "ExpiredToken")
                }
                let headers = ["ETag: \"x\"", "Last-Modified: Mon, 23 Nov 2026 01:02:03 GMT"]
                return request.method == "PUT" ? S3Text.ok("", headers: headers) : S3Text.ok("1", headers: headers)
            }
        ) { rig in
            try Self.write("hush", rig.home)
            try await rig.store.withObject(key) { object, chunks in
                #expect(object.bytes == 1)
                for try await _ in chunks {}
            }
            #expect(given.value == 2)
            bad.change { $0 = "ASIA2" }
            #expect(try await rig.store.stat(key)?.bytes == 1)
            #expect(given.value == 3)
            bad.change { $0 = "ASIA3" }
            _ = try await rig.store.replace(key, version: ObjectVersion(tag: "\"x\""), with: [2])
            #expect(given.value == 4)
        }
    }

    /// Of many requests that are refused at once, the first one gets new ones for all.
    @Test func requestsThatAreRefusedAtOnceRenewOnce() async throws {
        let (given, clock) = (Shared(0), TurnedClock())
        try await withCredentialRig(
            environment: Self.webIdentity,
            clock: clock,
            answer: { request, _ in
                guard request.isForBucket else { return Self.numbered(given, clock) }
                return request.signer == "ASIA1" ? S3Text.error("403 Forbidden", "ExpiredToken") : nil
            }
        ) { rig in
            try Self.write("hush", rig.home)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 { group.addTask { _ = try await rig.store.list(under: .root) } }
                try await group.waitForAll()
            }
            #expect(given.value == 2)
        }
    }

    @Test func keysOfTheEnvironmentAreFinal() async throws {
        try await withCredentialRig(
            environment: { _, _ in ["AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "hush-secret"] },
            answer: { _, _ in S3Text.error("400 Bad Request", "ExpiredToken", message: "hush-secret") }
        ) { rig in
            let failure = try await rig.failure()
            #expect(failure.code == .authenticationFailed && rig.signers == ["AKIA"])
        }
    }

    /// A Secret that is mounted as a file changes under a run.
    @Test func keysOfAFileAreReadAnew() async throws {
        let text = "[default]\naws_access_key_id = AKIA1\naws_secret_access_key = hush-secret\n"
        try await withCredentialRig(
            credentials: text,
            answer: { request, _ in
                request.signer == "AKIA2" ? nil : S3Text.error("403 Forbidden", "InvalidAccessKeyId")
            }
        ) { rig in
            let file = rig.home.appendingPathComponent(".aws/credentials")
            let failure = try await rig.failure()
            #expect(failure.code == .authenticationFailed && rig.signers == ["AKIA1"])
            try Data(text.replacing("AKIA1", with: "AKIA2").utf8).write(to: file)
            _ = try await rig.store.list(under: .root)
            #expect(rig.signers == ["AKIA1", "AKIA1", "AKIA2"])
        }
    }

    /// A run never goes on as somebody else (F56).
    @Test func anotherSourceIsNotTakenInTheMiddle() async throws {
        let (given, clock) = (Shared(0), TurnedClock())
        try await withCredentialRig(
            environment: { url, home in ["AWS_ENDPOINT_URL_STS": url, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "\(url)/c"]
            },
            config: { _, home in "[default]\nrole_arn = arn\nweb_identity_token_file = \(home.path)/token\n" },
            clock: clock,
            answer: { request, _ in
                if request.target == "/c" { return S3Text.ok(CredentialText.json("OTHER", endsAfter: nil)) }
                return request.isForBucket ? nil : Self.numbered(given, clock)
            }
        ) { rig in
            try Self.write("hush", rig.home)
            _ = try await rig.store.list(under: .root)
            try Data().write(to: rig.home.appendingPathComponent(".aws/config"))
            clock.seconds.change { $0 += 3600 }
            let failure = try await rig.failure()
            #expect(failure.code == .configuration && rig.signers == ["ASIA1"], "\(failure.shown)")
        }
    }

    /// When the service behind it is down, a machine gives old credentials, which stores take for a while.
    @Test func machineMayGiveOldOnes() async throws {
        let clock = TurnedClock()
        try await withCredentialRig(
            environment: { url, _ in
                ["AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": url]
            },
            clock: clock,
            answer: { request, _ in
                if request.isForBucket { return nil }
                if request.method == "PUT" { return S3Text.ok("hush-session") }
                return request.target.hasSuffix("/node")
                    ? S3Text.ok(CredentialText.json("OLD", endsAfter: -60)) : S3Text.ok("node")
            }
        ) { rig in
            _ = try await rig.store.list(under: .root)
            clock.seconds.change { $0 += 400 }
            _ = try await rig.store.list(under: .root)
            #expect(rig.signers == ["OLD", "OLD"] && rig.asked.count == 3)
            clock.seconds.change { $0 += 100 }
            _ = try await rig.store.list(under: .root)
            #expect(rig.asked.count == 6)
            #expect(rig.log.lines.value.contains { $0.contains("have ended") })
        }
    }

    /// A source that fails is never passed over, whatever would come after it (F56).
    @Test(arguments: ["web identity", "role", "process", "container"])
    func sourceThatFailsIsNotPassedOver(_ kind: String) async throws {
        try await withCredentialRig(
            environment: { url, home in
                var all = [
                    "AWS_ENDPOINT_URL_STS": url, "AWS_EC2_METADATA_DISABLED": "false",
                    "AWS_EC2_METADATA_SERVICE_ENDPOINT": url, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "\(url)/c",
                ]
                if kind == "web identity" { all.merge(Self.webIdentity(url, home)) { $1 } }
                return all
            },
            config: { _, _ in
                switch kind {
                case "role":
                    "[default]\nrole_arn = arn\nsource_profile = default\naws_access_key_id = A\n"
                        + "aws_secret_access_key = hush-secret\n"
                case "process": "[default]\ncredential_process = /bin/false\n"
                default: ""
                }
            },
            answer: { request, _ in
                if request.isForBucket { return nil }
                if request.target == "/" { return CredentialText.roleError("403 Forbidden", "AccessDenied") }
                if request.target == "/c" {
                    return kind == "container"
                        ? ScriptedHTTP.response("403 Forbidden", headers: ["Connection: close"])
                        : S3Text.ok(CredentialText.json("OTHER"))
                }
                if request.method == "PUT" { return S3Text.ok("hush-session") }
                return request.target.hasSuffix("/node") ? S3Text.ok(CredentialText.json("NODE")) : S3Text.ok("node")
            }
        ) { rig in
            try Self.write("hush", rig.home)
            let failure = try await rig.failure()
            #expect([.permissionDenied, .authenticationFailed].contains(failure.code), "\(failure.shown)")
            #expect(rig.signers.isEmpty)
            #expect(!rig.asked.contains { $0.method == "PUT" })
        }
    }
}
