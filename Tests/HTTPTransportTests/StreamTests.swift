// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Foundation
import HTTPTransport
import TestParts
import Testing

@Suite(.timeLimit(.minutes(2))) struct StreamTests {
    @Test func aReaderThatWaitsHoldsTheServerBackAndLosesNothing() async throws {
        let server = Endless(bytes: 256 << 20)
        try await withScriptedServer { connection, _ in
            try await server.serve(connection)
        } body: { port in
            try await withHTTPClient { client in
                // The deadline is shorter than the reader's pause: waiting for the reader is no stall.
                let deadlines = HTTPDeadlines(noProgressSeconds: 5)
                let request = HTTPRequest(method: "GET", url: "http://127.0.0.1:\(port)", deadlines: deadlines)
                try await client.withResponse(to: request) { head, chunks in
                    #expect(head["content-length"] == "\(server.bytes)")
                    var read = 0
                    for try await chunk in chunks {
                        if read == 0 {
                            try await Task.sleep(for: .seconds(7))
                            // What the server could write: our mebibyte, and what both sockets hold.
                            #expect(server.written.quietly { $0 } < 40 << 20)
                        }
                        #expect(chunk.count <= 8 * ByteStream.chunkSizeBytes)
                        #expect(
                            chunk.first == Endless.byte(at: read)
                                && chunk.last == Endless.byte(at: read + chunk.count - 1)
                        )
                        read += chunk.count
                    }
                    #expect(read == server.bytes)
                }
            }
        }
    }

    @Test func leavingEarlyClosesTheConnection() async throws {
        let server = Endless(bytes: 256 << 20)
        try await withScriptedServer { connection, _ in
            try await server.serve(connection)
        } body: { port in
            try await withHTTPClient { client in
                let request = HTTPRequest(method: "GET", url: "http://127.0.0.1:\(port)")
                let first = try await client.withResponse(to: request) { _, chunks in
                    var iterator = chunks.makeAsyncIterator()
                    return try await iterator.next()?.first
                }
                #expect(first == Endless.byte(at: 0))
                try await server.hasEnded.wait { $0 ? () : nil }
                await #expect(throws: Failure.self) {
                    try await client.withResponse(to: request) { _, _ in throw Failure(.noSpace, "the disk is full") }
                }
            }
        }
    }

    @Test func aStreamThatEscapesItsScopeThrows() async throws {
        let server = Endless(bytes: 256 << 20)
        try await withScriptedServer { connection, _ in
            try await server.serve(connection)
        } body: { port in
            try await withHTTPClient { client in
                let request = HTTPRequest(method: "GET", url: "http://127.0.0.1:\(port)")
                let escaped = try await client.withResponse(to: request) { _, chunks in chunks }
                await #expect(throws: CancellationError.self) { for try await _ in escaped {} }
            }
        }
    }

    @Test(arguments: ["before the answer", "in the answer"])
    func cancellationEndsTheTransferAtOnce(place: String) async throws {
        let isThere = Monitor(false)
        let hasEnded = Monitor(false)
        try await withScriptedServer { connection, _ in
            _ = try await connection.readRequest()
            if place == "in the answer" {
                try await connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
            }
            isThere.change { $0 = true }
            // A reset, when what was written is not read by then.
            _ = try? await connection.readToEnd()
            hasEnded.change { $0 = true }
        } body: { port in
            try await withHTTPClient { client in
                await #expect(throws: CancellationError.self) {
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        group.addTask {
                            let request = HTTPRequest(method: "GET", url: "http://127.0.0.1:\(port)")
                            _ = try await client.send(request, bodyBytesMax: 100)
                        }
                        try await isThere.wait { $0 ? () : nil }
                        group.cancelAll()
                        try await group.waitForAll()
                    }
                }
                try await hasEnded.wait { $0 ? () : nil }
            }
        }
    }

    @Test func aCancelledTaskSendsNothing() async throws {
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("200 OK")
        } body: { server in
            try await withHTTPClient { client in
                await withTaskGroup(of: Void.self) { group in
                    group.cancelAll()
                    group.addTask {
                        await #expect(throws: CancellationError.self) {
                            try await client.send(HTTPRequest(method: "GET", url: server.url), bodyBytesMax: 0)
                        }
                    }
                }
            }
            #expect(server.requests.isEmpty)
        }
    }

    @Test func aClientThatEscapesItsScopeThrows() async throws {
        let client = try await withHTTPClient { $0 }
        let failure = await #expect(throws: Failure.self) {
            try await client.send(HTTPRequest(method: "GET", url: "http://127.0.0.1:1/"), bodyBytesMax: 0)
        }
        #expect(failure?.code == .interrupted)
    }

    @Test func clientsComeAndGoWithoutLeavingThreadsOrDescriptors() async throws {
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("200 OK", body: "x")
        } body: { server in
            // Other tests run meanwhile: they hold some, but not hundreds more than before.
            let (threads, descriptors) = try (count("/proc/self/task"), count("/proc/self/fd"))
            for _ in 0..<300 {
                _ = try await withHTTPClient {
                    try await $0.send(HTTPRequest(method: "GET", url: server.url), bodyBytesMax: 1)
                }
            }
            #expect(server.requests.count == 300)
            #expect(try count("/proc/self/task") < threads + 150)
            #expect(try count("/proc/self/fd") < descriptors + 150)
        }
    }

    private func count(_ folder: String) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: folder).count
    }
}

/// Answers with a body of a known pattern, as fast as it is taken.
private struct Endless: Sendable {
    let bytes: Int
    let written = Monitor(0)
    let hasEnded = Monitor(false)

    static func byte(at offset: Int) -> UInt8 { UInt8(truncatingIfNeeded: offset % 251) }

    func serve(_ connection: ByteChannel) async throws {
        defer { hasEnded.change { $0 = true } }
        _ = try await connection.readRequest()
        try await connection.write("HTTP/1.1 200 OK\r\nContent-Length: \(bytes)\r\n\r\n")
        // As many as the pattern is long, so that each block is the same.
        let block = (0..<(251 * 1024)).map { Self.byte(at: $0) }
        var offset = 0
        while offset < bytes {
            let count = min(block.count, bytes - offset)
            try await connection.write(Array(block[..<count]))
            offset += count
            written.change { [offset] in $0 = offset }
        }
    }
}
