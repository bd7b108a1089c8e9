// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport
import TestParts
import Testing

/// What goes wrong between the two, and what it is called.
@Suite(.timeLimit(.minutes(2))) struct BrokenTests {
    @Test func nobodyListens() async throws {
        try await withFreePort { port in
            let failure = await #expect(throws: Failure.self) { try await get(port) }
            #expect(failure?.code == .unreachable)
        }
    }

    @Test func noSuchHost() async throws {
        let failure = await #expect(throws: Failure.self) {
            try await withHTTPClient {
                try await $0.send(HTTPRequest(method: "GET", url: "http://nowhere.invalid/o"), bodyBytesMax: 0)
            }
        }
        #expect(failure?.code == .unreachable)
        #expect(failure?.message.contains("nowhere.invalid") == true)
    }

    @Test(arguments: [
        "", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123456789",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ])
    func anAnswerThatBreaksOffIsAConnectionThatBroke(answer: String) async throws {
        try await withScriptedServer { connection, index in
            _ = try await connection.readRequest()
            try await connection.write(answer)
            if index % 2 == 0 { await connection.reset() }
        } body: { port in
            for _ in 0..<4 {
                let failure = await #expect(throws: Failure.self) { try await get(port) }
                #expect(failure?.code == .unreachable, "\(failure?.description ?? "")")
            }
        }
    }

    @Test func whatCameBeforeTheBreakIsReadFirst() async throws {
        try await withScriptedServer { connection, _ in
            _ = try await connection.readRequest()
            try await connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            try await connection.write([UInt8](repeating: 7, count: 300_000))
        } body: { port in
            let read = Monitor(0)
            let failure = await #expect(throws: Failure.self) {
                try await withHTTPClient { client in
                    try await client.withResponse(to: HTTPRequest(method: "GET", url: "http://127.0.0.1:\(port)")) {
                        for try await chunk in $1 { read.change { $0 += chunk.count } }
                    }
                }
            }
            #expect(failure?.code == .unreachable)
            #expect(failure?.message.contains("300000 of 1000000 bytes received") == true)
            #expect(read.quietly { $0 } == 300_000)
        }
    }

    @Test func anUploadThatBreaksIsAConnectionThatBroke() async throws {
        try await withScriptedServer { connection, _ in
            _ = try await connection.read(through: "\r\n\r\n")
            _ = try await connection.readExactly(100_000)
            await connection.reset()
        } body: { port in
            let failure = await #expect(throws: Failure.self) { try await put(port, bytes: 900_000) }
            #expect(failure?.code == .unreachable)
        }
    }

    @Test func aServerThatNeverAnswersIsATimeout() async throws {
        try await stalled { _ in
        } check: { port, deadlines in
            try await get(port, deadlines: deadlines)
        }
    }

    @Test func anAnswerThatStopsIsATimeout() async throws {
        try await stalled {
            try await $0.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        } check: {
            try await get($0, deadlines: $1)
        }
    }

    @Test func anUploadThatNobodyReadsIsATimeout() async throws {
        try await withScriptedServer { connection, _ in
            _ = try await connection.read(through: "\r\n\r\n")
            try await connection.write("HTTP/1.1 100 Continue\r\n\r\n")
            try await Monitor(false).wait { $0 ? () : nil }
        } body: { port in
            let failure = await #expect(throws: Failure.self) {
                try await put(port, bytes: 64 << 20, deadlines: HTTPDeadlines(noProgressSeconds: 1))
            }
            #expect(failure?.code == .timeout)
        }
    }

    @Test func aConnectionThatIsNotMadeInTimeIsATimeout() async throws {
        // TLS belongs to connecting, and this server never says a word of it.
        try await withScriptedServer { connection, _ in
            _ = try await connection.readToEnd()
        } body: { port in
            let failure = await #expect(throws: Failure.self) {
                try await withHTTPClient {
                    let deadlines = HTTPDeadlines(connectSeconds: 1, noProgressSeconds: 100)
                    let request = HTTPRequest(method: "GET", url: "https://127.0.0.1:\(port)", deadlines: deadlines)
                    return try await $0.send(request, bodyBytesMax: 0)
                }
            }
            #expect(failure?.code == .timeout)
        }
    }

    @Test func slowIsNotStalled() async throws {
        try await withScriptedServer { connection, _ in
            _ = try await connection.readRequest()
            try await connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
            for digit in 0..<10 {
                try await Task.sleep(for: .milliseconds(1400))
                try await connection.write("\(digit)")
            }
        } body: { port in
            let response = try await get(port, deadlines: HTTPDeadlines(noProgressSeconds: 12))
            #expect(String(decoding: response.body, as: UTF8.self) == "0123456789")
        }
    }

    private func stalled(
        _ answer: @escaping @Sendable (ByteChannel) async throws -> Void,
        check: (Int, HTTPDeadlines) async throws -> HTTPResponse
    ) async throws {
        try await withScriptedServer { connection, _ in
            _ = try await connection.readRequest()
            try await answer(connection)
            _ = try await connection.readToEnd()
        } body: { port in
            let failure = await #expect(throws: Failure.self) {
                try await check(port, HTTPDeadlines(noProgressSeconds: 1))
            }
            #expect(failure?.code == .timeout)
            #expect(failure?.code.isTransient == true)
        }
    }

    private func put(_ port: Int, bytes: Int, deadlines: HTTPDeadlines = HTTPDeadlines()) async throws -> HTTPResponse {
        try await withHTTPClient { client in
            let body = [UInt8](repeating: 1, count: bytes)
            let url = "http://127.0.0.1:\(port)/o"
            let request = HTTPRequest(method: "PUT", url: url, body: body, deadlines: deadlines)
            return try await client.send(request, bodyBytesMax: 1000)
        }
    }
}
