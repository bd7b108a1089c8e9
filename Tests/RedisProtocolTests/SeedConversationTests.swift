// SPDX-License-Identifier: Apache-2.0

import Failures
import RedisProtocol
import Testing

/// What a replica says before and after a full synchronization, as Redis 6.2, 7.0 and Valkey 9.1 said it.
struct SeedConversationTests {
    private static let redis70 =
        "*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n"
        + "*3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$4\r\n7101\r\n"
        + "*5\r\n$8\r\nREPLCONF\r\n$4\r\ncapa\r\n$3\r\neof\r\n$4\r\ncapa\r\n$6\r\npsync2\r\n"
        + "*3\r\n$5\r\nPSYNC\r\n$40\r\n\(String(repeating: "a", count: 40))\r\n$3\r\n129\r\n"
        + "\n\n\n*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$3\r\n128\r\n"

    private static let steps: [SeedConversation.Step] = [
        .answer("+PONG\r\n"), .answer("+OK\r\n"), .answer("+OK\r\n"), .answer("+OK\r\n"), .synchronize,
        .acknowledged(offset: 128),
    ]

    @Test func isTheSameAtEverySplit() throws {
        let bytes = Array(Self.redis70.utf8)
        for split in 0...bytes.count {
            var conversation = SeedConversation()
            let steps = try conversation.receive(Array(bytes[..<split])) + conversation.receive(Array(bytes[split...]))
            #expect(steps == Self.steps, "split at \(split)")
            #expect(conversation.takesMark)
        }
        var conversation = SeedConversation()
        var steps: [SeedConversation.Step] = []
        for byte in bytes { steps += try conversation.receive([byte]) }
        #expect(steps == Self.steps)
    }

    @Test func aTruncatedOneSaysLess() throws {
        let bytes = Array(Self.redis70.utf8)
        for end in 0..<bytes.count {
            var conversation = SeedConversation()
            let steps = try conversation.receive(Array(bytes[..<end]))
            #expect(steps.count < Self.steps.count && steps == Array(Self.steps.prefix(steps.count)))
        }
    }

    @Test func whatIsNoReplicaIsRefusedOrNotUnderstood() throws {
        var conversation = SeedConversation()
        let steps = try conversation.receive(Array("*2\r\n$3\r\nGET\r\n$1\r\na\r\n".utf8))
        #expect(steps == [.answer("-ERR unknown command\r\n")])
        for text in ["GET / HTTP/1.1\r\n\r\n", "+OK\r\n", "*1\r\n$4\r\nSYNC\r\n", "\u{16}\u{3}\u{1}\u{2}\0"] {
            var conversation = SeedConversation()
            #expect(throws: Failure.self) { try conversation.receive(Array(text.utf8)) }
        }
    }

    @Test func aReplicaWithoutTheMarkIsKnown() throws {
        var conversation = SeedConversation()
        _ = try conversation.receive(Array("*3\r\n$8\r\nREPLCONF\r\n$4\r\ncapa\r\n$6\r\npsync2\r\n".utf8))
        #expect(!conversation.takesMark)
    }

    @Test(arguments: ["", "xyz", String(repeating: "A", count: 40), String(repeating: "a", count: 41), "a\r\n+OK"])
    func onlyAnIdentityIsOffered(id: String) {
        #expect(throws: Failure.self) { try SeedHeader(replicationID: id, offset: 1) }
        #expect(throws: Failure.self) { try SeedHeader(replicationID: String(repeating: "a", count: 40), offset: -1) }
    }

    @Test func theHeaderIsOneLine() throws {
        let header = try SeedHeader(replicationID: String(repeating: "0f", count: 20), offset: 7)
        #expect(header.answer == "+FULLRESYNC \(String(repeating: "0f", count: 20)) 7\r\n")
        #expect(SeedHeader.length(12) == "$12\r\n")
    }
}
