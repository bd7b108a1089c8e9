// SPDX-License-Identifier: Apache-2.0

import RedisProtocol
import TestParts
import Testing

/// Patterns mean here what they mean to `KEYS`.
struct KeyPatternTests {
    static let patterns = [
        "*", "a*", "*a", "*a*b*", "**a**", "?", "??", "h?llo", "h*llo", "h[ae]llo", "h[^e]llo", "h[a-e]llo",
        "h[e-a]llo", "[", "[]", "[^]", "[^", "[abc", "[a-", "[a-]", "[-a]", "[]a]", "[a]]", "\\", "a\\", "\\*", "\\?",
        "\\[a]", "[\\]]", "[\\^a]", "[a\\-c]", "[^a-c]*", "user:*", "user:[0-9]*:name", "*\\\\*", "a", "", "*?", "?*?",
        "h[a-]llo", "[[]", "[*]", "*[0-9]", "a*a*a*a*a*b", "\\a", "h\\ello",
    ]

    static let names = [
        "a", "b", "ab", "aa", "aab", "hello", "hallo", "hxllo", "hllo", "heello", "h*llo", "h?llo", "*", "?", "[", "]",
        "[a]", "-", "^", "\\", "a\\", "a\\b", "user:1", "user:1:name", "user:12:name", "user:x:name", "User:1", "c",
        "h-llo", "h]llo", "a]", "b]", "aaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaab", "0", "x9",
    ]

    @Test(arguments: [RedisFlavour.redis70, .valkey91])
    func theyMatchWhatAServerFinds(flavour: RedisFlavour) async throws {
        let odd: [[UInt8]] = [[0], [0xff, 0x61], [0x61, 0], Array("zeile\n".utf8)]
        let names = Self.names.map { Array($0.utf8) } + odd
        try await withRedis(flavour) { server in
            try await server.pipeline(names.map { ["SET", $0, "1"] })
            for pattern in Self.patterns {
                let reply = try await server.command("KEYS", pattern)
                let found = Set(reply.array?.compactMap(\.bytes) ?? [])
                let matched = Set(names.filter { KeyPattern(pattern).matches($0) })
                #expect(matched == found, "\(pattern)")
            }
            // Bytes that are no text.
            for pattern: [UInt8] in [[0xff, 0x2a], [0x3f, 0], [0x5b, 0xfe, 0x2d, 0xff, 0x5d, 0x2a]] {
                let found = Set(try await server.command("KEYS", pattern).array?.compactMap(\.bytes) ?? [])
                #expect(Set(names.filter { KeyPattern(pattern).matches($0) }) == found, "\(pattern)")
                #expect(!found.isEmpty)
            }
        }
    }

    /// A recursion would take longer than the world lasts.
    @Test func manyStarsTakeNoTime() {
        let pattern = KeyPattern(String(repeating: "a*", count: 60) + "b")
        #expect(!pattern.matches([UInt8](repeating: 0x61, count: 5000)))
    }
}
