// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport
import ObjectStorage
import Synchronization
import Testing

@Suite struct RefreshedCredentialTests {
    /// A credential that is a number, the clock that it ages by, and what its source does.
    private final class Rig: Sendable {
        let seconds = Mutex<Int64>(1000)
        let fetches = Mutex(0)
        let failure = Mutex<Failure?>(nil)
        let holds = Monitor(false)

        func credential() -> RefreshedCredential<Int> {
            var clock = RequestClock.system
            clock.secondsSince1970 = { self.seconds.withLock { $0 } }
            var logger = StoreConfiguration().logger
            logger.logLevel = .critical
            return RefreshedCredential("the number", clock: clock, logger: logger) {
                let number = self.fetches.withLock { fetches in
                    fetches += 1
                    return fetches
                }
                try await self.holds.wait { $0 ? nil : () }
                if let failure = self.failure.withLock({ $0 }) { throw failure }
                return .init(number, endsAtSeconds: self.seconds.withLock { $0 } + 3600)
            }
        }

        var count: Int { fetches.withLock { $0 } }
        func set(_ seconds: Int64) { self.seconds.withLock { $0 = seconds } }
    }

    @Test func valueIsFetchedOnceForAllAndAgainBeforeItsEnd() async throws {
        let rig = Rig()
        let credential = rig.credential()
        rig.holds.change { $0 = true }
        let values = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<20 { group.addTask { try await credential.value() } }
            try await Task.sleep(for: .milliseconds(30))
            rig.holds.change { $0 = false }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(values == [Int](repeating: 1, count: 20) && rig.count == 1)
        rig.set(1000 + 3299)
        #expect(try await credential.value() == 1)
        rig.set(1000 + 3300)
        #expect(try await credential.value() == 2)
        #expect(try await credential.renew())
        #expect(try await credential.value() == 3 && rig.count == 3)
    }

    @Test func valueThatCannotBeRenewedIsUsedToItsEnd() async throws {
        let rig = Rig()
        let credential = rig.credential()
        #expect(try await credential.value() == 1)
        rig.failure.withLock { $0 = Failure(.unreachable, "no") }
        rig.set(1000 + 3400)
        #expect(try await credential.value() == 1 && rig.count == 2)
        rig.set(1000 + 3429)
        #expect(try await credential.value() == 1 && rig.count == 2)
        rig.set(1000 + 3430)
        #expect(try await credential.value() == 1 && rig.count == 3)
        rig.set(1000 + 3600)
        await #expect(throws: Failure.self) { try await credential.value() }
        await #expect(throws: Failure.self) { try await credential.renew() }
        rig.failure.withLock { $0 = nil }
        #expect(try await credential.value() == 6)
    }

    @Test func failureIsThatOfAllWhoWait() async throws {
        let rig = Rig()
        let credential = rig.credential()
        rig.failure.withLock { $0 = Failure(.authenticationFailed, "no") }
        rig.holds.change { $0 = true }
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<10 {
                group.addTask { await #expect(throws: Failure.self) { try await credential.value() } }
            }
            try? await Task.sleep(for: .milliseconds(30))
            rig.holds.change { $0 = false }
        }
        #expect(rig.count < 10)
    }

    /// Whoever waited for a task that was cancelled fetches itself.
    @Test func cancelledFetchIsTakenOver() async throws {
        let rig = Rig()
        let credential = rig.credential()
        rig.holds.change { $0 = true }
        try await withThrowingTaskGroup(of: Int?.self) { group in
            let first = Signal()
            group.addTask {
                try await withThrowingTaskGroup(of: Int.self, returning: Int?.self) { inner in
                    inner.addTask {
                        first.raise()
                        return try await credential.value()
                    }
                    await first.wait(for: 1)
                    while rig.count == 0 { await Task.yield() }
                    first.raise()
                    try await Task.sleep(for: .milliseconds(30))
                    inner.cancelAll()
                    await #expect(throws: CancellationError.self) { try await inner.next() }
                    rig.holds.change { $0 = false }
                    return nil
                }
            }
            await first.wait(for: 2)
            group.addTask { try await credential.value() }
            for try await value in group { #expect(value == nil || value == 2) }
        }
        #expect(rig.count == 2)
    }
}
