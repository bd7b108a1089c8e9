// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// `check --config`: what a server would stumble over, before it does.
struct ConfigurationCheckTests {
    @Test func aFileOfTheFieldIsToldItsEightFaults() async throws {
        try await withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("redis.conf")
            let text = """
                daemonize yes
                ttl 0
                no-appendfsync no
                persist no
                virtual-memory 12536
                evict-policy allkeys-lru
                set-max-ziplist-entries 512
                set-max-ziplist-value 64
                """
            try Data(text.utf8).write(to: file)
            let outcome = try await Redoubt.run("check", "--config", file.path)
            #expect(outcome.code == 7)
            #expect(outcome.output.components(separatedBy: "FAILS").count == 9)
            for fix in ["daemonize no", "no-appendfsync-on-rewrite", "maxmemory-policy", "set-max-intset-entries"] {
                #expect(outcome.output.contains(fix))
            }
            #expect(outcome.errors.contains("8 of 8 findings"))

            try Data("appendonly yes\nmy-own yes\n".utf8).write(to: file)
            let refused = try await Redoubt.run("check", "--config", file.path)
            #expect(refused.code == 7)
            let accepted = try await Redoubt.run("check", "--config", file.path, "--accept-directive", "my-own")
            #expect(accepted.code == 0, "\(accepted.errors)")
            let missing = try await Redoubt.run("check", "--config", file.path + ".not-there")
            #expect(missing.code == 7)
        }
    }
}
