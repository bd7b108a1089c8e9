// SPDX-License-Identifier: Apache-2.0

import TestParts
import Testing

@Suite struct ScriptedServerTests {
    @Test func httpAnswersInOrderOverOneConnection() async throws {
        try await withScriptedHTTP { _, number in
            number == 1 ? ScriptedHTTP.response("503 Slow Down") : ScriptedHTTP.response("200 OK", body: "hello")
        } body: { server in
            let client = try await ByteChannel.connect(port: server.port)
            try await client.write("PUT /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
            #expect(try await client.readLine() == "HTTP/1.1 503 Slow Down")
            _ = try await client.read(through: "\r\n\r\n")
            try await client.write("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\n")
            #expect(try await client.readLine() == "HTTP/1.1 200 OK")
            await client.close()
            #expect(server.requests.map(\.method) == ["PUT", "POST"])
            #expect(server.requests.map(\.target) == ["/a?b=c", "/"])
            #expect(server.requests.map(\.body) == [Array("abc".utf8), Array("xy".utf8)])
            #expect(server.requests.map(\.connection) == [1, 1])
        }
    }

    @Test func defectOfTheScriptFailsTheScope() async throws {
        await #expect(throws: UnretryableError.self) {
            try await withScriptedServer { _, _ in
                throw UnretryableError("the script is wrong")
            } body: { port in
                let client = try await ByteChannel.connect(port: port)
                _ = try await client.readToEnd()
                await client.close()
            }
        }
    }

    @Test func freePortRefuses() async throws {
        try await withFreePort { port in
            await #expect(throws: (any Error).self) { try await ByteChannel.connect(port: port) }
        }
    }
}
