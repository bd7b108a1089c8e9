// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Foundation
import Logging
import ObjectStorage
import TestParts
import Testing

/// One object under a pre-signed URL: what is sent, what comes back, and what goes wrong on the way.
@Suite struct SingleObjectTests {
    private static let member = ["demo", "20261122T153000Z-7f3a", "redis-0.rdb.zst"]
    private static let manifest = ["demo", "20261122T153000Z-7f3a", "manifest.json"]
    private static let document = Array("{}\n".utf8)

    private static func bytes(_ count: Int) -> [UInt8] {
        var random = SeededRandom(seed: UInt64(count))
        return random.bytes(count)
    }

    private static func withStore<Result: Sendable>(
        _ url: String,
        isWritten: Bool,
        _ body: (any ObjectStore) async throws -> Result
    ) async throws -> Result {
        var configuration = StoreConfiguration()
        configuration.writesSingleObject = isWritten
        configuration.noProgressSeconds = 5
        configuration.logger.logLevel = .critical
        return try await withObjectStore(StoreLocation(parsing: url), configuration: configuration, body)
    }

    /// A member and its manifest, as a backup writes them.
    private static func write(_ bytes: [UInt8], to url: String) async throws {
        try await withStore(url, isWritten: true) { store async throws in
            let staged = try await store.stage(try ObjectKey(member), estimatedBytes: nil, from: chunked(bytes))
            _ = try await staged.commit()
            try await store.create(try ObjectKey(manifest), document)
        }
    }

    /// What a URL for reading gives: the member, when its manifest is there too.
    private static func read(_ url: String) async throws -> [UInt8] {
        try await withStore(url, isWritten: false) { store async throws in
            let keys = try await store.list(under: .root).map(\.key.components)
            guard keys.sorted(by: { $0[2] < $1[2] }) == [manifest, member] else { return [] }
            return try await store.read(try ObjectKey(member), bytesMax: 64 << 20).bytes
        }
    }

    @Test(arguments: [TestedServer.seaweedFS, .rclone, .moto], [0, 1, 511, 3 << 20])
    func whatIsWrittenWithOneURLIsReadWithAnother(on server: TestedServer, size: Int) async throws {
        let bytes = Self.bytes(size)
        try await server.with { s3 in
            let bucket = try await s3.makeBucket()
            try await Self.write(bytes, to: try await s3.presigned("put_object", "set.tar", in: bucket))
            #expect(try await Self.read(try await s3.presigned("get_object", "set.tar", in: bucket)) == bytes)
            #expect(try await s3.keys(in: bucket) == ["set.tar"])
        }
    }

    @Test func anObjectThatIsThereIsNotReplacedUnlessItIsAskedFor() async throws {
        try await withSeaweedFS { s3 in
            let bucket = try await s3.makeBucket()
            let url = try await s3.presigned("put_object", "set.tar", in: bucket)
            try await Self.write([1], to: url)
            let failure = await #expect(throws: Failure.self) { try await Self.write([2], to: url) }
            // No other try of this URL ends otherwise: this is nothing that passes.
            #expect(failure?.code == .guardRefused && failure?.hint?.contains("#overwrite=true") == true)
            let get = try await s3.presigned("get_object", "set.tar", in: bucket)
            #expect(try await Self.read(get) == [1])
            try await Self.write([3], to: url + "#overwrite=true")
            #expect(try await Self.read(get) == [3])
        }
    }

    @Test func nothingButOneSetCanBeWritten() async throws {
        try await withSeaweedFS { s3 in
            let bucket = try await s3.makeBucket()
            let url = try await s3.presigned("put_object", "set.tar", in: bucket)
            try await Self.withStore(url, isWritten: true) { store async throws in
                for folder in [".runs", ".drills"] {
                    let failure = await #expect(throws: Failure.self) {
                        try await store.create(try ObjectKey([folder, "demo", "plan.json"]), [1])
                    }
                    #expect(failure?.code == .permissionDenied)
                }
                try await store.create(try ObjectKey([".locks", "demo.json"]), [1])
                try await store.create(try ObjectKey(Self.manifest), Self.document)
                let second = await #expect(throws: Failure.self) {
                    try await store.create(try ObjectKey(["demo", "20261122T153001Z-7f3a", "manifest.json"]), [1])
                }
                #expect(second?.code == .alreadyExists)
            }
            // The lease is not part of it.
            let get = try await s3.presigned("get_object", "set.tar", in: bucket)
            try await Self.withStore(get, isWritten: false) { store async throws in
                #expect(try await store.list(under: .root).map(\.key) == [try ObjectKey(Self.manifest)])
                let failure = await #expect(throws: Failure.self) {
                    try await store.remove(try ObjectKey(Self.manifest))
                }
                #expect(failure?.code == .permissionDenied)
            }
        }
    }

    /// Cut at any place of the upload: sent again from the folder, and whole, or an error and no object.
    @Test(arguments: ["reset", "close"])
    func anUploadThatBreaksIsSentAgain(by kind: String) async throws {
        let bytes = Self.bytes(1 << 20)
        try await withSeaweedFS { s3 in
            try await withFaultProxy(to: s3.port) { proxy async throws in
                let bucket = try await s3.makeBucket()
                var runs = 0
                for offset in stride(from: 100, to: 1 << 20, by: 150_000) {
                    let key = "set-\(offset).tar"
                    // Signed for the proxy: the host is part of what is signed.
                    let url = try await s3.presigned("put_object", key, in: bucket, at: proxy.url)
                    let before = proxy.connections.count
                    let fault: FaultProxy.Fault =
                        kind == "reset" ? .reset(afterBytes: offset) : .close(afterBytes: offset)
                    proxy.add(fault, .toServer, on: .only(before + 1))
                    try await Self.write(bytes, to: url)
                    #expect(proxy.connections.count == before + 2)
                    proxy.clear()
                    let get = try await s3.presigned("get_object", key, in: bucket)
                    #expect(try await Self.read(get) == bytes)
                    runs += 1
                }
                #expect(runs == 7)
            }
        }
    }

    /// The answer is lost: the next try finds the object of the first, and nobody can tell whose it is.
    @Test func aLostAnswerIsAnErrorThatSaysWhatMayBe() async throws {
        try await withSeaweedFS { s3 in
            try await withFaultProxy(to: s3.port) { proxy async throws in
                let bucket = try await s3.makeBucket()
                let url = try await s3.presigned("put_object", "set.tar", in: bucket, at: proxy.url)
                proxy.add(.loseReply(afterBytesToServer: 3000), .toClient, on: .only(1))
                let failure = await #expect(throws: Failure.self) { try await Self.write(Self.bytes(2000), to: url) }
                #expect(failure?.code == .guardRefused)
                #expect("\(failure.map { "\($0)" } ?? "")".contains("may be the one that was sent"))
                for word in ["GET", "this run's own", "#overwrite=true"] {
                    #expect(failure?.hint?.contains(word) == true)
                }
            }
        }
    }

    @Test func aDownloadThatBreaksGoesOn() async throws {
        let bytes = Self.bytes(1 << 20)
        try await withSeaweedFS { s3 in
            try await withFaultProxy(to: s3.port) { proxy async throws in
                let bucket = try await s3.makeBucket()
                try await Self.write(bytes, to: try await s3.presigned("put_object", "set.tar", in: bucket))
                let get = try await s3.presigned("get_object", "set.tar", in: bucket, at: proxy.url)
                proxy.add(.reset(afterBytes: 100_000), .toClient, on: .first(5))
                #expect(try await Self.read(get) == bytes)
                #expect(proxy.connections.count == 6)
            }
        }
    }

    /// A URL that is expired, for another method, or of an object that is not there; no message shows the signature.
    @Test func whatIsWrongWithAURLIsSaid() async throws {
        try await withSeaweedFS { s3 in
            let bucket = try await s3.makeBucket()
            let get = try await s3.presigned("get_object", "set.tar", in: bucket)
            let put = try await s3.presigned("put_object", "set.tar", in: bucket)
            let written = await #expect(throws: Failure.self) { try await Self.write([1], to: get) }
            #expect(written?.code == .permissionDenied && written?.hint?.contains("PUT") == true)
            let absent = await #expect(throws: Failure.self) { _ = try await Self.read(get) }
            #expect(absent?.code == .noSuchStore)
            let read = await #expect(throws: Failure.self) { _ = try await Self.read(put) }
            #expect(read?.code == .permissionDenied)
            for failure in [written, absent, read] {
                let text = failure.map { "\($0) \($0.hint ?? "")" } ?? ""
                #expect(!text.contains("X-Amz") && !text.contains(bucket + "/set.tar?"), "\(text)")
            }
        }
    }

    /// A proxy's page, a cut archive, a link out of the folder: refused, and nothing of it is listed.
    @Test func whatIsNoArchiveIsRefused() async throws {
        let page = "<html>" + String(repeating: "x", count: 600) + "</html>"
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("200 OK", body: page)
        } body: { server in
            let failure = await #expect(throws: Failure.self) { _ = try await Self.read("\(server.url)/a?sig=1") }
            #expect(failure?.code == .unsupported)
        }
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("200 OK")
        } body: { server in
            let failure = await #expect(throws: Failure.self) { _ = try await Self.read("\(server.url)/a?sig=1") }
            #expect(failure?.code == .truncated)
        }
    }

    @Test func aSASGetsTheHeaderThatAzureWants() async throws {
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("201 Created")
        } body: { server in
            try await Self.write([1], to: "\(server.url)/container/set.tar?sv=2024-11-04&sp=cw&sig=abc%3D")
            let request = try #require(server.requests.first)
            #expect(request.headers["x-ms-blob-type"] == "BlockBlob")
            #expect(request.headers["if-none-match"] == "*")
            #expect(request.headers["transfer-encoding"] == nil)
            #expect(request.headers["content-length"] == "\(request.body.count)")
        }
    }
}

/// An S3 of the tests that can be asked for pre-signed URLs.
enum TestedServer: CaseIterable, Sendable {
    case seaweedFS
    case rclone
    case moto

    func with(_ body: (S3Service) async throws -> Void) async throws {
        switch self {
        case .seaweedFS: try await withSeaweedFS { try await body($0) }
        case .rclone: try await withRcloneS3 { try await body($0) }
        case .moto: try await withMoto { try await body($0) }
        }
    }
}
