// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport
import TestParts
import Testing

@Suite(.timeLimit(.minutes(2))) struct UploadTests {
    private static let part = (0..<(3 * 1024 * 1024 + 17)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 11) }

    @Test func aLargeBodyAsksFirstAndArrivesWhole() async throws {
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("200 OK")
        } body: { server in
            try await withHTTPClient { client in
                let request = HTTPRequest(method: "PUT", url: server.url, body: Self.part)
                _ = try await client.send(request, bodyBytesMax: 0)
            }
            #expect(server.requests.map(\.body) == [Self.part])
            #expect(server.requests.first?.headers["expect"] == "100-continue")
        }
    }

    @Test func aServerThatDoesNotKnowExpectGetsTheBodyAllTheSameAndIsAskedOnce() async throws {
        let asked = Monitor(0)
        try await withScriptedServer { connection, _ in
            for _ in 0..<3 {
                let head = String(decoding: try await connection.read(through: "\r\n\r\n"), as: UTF8.self)
                if head.contains("Expect: 100-continue") { asked.change { $0 += 1 } }
                let body = try await connection.readExactly(Self.part.count)
                try await connection.write(ScriptedHTTP.response(body == Self.part ? "200 OK" : "400 Bad"))
            }
        } body: { port in
            try await withHTTPClient { client in
                for _ in 0..<3 {
                    let request = HTTPRequest(method: "PUT", url: "http://127.0.0.1:\(port)/o", body: Self.part)
                    let response = try await client.send(request, bodyBytesMax: 1000)
                    #expect(response.head.status == 200)
                }
            }
        }
        #expect(asked.quietly { $0 } == 1)
    }

    @Test func aServerThatRefusesExpectIsAskedWithoutIt() async throws {
        try await withScriptedServer { connection, _ in
            let head = String(decoding: try await connection.read(through: "\r\n\r\n"), as: UTF8.self)
            if head.contains("Expect:") {
                try await connection.write(ScriptedHTTP.response("417 Expectation Failed", body: "no"))
                _ = try await connection.read(through: "\r\n\r\n")
            }
            let body = try await connection.readExactly(Self.part.count)
            try await connection.write(ScriptedHTTP.response("200 OK", body: body == Self.part ? "yes" : "no"))
        } body: { port in
            let response = try await put(port)
            #expect(response.head.status == 200)
            #expect(String(decoding: response.body, as: UTF8.self) == "yes")
        }
    }

    @Test func aRefusalBeforeTheBodyIsAnAnswerAndTheBodyStaysHere() async throws {
        let received = Monitor(0)
        try await withScriptedServer { connection, _ in
            _ = try await connection.read(through: "\r\n\r\n")
            try await connection.write(ScriptedHTTP.response("403 Forbidden", body: "expired"))
            let count = try await connection.readToEnd().count
            received.change { $0 += count }
        } body: { port in
            let response = try await put(port)
            #expect(response.head.status == 403)
            #expect(String(decoding: response.body, as: UTF8.self) == "expired")
        }
        #expect(received.quietly { $0 } == 0)
    }

    @Test func aKeptConnectionThatIsDeadIsReplacedAndTheBodySentAgain() async throws {
        try await withScriptedHTTP { _, number in
            number == 1
                ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" : ScriptedHTTP.response("200 OK", body: "\(number)")
        } body: { server in
            try await withFaultProxy(to: server.port) { proxy in
                try await withHTTPClient { client in
                    let request = HTTPRequest(method: "PUT", url: proxy.url, body: [1, 2, 3])
                    _ = try await client.send(request, bodyBytesMax: 100)
                    await proxy.resetAll()
                    try await eventually("the connection to be gone") { proxy.connections[0].isOpen ? nil : () }
                    let response = try await client.send(request, bodyBytesMax: 100)
                    #expect(response.head.status == 200)
                }
            }
            #expect(server.requests.map(\.body) == [[1, 2, 3], [1, 2, 3]])
        }
    }

    @Test func manyPartsGoOutAtATime() async throws {
        let arrived = Monitor(0)
        try await withScriptedHTTP { request, _ in
            // Nobody is answered before all are here.
            arrived.change { $0 += 1 }
            try await arrived.wait { $0 == 16 ? () : nil }
            return ScriptedHTTP.response("200 OK", body: "\(request.body.first ?? 0):\(request.body.count)")
        } body: { server in
            try await withHTTPClient { client in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for index in 0..<16 {
                        group.addTask {
                            let body = [UInt8](repeating: UInt8(index), count: 700_000 + index)
                            let request = HTTPRequest(method: "PUT", url: server.url, body: body)
                            let answer = try await client.send(request, bodyBytesMax: 100).body
                            #expect(String(decoding: answer, as: UTF8.self) == "\(index):\(body.count)")
                        }
                    }
                    try await group.waitForAll()
                }
            }
        }
    }

    @Test func noMoreTransfersRunThanAllowedAndTheOthersWait() async throws {
        let running = Monitor((now: 0, most: 0))
        try await withScriptedHTTP { _, _ in
            running.change { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
            for _ in 0..<50 { await Task.yield() }
            running.change { $0.now -= 1 }
            return ScriptedHTTP.response("200 OK")
        } body: { server in
            var configuration = HTTPClientConfiguration()
            configuration.maxConnections = 3
            try await withHTTPClient(configuration) { client in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<30 {
                        group.addTask {
                            _ = try await client.send(HTTPRequest(method: "GET", url: server.url), bodyBytesMax: 0)
                        }
                    }
                    try await group.waitForAll()
                }
            }
            #expect(server.requests.count == 30)
            #expect(Set(server.requests.map(\.connection)).count <= 3)
            #expect(running.quietly { $0.most } <= 3)
        }
    }

    private func put(_ port: Int) async throws -> HTTPResponse {
        try await withHTTPClient { client in
            let request = HTTPRequest(method: "PUT", url: "http://127.0.0.1:\(port)/o", body: Self.part)
            return try await client.send(request, bodyBytesMax: 1000)
        }
    }
}
