// SPDX-License-Identifier: Apache-2.0

import Failures
import ObjectStorage
import TestParts
import Testing

/// Where time runs out over the tries of a store, what they came to is said.
@Suite struct StoreTroubleTests {
    private static func limited(_ url: String, _ limit: Duration) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await withObjectStore(try StoreLocation(parsing: url), configuration: StoreConfiguration()) {
                    _ = try await $0.list(under: .root)
                }
            }
            group.addTask {
                try await Task.sleep(for: limit)
                throw Failure(.timeout, "ask the store: no answer")
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// The first tries are refused, and the limit ends the pause before the next.
    @Test func theLastTroubleIsTheCauseOfATimeout() async throws {
        try await withFreePort { port in
            let failure = await #expect(throws: Failure.self) {
                try await StoreTrouble.named { try await Self.limited("webdav://127.0.0.1:\(port)/x", .seconds(2)) }
            }
            #expect(failure?.code == .timeout)
            #expect(failure?.description.hasPrefix("ask the store: no answer: ") == true)
            let cause = try #require(failure?.cause as? Failure)
            #expect(cause.code == .unreachable && cause.message.contains("127.0.0.1"))
        }
    }

    @Test func whatIsNoTimeoutStaysAsItIs() async throws {
        let failure = await #expect(throws: Failure.self) {
            try await StoreTrouble.named { throw Failure(.unreachable, "refused") }
        }
        #expect(failure?.code == .unreachable && failure?.cause == nil)
    }
}
