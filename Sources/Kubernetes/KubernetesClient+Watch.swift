// SPDX-License-Identifier: Apache-2.0

import Failures

extension KubernetesClient {
    /// Follows the pods of a StatefulSet: calls `onChange` with all of them, in the order of their ordinals, at once
    /// and after each change, until it returns `true` or the time is over.
    ///
    /// Nothing is lost and nothing is told twice: a watch that ends or breaks is taken up where it was, and what the
    /// server has forgotten is listed anew. The calls come one after another; the time is not looked at during one.
    /// - Parameter timeoutSeconds: for all of it.
    /// - Throws: what `onChange` throws; what listing the pods throws; `.unreachable` or `.timeout` when the time is
    ///   over and the server could not be reached in the end, or never told anything.
    package func watchPods(
        of set: StatefulSet,
        timeoutSeconds: Int,
        _ onChange: @Sendable ([Pod]) async throws -> Bool
    ) async throws {
        try await watchPods(of: try PodGroup(of: set), timeoutSeconds: timeoutSeconds, onChange)
    }

    /// The same for the pods of any group.
    package func watchPods(
        of podGroup: PodGroup,
        timeoutSeconds: Int,
        _ onChange: @Sendable ([Pod]) async throws -> Bool
    ) async throws {
        let news = PodNews()
        let deadline = ContinuousClock.now.advanced(by: .seconds(max(0, timeoutSeconds)))
        let watch = PodWatch(client: self, group: podGroup, news: news, deadline: deadline)
        let silence = watch.failure(.timeout, "the pods could not be listed within \(timeoutSeconds) s")
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await watch.run() }
            group.addTask {
                try await ContinuousClock().sleep(until: deadline)
                news.endTime(orElse: silence)
            }
            defer { group.cancelAll() }
            while let pods = try await news.next() {
                if try await onChange(pods) { return }
            }
        }
    }
}
