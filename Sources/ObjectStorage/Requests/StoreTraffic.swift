// SPDX-License-Identifier: Apache-2.0

import HTTPTransport

/// What all stores that a run opens share: how fast bytes may move, and how often requests may be sent again.
package struct StoreTraffic: Sendable {
    /// Without limits until somebody sets them.
    package let bandwidth = Bandwidth()
    package let retries = RetryBudget()

    package init() {}

    /// Sets how fast bodies may move, in bytes a second; `nil`: as fast as it goes.
    package func limit(up: Int?, down: Int?) {
        bandwidth.limit(up: up, down: down)
    }
}
