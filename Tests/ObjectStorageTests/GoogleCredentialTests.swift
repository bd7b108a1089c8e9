// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Foundation
import HTTPTransport
import ObjectStorage
import Synchronization
import TestParts
import Testing

/// Who we are to Google: each source of Application Default Credentials, against servers that give tokens.
@Suite struct GoogleCredentialTests {
    /// What a place where credentials are looked for looks like.
    private struct Place: Sendable {
        let double: GoogleStorageDouble
        let bucket: String
        let folder: URL

        func write(_ document: TestJSON, to name: String = "key.json") throws -> String {
            let file = folder.appendingPathComponent(name)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(),
                withIntermediateDirectories: true
            )
            try JSONEncoder().encode(document).write(to: file)
            return file.path
        }

        /// Writes an object as somebody, and gives the kinds of tokens that were asked for so far.
        func use(
            _ environment: [String: String],
            clock: RequestClock = .hasty,
            _ body: @Sendable (any ObjectStore) async throws -> Void = { _ in }
        ) async throws -> [String] {
            var configuration = googleConfiguration(["HOME": folder.path].merging(environment) { $1 })
            configuration.clock = clock
            configuration.attemptsMax = 3
            let location = try StoreLocation(parsing: "gs://\(bucket)?endpoint-url=\(double.endpoint)")
            try await withObjectStore(location, configuration: configuration) { store in
                try await store.create(try #require(ObjectKey(parsing: "a-\(UInt64.random(in: 0 ... .max))")), [1])
                try await body(store)
            }
            return try await double.call("token", .object([:])).array?.compactMap(\.text) ?? []
        }
    }

    private static func with(_ body: (Place) async throws -> Void) async throws {
        try await withGoogleStorage(shared: false) { double in
            try await withTemporaryFolder { folder in
                try await body(Place(double: double, bucket: try await double.makeBucket(), folder: folder))
            }
        }
    }

    private static func user(_ double: GoogleStorageDouble, refreshToken: TestJSON = "the-refresh-token") -> TestJSON {
        .object([
            "type": "authorized_user", "client_id": "the-client", "client_secret": "the-client-secret",
            "refresh_token": refreshToken, "token_uri": .text("\(double.endpoint)/token"),
        ])
    }

    private static func federated(_ double: GoogleStorageDouble, _ source: TestJSON, impersonate: String?) -> TestJSON {
        var document: [String: TestJSON] = [
            "type": "external_account", "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "audience":
                "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/cluster",
            "token_url": .text("\(double.endpoint)/v1/token"), "credential_source": source,
        ]
        if let impersonate {
            document["service_account_impersonation_url"] = .text(
                "\(double.endpoint)/v1/projects/-/serviceAccounts/\(impersonate):generateAccessToken"
            )
        }
        return .object(document)
    }

    @Test func keyOfAServiceAccountSignsForAToken() async throws {
        try await Self.with { place in
            let path = try place.write(try await place.double.call("account", .null))
            #expect(try await place.use(["GOOGLE_APPLICATION_CREDENTIALS": path]) == ["service-account"])
        }
    }

    @Test func sourcesComeInTheirOrder() async throws {
        try await Self.with { place in
            let metadata = ["GCE_METADATA_HOST": "127.0.0.1:\(place.double.port)"]
            #expect(try await place.use(metadata).last == "metadata")
            let name = ".config/gcloud/application_default_credentials.json"
            _ = try place.write(Self.user(place.double), to: name)
            #expect(try await place.use(metadata).last == "user")
            let path = try place.write(try await place.double.call("account", .null))
            let named = metadata.merging(["GOOGLE_APPLICATION_CREDENTIALS": path]) { $1 }
            #expect(try await place.use(named).last == "service-account")
            let token = try await place.double.call("token", .object(["issue": true])).text ?? ""
            let direct = named.merging(["GOOGLE_OAUTH_ACCESS_TOKEN": token]) { $1 }
            #expect(try await place.use(direct).last == "test")
        }
    }

    @Test func workloadIdentityIsExchangedAndImpersonates() async throws {
        try await Self.with { place in
            let token = place.folder.appendingPathComponent("token")
            try "first\n".write(to: token, atomically: true, encoding: .utf8)
            try await place.double.call("token", .object(["subject": "first"]))
            let file = TestJSON.object(["file": .text(token.path)])
            var path = try place.write(Self.federated(place.double, file, impersonate: "backup@p"))
            let found = try await place.use(["GOOGLE_APPLICATION_CREDENTIALS": path])
            #expect(found == ["federation", "impersonation"])
            // Without a service account in between, and from a URL that gives JSON.
            let url = TestJSON.object([
                "url": .text("\(place.double.endpoint)/subject-token"),
                "format": .object(["type": "json", "subject_token_field_name": "id_token"]),
            ])
            path = try place.write(Self.federated(place.double, url, impersonate: nil))
            #expect(try await place.use(["GOOGLE_APPLICATION_CREDENTIALS": path]).last == "federation")
        }
    }

    /// The token ends in the middle of a run: by the clock it is renewed before, and after a 401 at once.
    @Test func tokenIsRenewedBeforeItEndsAndWhenTheStoreSaysSo() async throws {
        try await Self.with { place in
            let path = try place.write(try await place.double.call("account", .null))
            let later = Mutex<Int64>(0)
            let clock = RequestClock(
                secondsSince1970: { RequestClock.system.secondsSince1970() + later.withLock { $0 } },
                sleep: RequestClock.hasty.sleep,
                chance: { 0.5 }
            )
            let key = try #require(ObjectKey(parsing: "big"))
            var random = SeededRandom(seed: 2)
            let bytes = random.bytes(5_000_000)
            let kinds = try await place.use(["GOOGLE_APPLICATION_CREDENTIALS": path], clock: clock) { store in
                later.withLock { $0 = 200 }
                _ = try await store.stat(key)
                #expect(try await place.double.call("token", .object([:])).array?.count == 1)
                // In the middle of an upload.
                let rest = Mutex(stride(from: 0, to: bytes.count, by: 500_000).map { Array(bytes[$0..<$0 + 500_000]) })
                let staged = try await store.stage(
                    key,
                    estimatedBytes: nil,
                    from: ByteStream {
                        let (chunk, left) = rest.withLock { rest -> ([UInt8]?, Int) in
                            (rest.isEmpty ? nil : rest.removeFirst(), rest.count)
                        }
                        if left == 5 { try await place.double.call("token", .object(["revoke": true])) }
                        return chunk
                    }
                )
                _ = try await staged.commit()
                #expect(try await place.double.get("big", in: place.bucket) == bytes)
            }
            #expect(kinds == ["service-account", "service-account"])
        }
    }

    @Test func tokenIsRenewedFiveMinutesBeforeItsEnd() async throws {
        try await Self.with { place in
            let later = Mutex<Int64>(0)
            let clock = RequestClock(
                secondsSince1970: { RequestClock.system.secondsSince1970() + later.withLock { $0 } },
                sleep: RequestClock.hasty.sleep,
                chance: { 0.5 }
            )
            let path = try place.write(Self.user(place.double))
            let key = try #require(ObjectKey(parsing: "x"))
            let kinds = try await place.use(["GOOGLE_APPLICATION_CREDENTIALS": path], clock: clock) { store in
                later.withLock { $0 = 3200 }
                _ = try await store.stat(key)
                #expect(try await place.double.call("token", .object([:])).array?.count == 1)
                later.withLock { $0 = 3400 }
                // Many at once fetch one.
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<8 { group.addTask { _ = try await store.stat(key) } }
                    try await group.waitForAll()
                }
            }
            #expect(kinds == ["user", "user"])
        }
    }

    /// A source that is configured and cannot be used is an error, and nobody else is asked (F56).
    @Test(arguments: [
        ("{}", Failure.Code.configuration), ("no json hush", .configuration),
        ("{\"type\":\"service_account\"}", .configuration),
        ("{\"type\":\"service_account\",\"client_email\":\"a\",\"private_key\":\"hush\"}", .configuration),
        (
            "{\"type\":\"authorized_user\",\"client_id\":\"a\",\"client_secret\":\"hush\",\"refresh_token\":\"hush\","
                + "\"token_uri\":\"http://elsewhere.example/hush\"}", .configuration
        ),
        ("{\"type\":\"gdch_service_account\"}", .unsupported),
        (
            "{\"type\":\"external_account\",\"credential_source\":{\"environment_id\":\"aws1\"}}", .unsupported
        ),
        ("{\"type\":\"external_account\",\"credential_source\":{\"executable\":{}}}", .unsupported),
    ])
    func sourceThatCannotBeUsedIsAnError(_ text: String, _ code: Failure.Code) async throws {
        try await Self.with { place in
            let file = place.folder.appendingPathComponent("bad.json")
            try text.write(to: file, atomically: true, encoding: .utf8)
            for environment in [
                ["GOOGLE_APPLICATION_CREDENTIALS": file.path],
                ["GOOGLE_APPLICATION_CREDENTIALS": file.path, "GCE_METADATA_HOST": "127.0.0.1:\(place.double.port)"],
            ] {
                let failure = await #expect(throws: Failure.self) { _ = try await place.use(environment) }
                #expect(failure?.code == code, "\(failure?.description ?? "")")
                #expect("\(failure?.description ?? "") \(failure?.hint ?? "")".contains("hush") == false)
            }
            #expect(try await place.double.call("token", .object([:])).array == [])
        }
    }

    @Test func refusalOfATokenQuotesNoSecret() async throws {
        try await Self.with { place in
            let token = place.folder.appendingPathComponent("token")
            try "hush-hush-hush".write(to: token, atomically: true, encoding: .utf8)
            let file = TestJSON.object(["file": .text(token.path)])
            for document in [
                Self.federated(place.double, file, impersonate: nil),
                Self.user(place.double, refreshToken: "hush-hush-hush"),
            ] {
                let path = try place.write(document)
                let failure = await #expect(throws: Failure.self) {
                    _ = try await place.use(["GOOGLE_APPLICATION_CREDENTIALS": path])
                }
                #expect(failure?.code == .authenticationFailed, "\(failure?.description ?? "")")
                #expect(failure?.description.contains("invalid_grant") == true)
                #expect("\(failure?.description ?? "") \(failure?.hint ?? "")".contains("hush") == false)
            }
        }
    }

    /// What answers at the name of the metadata server and is none, and hosts that are none.
    @Test func onlyAMetadataServerIsBelieved() async throws {
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("200 OK", body: "{\"access_token\":\"hush-hush\",\"expires_in\":3600}")
        } body: { server in
            var configuration = googleConfiguration(["GCE_METADATA_HOST": "127.0.0.1:\(server.port)"])
            configuration.attemptsMax = 2
            let location = try StoreLocation(parsing: "gs://bucket?endpoint-url=http://127.0.0.1:1")
            let failure = await #expect(throws: Failure.self) {
                try await withObjectStore(location, configuration: configuration) {
                    _ = try await $0.list(under: .root)
                }
            }
            #expect(failure?.description.contains("no metadata server") == true)
            #expect(server.requests.allSatisfy { $0.headers["metadata-flavor"] == "Google" })
        }
        for environment in [["GCE_METADATA_HOST": "metadata.example"], ["NO_GCE_CHECK": "true"]] {
            let location = try StoreLocation(parsing: "gs://bucket")
            await #expect(throws: Failure.self) {
                try await withObjectStore(location, configuration: googleConfiguration(environment)) { _ in }
            }
        }
    }

    @Test func tokenIsNotSentInClearText() async throws {
        let location = try StoreLocation(parsing: "gs://bucket?endpoint-url=http://storage.example")
        let configuration = googleConfiguration(["GOOGLE_OAUTH_ACCESS_TOKEN": "hush"])
        let failure = await #expect(throws: Failure.self) {
            try await withObjectStore(location, configuration: configuration) { _ in }
        }
        #expect(failure?.code == .configuration && failure?.hint?.contains("STORAGE_EMULATOR_HOST") == true)
    }
}
