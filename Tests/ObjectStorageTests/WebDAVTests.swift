// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Foundation
import HTTPTransport
import ObjectStorage
import TestParts
import Testing

/// What goes wrong on the way to a real WebDAV server, and what a scripted one may say.
@Suite struct WebDAVFaultTests {
    private static let key = ObjectKey(parsing: "set/7f3a/redis-0.rdb.zst")
    private static let sizeBytes = 3 << 20

    private static func bytes() -> [UInt8] {
        var random = SeededRandom(seed: 7)
        return random.bytes(sizeBytes)
    }

    /// rclone behind a proxy, in a folder that the test looks at.
    private static func withProxied<Result: Sendable>(
        _ body: (any ObjectStore, FaultProxy, StoreWithWitness) async throws -> Result
    ) async throws -> Result {
        try await withTestedStore(.webdav) { tested async throws in
            guard case .webDAV(let place) = tested.location, let port = place.port else { throw Failure(.usage, "?") }
            return try await withFaultProxy(to: port) { proxy async throws in
                let location = try StoreLocation(parsing: "webdav://127.0.0.1:\(proxy.port)/some/prefix")
                return try await withObjectStore(location, configuration: tested.configuration) { store async throws in
                    try await body(store, proxy, tested)
                }
            }
        }
    }

    /// An upload cannot go on: whatever breaks it is an error, nothing is visible, and the next upload works.
    @Test(arguments: ["reset", "close"])
    func uploadThatBreaksIsAnErrorAndLeavesNothingVisible(by kind: String) async throws {
        let (key, bytes) = (try #require(Self.key), Self.bytes())
        try await Self.withProxied { store, proxy, tested async throws in
            try await store.create(try #require(ObjectKey(parsing: "set/first")), [1])
            var failures = 0
            for offset in [3_000, 100_000, 1 << 20, 2 << 20, Self.sizeBytes - 10] {
                await proxy.resetAll()
                proxy.clear()
                let fault: FaultProxy.Fault =
                    kind == "reset" ? .reset(afterBytes: offset) : .close(afterBytes: offset)
                // Of the short requests none comes so far but for the first offset, where any may be the one.
                proxy.add(fault, .toServer)
                let failure = await #expect(throws: Failure.self) {
                    _ = try await store.stage(key, estimatedBytes: nil, from: chunked(bytes))
                }
                if failure?.code.isTransient == true { failures += 1 }
                try await tested.expect(visible: ["set/first": 1])
            }
            #expect(failures == 5)
            proxy.clear()
            try await store.write(key, bytes)
            #expect(try await tested.read(key) == bytes)
        }
    }

    @Test(arguments: ["reset", "close"])
    func downloadDroppedAtEvery64KiBLosesNoByte(by kind: String) async throws {
        let (key, bytes) = (try #require(Self.key), Array(Self.bytes().prefix(1 << 20)))
        try await Self.withProxied { store, proxy, _ async throws in
            try await store.write(key, bytes)
            var lost = 0
            for offset in stride(from: 64 << 10, through: bytes.count, by: 64 << 10) {
                await proxy.resetAll()
                proxy.clear()
                let next = proxy.connections.count + 1
                proxy.add(
                    kind == "reset" ? .reset(afterBytes: offset) : .close(afterBytes: offset),
                    .toClient,
                    on: .only(next)
                )
                let found = try await store.readAll(key)
                lost += abs(found.count - bytes.count) + zip(found, bytes).count { $0 != $1 }
                #expect(proxy.connections.count > next, "nothing broke at \(offset)")
            }
            #expect(lost == 0)
        }
    }

    @Test func fileThatIsReplacedWhileItIsReadIsNeverMixed() async throws {
        let (key, bytes) = (try #require(Self.key), Self.bytes())
        try await Self.withProxied { store, proxy, tested async throws in
            try await store.write(key, bytes)
            await proxy.resetAll()
            proxy.add(.stall(afterBytes: 1 << 20), .toClient)
            let failure = await #expect(throws: Failure.self) {
                try await store.withObject(key) { _, chunks in
                    var seen = 0
                    for try await chunk in chunks {
                        if seen == 0 {
                            try await tested.place(key.description, [UInt8](repeating: 9, count: bytes.count))
                            proxy.clear()
                            await proxy.resetAll()
                        }
                        #expect(bytes[seen..<seen + chunk.count].elementsEqual(chunk))
                        seen += chunk.count
                    }
                }
            }
            #expect(failure?.code == .alreadyExists)
        }
    }

    // MARK: What a server may say

    private static func withScripted<Result: Sendable>(
        _ answer: @escaping @Sendable (SeenRequest, Int) async throws -> String,
        _ body: (any ObjectStore, ScriptedHTTP) async throws -> Result
    ) async throws -> Result {
        try await withScriptedHTTP(answer) { server async throws in
            var configuration = StoreConfiguration(environment: ["WEBDAV_TOKEN": "hush-hush-token"])
            configuration.clock = .hasty
            configuration.attemptsMax = 3
            configuration.logger.logLevel = .critical
            let location = try StoreLocation(parsing: "webdav://127.0.0.1:\(server.port)/a%20b")
            return try await withObjectStore(location, configuration: configuration) { store async throws in
                try await body(store, server)
            }
        }
    }

    private static func page(_ responses: String) -> String {
        ScriptedHTTP.response(
            "207 Multi-Status",
            headers: ["Connection: close"],
            body: "<?xml version=\"1.0\"?><D:multistatus xmlns:D=\"DAV:\">\(responses)</D:multistatus>"
        )
    }

    private static func entry(_ path: String, folder: Bool) -> String {
        let kind = folder ? "<D:collection/>" : ""
        let facts =
            "<D:getcontentlength>3</D:getcontentlength><D:getetag>\"x\"</D:getetag>"
            + "<D:getlastmodified>Wed, 25 Nov 2026 10:00:00 GMT</D:getlastmodified>"
        return "<D:response><D:href>\(path)</D:href><D:propstat><D:prop><D:resourcetype>\(kind)</D:resourcetype>"
            + "\(folder ? "" : facts)</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
    }

    /// Each a listing that is not whole, or that of something else.
    @Test(arguments: [
        entry("/a%20b/", folder: true) + "<D:response><D:href>/a%20b/x</D:href><D:status>HTTP/1.1 507 No</D:status>"
            + "</D:response>",
        "", "<D:response><D:href>/a%20b/x", entry("/a%20b/x", folder: false) + entry("/a%20b/y", folder: false),
        entry("/a%20b/", folder: true) + entry("/a%20b/x/y/z", folder: false),
    ])
    func listingThatIsNotWholeIsAnError(responses: String) async throws {
        try await Self.withScripted { _, _ in
            Self.page(responses)
        } _: { store, server async throws in
            let failure = await #expect(throws: Failure.self) { try await store.list(under: .root) }
            #expect(failure?.code.isTransient == true && failure?.description.contains("hush") == false)
            #expect(server.requests.allSatisfy { $0.headers["authorization"] == "Bearer hush-hush-token" })
        }
    }

    @Test func pathsOfAServerBehindAProxyAreUnderstood() async throws {
        try await Self.withScripted { request, _ in
            let isRoot = request.target == "/a%20b/"
            return Self.page(
                isRoot
                    ? Self.entry("http://inner:81/dav/x/", folder: true) + Self.entry("/dav/x/name", folder: true)
                    : Self.entry("/dav/x/name/", folder: true) + Self.entry("/dav/x/name/m.rdb", folder: false)
            )
        } _: { store, server async throws in
            #expect(try await store.list(under: .root).map(\.key.description) == ["name/m.rdb"])
            #expect(server.requests.map(\.target) == ["/a%20b/", "/a%20b/name"])
        }
    }

    @Test(arguments: [503, 500, 429, 423, 502])
    func whatPassesIsTriedAgain(status: Int) async throws {
        try await Self.withScripted { _, number in
            number < 3
                ? ScriptedHTTP.response("\(status) No", headers: ["Connection: close"])
                : Self.page(Self.entry("/a%20b/", folder: true))
        } _: { store, server async throws in
            #expect(try await store.list(under: .root) == [])
            #expect(server.requests.count == 3)
        }
    }

    @Test(arguments: [
        (401, Failure.Code.authenticationFailed), (403, .permissionDenied), (507, .noSpace), (405, .unsupported),
        (301, .configuration),
    ])
    func refusalsHaveTheirCodes(status: Int, code: Failure.Code) async throws {
        try await Self.withScripted { _, _ in
            ScriptedHTTP.response("\(status) No", headers: ["Connection: close", "Location: http://elsewhere/"])
        } _: { store, server async throws in
            let failure = await #expect(throws: Failure.self) { try await store.list(under: .root) }
            #expect(failure?.code == code && server.requests.count == 1)
        }
    }

    // MARK: Settings

    @Test(arguments: [
        ("webdav://dav.example/x", ["WEBDAV_TOKEN": "hush"], Failure.Code.configuration),
        ("webdavs://dav.example/x", ["WEBDAV_USER": "me"], .configuration),
        ("webdavs://dav.example/x", ["WEBDAV_TOKEN": "hush", "WEBDAV_USER": "me"], .configuration),
        ("webdavs://dav.example/x", ["WEBDAV_USER": "me", "WEBDAV_PASSWORD": "hush\n"], .configuration),
        ("webdavs://dav.example/x", ["WEBDAV_TOKEN_FILE": "/nonexistent"], .configuration),
    ])
    func settingsThatCannotBeMeantAreRefused(
        _ url: String,
        _ environment: [String: String],
        _ code: Failure.Code
    ) async throws {
        let failure = await #expect(throws: Failure.self) {
            let location = try StoreLocation(parsing: url)
            try await withObjectStore(location, configuration: StoreConfiguration(environment: environment)) { _ in }
        }
        #expect(failure?.code == code && failure?.description.contains("hush") == false)
    }

    @Test(arguments: ["webdavs://", "webdavs://me:hush@host/x", "webdavs://host/a/../b", "webdavs://host/%zz"])
    func locationsThatAreNoneAreUsage(_ url: String) throws {
        let failure = #expect(throws: Failure.self) { try StoreLocation(parsing: url) }
        #expect(failure?.code == .usage && failure?.description.contains("hush") == false)
    }
}
