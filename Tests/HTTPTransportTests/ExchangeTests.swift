// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport
import TestParts
import Testing

@Suite(.timeLimit(.minutes(2))) struct ExchangeTests {
    @Test func aRequestGoesOutExactlyAsItIsWritten() async throws {
        let sent = try await wire {
            HTTPRequest(
                method: "GET",
                url: "http://127.0.0.1:\($0)/a/../b//c%2Fd?x=1&list-type=2&empty=",
                headers: [("x-b", "2"), ("X-A", "one  two"), ("x-empty", ""), ("Authorization", "AWS4 …")]
            )
        }
        #expect(
            sent.head == [
                "GET /a/../b//c%2Fd?x=1&list-type=2&empty= HTTP/1.1", "Host: 127.0.0.1:\(sent.port)",
                "User-Agent: redoubt",
                "x-b: 2", "X-A: one  two", "x-empty:", "Authorization: AWS4 …",
            ]
        )
    }

    @Test(arguments: ["PUT", "POST"])
    func aBodyGoesOutWithItsLengthAndNothingElse(method: String) async throws {
        let sent = try await wire {
            // A length of the caller's is never believed.
            let headers = [(name: "Content-Length", value: "7"), (name: "x-a", value: "1")]
            return HTTPRequest(method: method, url: "http://127.0.0.1:\($0)/o", headers: headers, body: [1, 2, 3])
        }
        #expect(
            sent.head == [
                "\(method) /o HTTP/1.1", "Host: 127.0.0.1:\(sent.port)", "User-Agent: redoubt", "x-a: 1",
                "Content-Length: 3",
            ]
        )
        #expect(sent.body == [1, 2, 3])
    }

    @Test(arguments: ["PUT", "POST"])
    func anEmptyBodyHasTheLengthZero(method: String) async throws {
        let sent = try await wire { HTTPRequest(method: method, url: "http://127.0.0.1:\($0)/o?uploads") }
        #expect(sent.head.last == "Content-Length: 0")
        #expect(sent.body == [])
    }

    @Test(arguments: ["HEAD", "DELETE", "GET"])
    func aRequestWithoutBodyHasNoLength(method: String) async throws {
        let sent = try await wire { HTTPRequest(method: method, url: "http://127.0.0.1:\($0)/o") }
        #expect(sent.head == ["\(method) /o HTTP/1.1", "Host: 127.0.0.1:\(sent.port)", "User-Agent: redoubt"])
    }

    @Test(arguments: [200, 204, 206, 301, 304, 307, 400, 403, 404, 409, 412, 416, 429, 500, 503])
    func anAnswerOfAnyStatusIsAnAnswerAndNoRedirectIsFollowed(status: Int) async throws {
        let body = status == 204 || status == 304 ? "" : "<Error>some text</Error>"
        let answer = ScriptedHTTP.response(
            "\(status) Whatever It Is",
            headers: ["Location: http://127.0.0.1:1/", "ETag: \"a\"", "x-two: 1", "X-Two: 2"],
            body: body
        )
        try await withScriptedHTTP { _, _ in
            answer
        } body: { server in
            let response = try await withHTTPClient {
                try await $0.send(HTTPRequest(method: "GET", url: server.url), bodyBytesMax: 1000)
            }
            #expect(response.head.status == status)
            #expect(response.head["etag"] == "\"a\"")
            #expect(response.head.headers.map(\.value).contains("2"))
            #expect(response.body == Array(body.utf8))
            #expect(server.requests.count == 1)
        }
    }

    @Test(arguments: [1, 2, 3, 7, 1000])
    func anAnswerIsTheSameHoweverItIsSliced(sliceBytes: Int) async throws {
        let answer =
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nx-interim: 1\r\n\r\n"
            + "HTTP/1.1 200 OK\r\nx-folded: a\r\n  b\r\nx-bare:c\nTransfer-Encoding: chunked\r\nTrailer: x-t\r\n\r\n"
            + "5\r\nhello\r\n1;ext=1\r\n \r\n5\r\nworld\r\n0\r\nx-t: trailer\r\n\r\n"
        try await withScriptedHTTP { _, _ in
            answer
        } body: { server in
            try await withFaultProxy(to: server.port) { proxy in
                proxy.add(.slices(bytes: sliceBytes), .toClient)
                let response = try await withHTTPClient {
                    try await $0.send(HTTPRequest(method: "GET", url: proxy.url), bodyBytesMax: 1000)
                }
                #expect(String(decoding: response.body, as: UTF8.self) == "hello world")
                #expect(response.head.headers.map(\.name) == ["x-folded", "x-bare", "Transfer-Encoding", "Trailer"])
                #expect(response.head["X-Folded"] == "a b")
                #expect(response.head["x-bare"] == "c")
            }
        }
    }

    @Test func headHasALengthAndNoBody() async throws {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 123456\r\n\r\n"
        try await withScriptedHTTP { _, _ in
            answer
        } body: { server in
            try await withHTTPClient { client in
                for _ in 0..<3 {
                    let response = try await client.send(HTTPRequest(method: "HEAD", url: server.url), bodyBytesMax: 0)
                    #expect(response.head["content-length"] == "123456")
                    #expect(response.body == [])
                }
                #expect(Set(server.requests.map(\.connection)) == [1])
            }
        }
    }

    @Test func anAnswerWithoutALengthEndsWithItsConnection() async throws {
        try await withScriptedServer { connection, _ in
            _ = try await connection.readRequest()
            try await connection.write("HTTP/1.1 200 OK\r\n\r\nall of it")
        } body: { port in
            let response = try await get(port)
            #expect(String(decoding: response.body, as: UTF8.self) == "all of it")
        }
    }

    @Test func anAnswerLargerThanAllowedIsRefused() async throws {
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("200 OK", body: "12345")
        } body: { server in
            try await withHTTPClient { client in
                let request = HTTPRequest(method: "GET", url: server.url)
                let response = try await client.send(request, bodyBytesMax: 5)
                #expect(response.body.count == 5)
                let failure = await #expect(throws: Failure.self) { try await client.send(request, bodyBytesMax: 4) }
                #expect(failure?.code == .protocolViolation)
            }
        }
    }

    @Test(arguments: [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "HTTP/1.1 200 OK\r\n folded first\r\n\r\n",
    ])
    func whatIsNotAnAnswerIsRefused(answer: String) async throws {
        try await refused(answer)
    }

    @Test func headersThatNeverEndAreRefused() async throws {
        try await refused("HTTP/1.1 200 OK\r\n" + String(repeating: "x-filler: of some length\r\n", count: 20_000))
    }

    private func refused(_ answer: String) async throws {
        try await withScriptedServer { connection, _ in
            _ = try await connection.readRequest()
            try await connection.write(answer)
            _ = try await connection.readToEnd()
        } body: { port in
            let failure = await #expect(throws: Failure.self) { try await get(port) }
            #expect(failure?.code == .protocolViolation, "\(failure?.description ?? "")")
        }
    }
}

/// Sends one request to a server that answers 200, and gives what went over the wire.
private func wire(_ request: (Int) -> HTTPRequest) async throws -> (port: Int, head: [String], body: [UInt8]) {
    let heads = Monitor([[String]]())
    let bodies = Monitor([[UInt8]]())
    return try await withScriptedServer { connection, _ in
        let head = String(decoding: try await connection.read(through: "\r\n\r\n"), as: UTF8.self)
        let lines = head.split(separator: "\r\n").map(String.init)
        let length = lines.compactMap { $0.hasPrefix("Content-Length: ") ? Int($0.dropFirst(16)) : nil }.first
        let body = try await connection.readExactly(length ?? 0)
        bodies.change { $0 = [body] }
        heads.change { $0.append(lines) }
        try await connection.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    } body: { port in
        let response = try await withHTTPClient { try await $0.send(request(port), bodyBytesMax: 0) }
        #expect(response.head.status == 200)
        return (port, try #require(heads.quietly { $0.first }), try #require(bodies.quietly { $0.first }))
    }
}

func get(_ port: Int, deadlines: HTTPDeadlines = HTTPDeadlines()) async throws -> HTTPResponse {
    try await withHTTPClient { client in
        let request = HTTPRequest(method: "GET", url: "http://127.0.0.1:\(port)/o", deadlines: deadlines)
        return try await client.send(request, bodyBytesMax: 1 << 20)
    }
}
