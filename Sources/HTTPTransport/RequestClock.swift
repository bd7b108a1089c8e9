// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Time and chance, so that a test decides both.
package struct RequestClock: Sendable {
    /// Seconds since 1970: signatures are dated with it, and credentials age by it.
    package var secondsSince1970: @Sendable () -> Int64
    /// Waits before a request is sent again.
    package var sleep: @Sendable (Duration) async throws -> Void
    /// At least 0 and less than 1; spreads retries.
    package var chance: @Sendable () -> Double

    package init(
        secondsSince1970: @escaping @Sendable () -> Int64,
        sleep: @escaping @Sendable (Duration) async throws -> Void,
        chance: @escaping @Sendable () -> Double
    ) {
        self.secondsSince1970 = secondsSince1970
        self.sleep = sleep
        self.chance = chance
    }

    package static let system = RequestClock(
        secondsSince1970: { Int64(time(nil)) },
        sleep: { try await Task.sleep(for: $0) },
        chance: { Double.random(in: 0..<1) }
    )
}
