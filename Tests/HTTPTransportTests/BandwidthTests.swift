// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport
import TestParts
import Testing

/// How fast bodies may move. Times are looked at from below only: a busy machine is slower, never faster.
@Suite(.timeLimit(.minutes(2))) struct BandwidthTests {
    @Test func whatIsReservedFollowsEachOther() {
        let bandwidth = Bandwidth(up: 1000)
        let now = ContinuousClock.now + .seconds(5)
        #expect(bandwidth.reserve(500, .up, at: now) == now - .milliseconds(100))
        #expect(bandwidth.reserve(1000, .up, at: now) == now + .milliseconds(400))
        #expect(bandwidth.reserve(1, .up, at: now) == now + .milliseconds(1400))
        // The other direction has no limit, and after a pause no more than the burst is made up for.
        #expect(bandwidth.reserve(1 << 30, .down, at: now) == now)
        let later = now + .seconds(60)
        #expect(bandwidth.reserve(1, .up, at: later) == later - .milliseconds(100))
    }

    @Test func withoutALimitNothingIsHeldBack() {
        var share = BandwidthShare(of: Bandwidth(), .down)
        let (mayMove, taken) = (share.mayMove(1 << 40), share.take(upTo: 1 << 40))
        #expect(mayMove && taken == 1 << 40 && share.heldUntil == nil)
    }

    @Test func aLimitMayBeSetAndTakenBackWhileItIsShared() {
        let bandwidth = Bandwidth()
        var share = BandwidthShare(of: bandwidth, .up)
        bandwidth.limit(up: 20_000, down: nil)
        let limited = share.take(upTo: 1 << 20)
        bandwidth.limit(up: nil, down: nil)
        let unlimited = share.take(upTo: 1 << 20)
        #expect((limited, unlimited) == (1024, 1 << 20))
    }

    /// Four uploads over two clients, and what they may do together.
    @Test func allUploadsOfAllClientsShareOneRate() async throws {
        let (rate, bytes) = (2 << 20, 512 << 10)
        try await withScriptedHTTP { request, _ in
            ScriptedHTTP.response("200 OK", body: "\(request.body.count)")
        } body: { server in
            let bandwidth = Bandwidth(up: rate)
            let took = try await ContinuousClock().measure {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<2 {
                        group.addTask { try await Self.upload(bytes, times: 2, to: server.url, bandwidth) }
                    }
                    try await group.waitForAll()
                }
            }
            #expect(server.requests.map(\.body.count) == [bytes, bytes, bytes, bytes])
            // The last piece goes when all before it have, but for a burst of a tenth of a second.
            #expect(took >= .milliseconds(1000 - 100 - 50), "\(took)")
        }
    }

    @Test func allDownloadsShareOneRate() async throws {
        let (rate, bytes) = (1 << 20, 400 << 10)
        let body = String(repeating: "0123456789abcdef", count: bytes / 16)
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("200 OK", body: body)
        } body: { server in
            var configuration = HTTPClientConfiguration()
            configuration.bandwidth = Bandwidth(down: rate)
            let took = try await ContinuousClock().measure {
                try await withHTTPClient(configuration) { client in
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for _ in 0..<3 {
                            group.addTask {
                                let request = HTTPRequest(method: "GET", url: server.url)
                                let response = try await client.send(request, bodyBytesMax: 1 << 20)
                                #expect(response.body == Array(body.utf8))
                            }
                        }
                        try await group.waitForAll()
                    }
                }
            }
            let seconds = Double(3 * bytes - (64 << 10)) / Double(rate) - 0.1
            #expect(took >= .seconds(seconds), "\(took)")
        }
    }

    /// What is held back for longer than the deadline of a request is no stall.
    @Test(arguments: [Bandwidth.Direction.up, .down])
    func toBeHeldBackIsNoStall(direction: Bandwidth.Direction) async throws {
        let body = [UInt8](repeating: 7, count: 20_000)
        let text = String(decoding: body, as: UTF8.self)
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("200 OK", body: direction == .down ? text : "")
        } body: { server in
            var configuration = HTTPClientConfiguration()
            // A piece is a kibibyte up, and 16 of them down.
            configuration.bandwidth = Bandwidth(up: 700, down: 12_000)
            let deadlines = HTTPDeadlines(noProgressSeconds: 1)
            let request = HTTPRequest(
                method: direction == .up ? "PUT" : "GET",
                url: server.url,
                body: direction == .up ? Array(body.prefix(2000)) : [],
                deadlines: deadlines
            )
            let response = try await withHTTPClient(configuration) {
                try await $0.send(request, bodyBytesMax: 1 << 20)
            }
            #expect(response.body.count == (direction == .down ? body.count : 0))
            #expect(server.requests.map(\.body.count) == [request.body.count])
        }
    }

    @Test func aStallIsNoticedAllTheSame() async throws {
        try await withScriptedServer { connection, _ in
            _ = try await connection.read(through: "\r\n\r\n")
            try await connection.write("HTTP/1.1 100 Continue\r\n\r\n")
            _ = try await connection.readExactly(10_000)
            try await Monitor(false).wait { $0 ? () : nil }
        } body: { port in
            var configuration = HTTPClientConfiguration()
            configuration.bandwidth = Bandwidth(up: 1 << 30)
            let failure = await #expect(throws: Failure.self) {
                try await withHTTPClient(configuration) { client in
                    let request = HTTPRequest(
                        method: "PUT",
                        url: "http://127.0.0.1:\(port)/o",
                        body: [UInt8](repeating: 1, count: 64 << 20),
                        deadlines: HTTPDeadlines(noProgressSeconds: 1)
                    )
                    return try await client.send(request, bodyBytesMax: 10)
                }
            }
            #expect(failure?.code == .timeout)
        }
    }

    private static func upload(_ bytes: Int, times: Int, to url: String, _ bandwidth: Bandwidth) async throws {
        var configuration = HTTPClientConfiguration()
        configuration.bandwidth = bandwidth
        try await withHTTPClient(configuration) { client in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<times {
                    group.addTask {
                        let body = [UInt8](repeating: 1, count: bytes)
                        let request = HTTPRequest(method: "PUT", url: url, body: body)
                        let response = try await client.send(request, bodyBytesMax: 100)
                        #expect(String(decoding: response.body, as: UTF8.self) == "\(bytes)")
                    }
                }
                try await group.waitForAll()
            }
        }
    }
}
