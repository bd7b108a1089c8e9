// SPDX-License-Identifier: Apache-2.0

import TestParts
import Testing

@Suite struct FaultProxyTests {
    @Test func bytesPassAndAreCounted() async throws {
        try await withEcho { proxy in
            let heard = try await echo("hello", through: proxy)
            #expect(heard == "hello")
            #expect(proxy.connections.map(\.bytesToServer) == [5])
            // The client may have the answer before the proxy has counted it.
            try await eventually("the answer to be counted", withinSeconds: 10) {
                proxy.connections.map(\.bytesToClient) == [5] ? true : nil
            }
        }
    }

    @Test func halfClosedConnectionStillCarriesTheAnswer() async throws {
        try await withScriptedServer { connection, _ in
            let all = try await connection.readToEnd()
            try await connection.write("got \(all.count)")
        } body: { port in
            try await withFaultProxy(to: port) { proxy in
                let client = try await ByteChannel.connect(port: proxy.port)
                try await client.write(Array(repeating: 1, count: 3_000_000))
                try await client.closeWriting()
                #expect(String(decoding: try await client.readToEnd(), as: UTF8.self) == "got 3000000")
                await client.close()
            }
        }
    }

    @Test(arguments: [0, 1, 4])
    func closeEndsAfterExactlySoManyBytes(_ limit: Int) async throws {
        try await withEcho { proxy in
            proxy.add(.close(afterBytes: limit), .toClient)
            let heard = try await echo("hello", through: proxy)
            #expect(heard == String("hello".prefix(limit)))
        }
    }

    @Test func resetIsSeenAsAnError() async throws {
        try await withEcho { proxy in
            proxy.add(.reset(afterBytes: 2), .toServer)
            await #expect(throws: (any Error).self) { try await echo("hello", through: proxy) }
        }
    }

    @Test func faultIsForTheChosenConnectionAlone() async throws {
        try await withEcho { proxy in
            proxy.add(.flip(atByte: 1, mask: 0b100), .toServer, on: .only(2))
            var heard: [String] = []
            for _ in 1...3 { heard.append(try await echo("hello", through: proxy)) }
            #expect(heard == ["hello", "hallo", "hello"])
        }
    }

    @Test func flipHitsItsByteAtEverySliceSize() async throws {
        for size in 1...6 {
            try await withEcho { proxy in
                proxy.add(.slices(bytes: size), .toServer)
                proxy.add(.flip(atByte: 4, mask: 1), .toServer)
                let heard = try await echo("hello", through: proxy)
                #expect(heard == "helln")
            }
        }
    }

    @Test func stallHoldsUntilItIsCleared() async throws {
        try await withEcho { proxy in
            proxy.add(.stall(afterBytes: 2), .toClient)
            async let heard = echo("hello", through: proxy)
            try await eventually("two bytes to pass") { proxy.bytesToClient == 2 ? true : nil }
            try await eventually("the rest to reach the server") { proxy.bytesToServer == 5 ? true : nil }
            #expect(proxy.bytesToClient == 2)
            proxy.clear()
            #expect(try await heard == "hello")
        }
    }

    @Test func firstConnectionsAreRefused() async throws {
        try await withEcho { proxy in
            proxy.refuse(.first(2))
            for _ in 1...2 { await #expect(throws: (any Error).self) { try await echo("hello", through: proxy) } }
            let heard = try await echo("hello", through: proxy)
            #expect(heard == "hello")
            #expect(proxy.connections.map(\.wasRefused) == [true, true, false])
        }
    }

    private func withEcho(_ body: (FaultProxy) async throws -> Void) async throws {
        try await withScriptedServer { connection, _ in
            while let bytes = try await connection.read() { try await connection.write(bytes) }
        } body: { port in
            try await withFaultProxy(to: port, body)
        }
    }

    /// What comes back for a text, until it is as long or the connection ends.
    private func echo(_ text: String, through proxy: FaultProxy) async throws -> String {
        let client = try await ByteChannel.connect(port: proxy.port)
        do {
            try await client.write(text)
            var heard: [UInt8] = []
            while heard.count < text.utf8.count, let bytes = try await client.read() { heard += bytes }
            await client.close()
            return String(decoding: heard, as: UTF8.self)
        } catch {
            await client.close()
            throw error
        }
    }
}
