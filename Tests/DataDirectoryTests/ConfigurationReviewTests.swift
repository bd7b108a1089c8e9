// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Foundation
import TestParts
import Testing

struct ConfigurationReviewTests {
    /// A file as it is found in the field: seven directives that do not exist, and one that ends a container.
    private static let found = """
        # redis.conf
        daemonize yes
        port 6379
        ttl 0
        appendonly yes
        appendfsync everysec
        no-appendfsync no
        persist no
        maxmemory 100mb
        virtual-memory 12536
        evict-policy allkeys-lru
        set-max-ziplist-entries 512
        set-max-ziplist-value 64
        """

    /// The same with each fix applied.
    private static let mended = """
        daemonize no
        appendonly yes
        appendfsync everysec
        no-appendfsync-on-rewrite no
        maxmemory 100mb
        maxmemory-policy allkeys-lru
        set-max-intset-entries 512
        """

    @Test func theFileOfTheFieldHasEightFaults() {
        let review = ConfigurationReview(.init(name: "redis.conf", text: Self.found))
        let expected = [
            (2, "daemonize", "daemonize no"), (4, "ttl", "EXPIRE"), (7, "no-appendfsync", "no-appendfsync-on-rewrite"),
            (8, "persist", "appendonly"), (10, "virtual-memory", "maxmemory"), (11, "evict-policy", "maxmemory-policy"),
            (12, "set-max-ziplist-entries", "set-max-intset-entries"),
            (13, "set-max-ziplist-value", "set-max-listpack-value"),
        ]
        #expect(review.findings.count == expected.count)
        #expect(review.directives == 12)
        for (finding, (line, directive, fix)) in zip(review.findings, expected) {
            #expect(finding.isFatal)
            #expect(finding.place == "redis.conf line \(line)")
            #expect(finding.directive == directive)
            #expect(finding.fix.contains(fix))
        }
    }

    /// The servers agree: with the file of the field they do not start, with the mended one they do.
    @Test(arguments: RedisFlavour.allCases)
    func serversAgree(flavour: RedisFlavour) async throws {
        let lines = Self.found.split(separator: "\n").map(String.init)
        let faults = ConfigurationReview(.init(name: "redis.conf", text: Self.found)).findings.dropFirst()
        #expect(faults.count == 7)
        for fault in faults {
            let line = try #require(lines.first { $0.hasPrefix(fault.directive + " ") })
            await #expect(throws: (any Error).self, "\(line)") {
                try await withRedis(flavour, .with { $0.config = [line] }) { _ in }
            }
        }
        let reply = try await withRedis(
            flavour,
            .with { $0.config = Self.mended.split(separator: "\n").map(String.init) }
        ) {
            try await $0.command("PING")
        }
        #expect(reply.text == "PONG")
    }

    /// What a server lists, the review knows of it: no file of that server is refused for a name.
    @Test(arguments: RedisFlavour.allCases)
    func everyDirectiveOfAServerIsKnown(flavour: RedisFlavour) async throws {
        let names = try await withRedis(flavour) { server in
            let reply = try #require(try await server.command("CONFIG", "GET", "*").array)
            return stride(from: 0, to: reply.count, by: 2).compactMap { reply[$0].text }
        }
        #expect(names.count > 140)
        let text = names.map { "\($0) x" }.joined(separator: "\n")
        let review = ConfigurationReview(.init(name: "all", text: text))
        #expect(review.findings.filter { $0.problem.hasPrefix("no server knows") } == [])
    }

    @Test func misspelledDirectivesAreFound() {
        func fix(_ name: String) -> String? {
            ConfigurationReview(.init(name: "redis.conf", text: "\(name) 1")).findings.first?.fix
        }
        #expect(fix("max-memory") == "maxmemory")
        #expect(fix("appendonyl") == "appendonly, if that was meant")
        #expect(fix("tcp-keepaliv") == "tcp-keepalive, if that was meant")
        #expect(fix("entirely-of-my-own-making")?.hasPrefix("remove it") == true)
        #expect(fix("repl-timeout") == nil)
        #expect(fix("search.something") == nil)
    }

    @Test func valuesAndQuotesAreLookedAt() {
        let text = "appendonly maybe\ndatabases none\nrequirepass \"open\nbind 127.0.0.1\nbind 127.0.0.1 10.0.0.1"
        let review = ConfigurationReview(.init(name: "redis.conf", text: text))
        #expect(review.findings.map(\.isFatal) == [true, true, true, false])
        #expect(review.findings.map(\.place).last == "redis.conf line 4")
    }

    @Test func namesOfNewerServersCanBeAccepted() {
        let source = ServerConfiguration.Source(name: "redis.conf", text: "a-new-directive yes")
        #expect(ConfigurationReview(source).findings.count == 1)
        #expect(ConfigurationReview(source, accepting: ["a-new-directive"]).findings.isEmpty)
    }
}
