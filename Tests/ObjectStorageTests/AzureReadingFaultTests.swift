// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport
import ObjectStorage
import Synchronization
import TestParts
import Testing

/// What goes wrong while Azure is read and listed, and what its answers mean.
@Suite struct AzureReadingFaultTests {
    private static func key() throws -> ObjectKey { try #require(ObjectKey(parsing: "a/b")) }

    private static func bytes(_ count: Int) -> [UInt8] {
        var random = SeededRandom(seed: UInt64(count))
        return random.bytes(count)
    }

    @Test func downloadThatBreaksEvery64KiBArrivesWhole() async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(1_000_003))
        try await AzureRig.with { kind, _, _ in
            kind == .get ? .cut(bodyBytes: 65536) : .pass
        } configure: { configuration, _ in
            configuration.attemptsMax = 2
        } _: { rig async throws in
            let object = try await rig.store.write(key, bytes)
            #expect(try await rig.store.readAll(key) == bytes)
            let requests = rig.requests(.get)
            #expect(requests.count == 16)
            for (number, request) in requests.enumerated().dropFirst() {
                #expect(request.headers["x-ms-range"] == "bytes=\(number * 65536)-")
                #expect(request.headers["if-match"] == object.version.tag)
            }
        }
    }

    @Test(arguments: [0, 1, 100, 500, 700, 66_000])
    func connectionThatBreaksInADownloadIsMadeAgain(_ offset: Int) async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(300_000))
        try await withAzure { service in
            let container = try await service.makeContainer()
            try await service.put(key.description, in: container, bytes)
            try await withFaultProxy(to: service.port) { proxy in
                proxy.add(.reset(afterBytes: offset), .toClient, on: .first(3))
                proxy.add(.close(afterBytes: offset), .toClient, on: .only(4))
                var configuration = azureConfiguration(service.environment)
                configuration.environment["AZURE_STORAGE_BLOB_ENDPOINT"] = proxy.url
                let location = try StoreLocation(parsing: "azblob://\(container)")
                try await withObjectStore(location, configuration: configuration) { store in
                    let read = try await store.readAll(key)
                    #expect(read == bytes)
                }
                #expect(proxy.connections.count >= 5)
            }
        }
    }

    @Test func objectReplacedWhileItIsReadIsNeverMixed() async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(300_000))
        try await withAzure { service in
            try await AzureRig.with { kind, count, request in
                guard kind == .get else { return .pass }
                if count == 1 { return .cut(bodyBytes: 70_000) }
                let container = request.target.split(separator: "/")[1]
                try await service.put(key.description, in: String(container), [UInt8](repeating: 0, count: 300_000))
                return .pass
            } _: { rig async throws in
                try await rig.store.write(key, bytes)
                let failure = await #expect(throws: Failure.self) { try await rig.store.readAll(key) }
                #expect(failure?.code == .alreadyExists)
            }
        }
    }

    // MARK: Lists

    private static func page(_ names: [String], next: String = "<NextMarker />") -> String {
        let blobs = names.map {
            "<Blob><Name>\($0)</Name><Properties><Last-Modified>Mon, 23 Nov 2026 01:02:03 GMT</Last-Modified>"
                + "<Etag>0x1</Etag><Content-Length>3</Content-Length></Properties></Blob>"
        }
        return "<EnumerationResults ServiceEndpoint=\"x\"><Blobs>\(blobs.joined())</Blobs>\(next)</EnumerationResults>"
    }

    private static let following = "<NextMarker>a+b/c=</NextMarker>"

    @Test func pagesAreFollowedToTheLastAndFoldersAreNoObjects() async throws {
        let folder =
            "<Blob><Name>pre/folder</Name><Properties><ResourceType>directory</ResourceType><Etag>0x1</Etag>"
            + "<Content-Length>0</Content-Length></Properties></Blob>"
        try await withScriptedAzure { request, _ in
            request.target.contains("marker=a%2Bb%2Fc%3D")
                ? AzureText.ok(Self.page(["pre/z", "pre/a.b", "other"]))
                : AzureText.ok(
                    Self.page(["pre/y"], next: Self.following).replacing("<Blobs>", with: "<Blobs>\(folder)")
                )
        } _: { store, server async throws in
            let objects = try await store.list(under: .root)
            #expect(objects.map(\.key.description) == ["a.b", "y", "z"])
            #expect(objects.allSatisfy { $0.bytes == 3 && $0.version.tag == "\"0x1\"" })
            #expect(objects.allSatisfy { $0.modifiedAtSeconds == 1_795_395_723 })
            #expect(server.requests.count == 2)
        }
    }

    /// A list that is not whole must never look like a shorter one.
    @Test(arguments: [
        "", String(page(["pre/a"]).dropLast(5)), "<EnumerationResults></EnumerationResults>",
        page(["pre/a"], next: ""), page([""]), page(["pre/a"]).replacing("<Etag>0x1</Etag>", with: ""),
        page(["pre/a"]).replacing("<Content-Length>3</Content-Length>", with: ""), "<html>hello</html>",
        "<Error><Code>InternalError</Code></Error>",
    ])
    func pageThatIsNotWholeIsAnError(_ second: String) async throws {
        try await withScriptedAzure { request, _ in
            AzureText.ok(request.target.contains("marker=") ? second : Self.page(["pre/a"], next: Self.following))
        } configure: {
            $0.attemptsMax = 3
        } _: { store, server async throws in
            let failure = await #expect(throws: Failure.self) { try await store.list(under: .root) }
            #expect(failure?.code == .storeUnavailable)
            #expect(server.requests.count == 4)
        }
    }

    @Test(arguments: [0, 500, 404, 403])
    func pageThatFailsIsAnError(_ status: Int) async throws {
        try await withScriptedAzure { request, _ in
            if !request.target.contains("marker=") { return AzureText.ok(Self.page(["pre/a"], next: Self.following)) }
            return status == 0 ? "" : AzureText.error("\(status) No", "Whatever")
        } configure: {
            $0.attemptsMax = 2
        } _: { store, _ async throws in
            await #expect(throws: Failure.self) { try await store.list(under: .root) }
        }
    }

    @Test func listThatNeverEndsIsAnError() async throws {
        try await withScriptedAzure { _, _ in
            AzureText.ok(Self.page(["pre/a"], next: Self.following))
        } _: { store, server async throws in
            let failure = await #expect(throws: Failure.self) { try await store.list(under: .root) }
            #expect(failure?.code == .protocolViolation)
            #expect(server.requests.count == 2)
        }
    }

    // MARK: Refusals

    struct Refusal: Sendable {
        let status: String
        let code: String
        let failure: Failure.Code
        let says: String
    }

    @Test(arguments: [
        Refusal(status: "404 No", code: "ContainerNotFound", failure: .noSuchStore, says: "Create the container"),
        Refusal(status: "409 No", code: "ContainerBeingDeleted", failure: .noSuchStore, says: "deleted"),
        Refusal(status: "404 No", code: "BlobNotFound", failure: .noSuchObject, says: "BlobNotFound"),
        Refusal(
            status: "403 No",
            code: "AuthorizationPermissionMismatch",
            failure: .permissionDenied,
            says: "network rules"
        ),
        Refusal(status: "403 No", code: "AuthorizationFailure", failure: .permissionDenied, says: "Data Contributor"),
        Refusal(status: "403 No", code: "AuthenticationFailed", failure: .authenticationFailed, says: "STORAGE_KEY"),
        Refusal(
            status: "403 No",
            code: "KeyBasedAuthenticationNotPermitted",
            failure: .authenticationFailed,
            says: "identity"
        ),
        Refusal(status: "409 No", code: "BlobArchived", failure: .unsupported, says: "rehydrate"),
        Refusal(status: "400 No", code: "InvalidResourceName", failure: .configuration, says: "container"),
        Refusal(status: "418 No", code: "Teapot", failure: .unsupported, says: "418 Teapot"),
    ])
    func refusalIsNamedAndNotRepeated(_ refusal: Refusal) async throws {
        let key = try Self.key()
        let answer = AzureText.error(refusal.status, refusal.code, message: "key aHVzaC1odXNo \u{1B}[31m")
        try await withScriptedAzure { _, _ in
            answer
        } _: { store, server async throws in
            let failure = await #expect(throws: Failure.self) { try await store.withObject(key) { _, _ in } }
            #expect(failure?.code == refusal.failure)
            let text = "\(failure?.description ?? "") \(failure?.hint ?? "")"
            #expect(text.contains(refusal.says) && text.contains("azblob://cont/pre/a/b"), "\(text)")
            for secret in ["aHVzaC1odXNo", "hush", "\u{1B}", "\n"] { #expect(!text.contains(secret), "\(text)") }
            #expect(server.requests.count == 1)
        }
    }

    @Test(arguments: [
        ("409 No", "BlobImmutableDueToPolicy", Failure.Code.retained, "immutability policy"),
        ("409 No", "SnapshotsPresent", .unsupported, "snapshots"),
        ("412 No", "LeaseIdMissing", .permissionDenied, "lease"),
    ])
    func blobThatMayNotBeRemovedSaysWhy(_ status: String, _ code: String, _ expected: Failure.Code, _ says: String)
        async throws
    {
        let key = try Self.key()
        try await withScriptedAzure { _, _ in
            AzureText.error(status, code)
        } _: { store, _ async throws in
            let failure = await #expect(throws: Failure.self) { try await store.remove(key) }
            #expect(failure?.code == expected && failure?.hint?.contains(says) == true)
        }
    }

    /// A gateway that knows nothing of the account answers 404 too.
    @Test func absenceIsBelievedOfTheStoreAlone() async throws {
        let key = try Self.key()
        try await withScriptedAzure { _, _ in
            "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        } configure: {
            $0.attemptsMax = 2
        } _: { store, server async throws in
            let failure = await #expect(throws: Failure.self) { try await store.stat(key) }
            #expect(failure?.code == .storeUnavailable && server.requests.count == 2)
        }
    }

    @Test func clockOfTheStoreIsTakenOver() async throws {
        let key = try Self.key()
        try await AzureRig.with { _, _, _ in
            .pass
        } configure: { configuration, _ in
            configuration.clock.secondsSince1970 = { RequestClock.system.secondsSince1970() - 3600 }
        } _: { rig async throws in
            try await rig.store.write(key, [1, 2])
            try await rig.store.create(try #require(ObjectKey(parsing: "x")), [1])
            #expect(try await rig.visible() == ["a/b", "x"])
            #expect(rig.requests(.block).count == 2 && rig.requests(.put).count == 1)
        }
    }
}
