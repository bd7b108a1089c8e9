// SPDX-License-Identifier: Apache-2.0

import RedisProtocol

extension RedisConnection {
    /// Whether a Sentinel watches this server: each one listens to the channel `__sentinel__:hello` of what it watches.
    ///
    /// - Returns: `nil` when the user may ask neither `PUBSUB NUMSUB` nor `CLIENT LIST`.
    package func isWatchedBySentinel() async throws -> Bool? {
        let subscribers = try await reply(to: RESPCommand("PUBSUB", "NUMSUB", "__sentinel__:hello"))
        if subscribers.error == nil, let count = subscribers.elements?.last?.integer { return count > 0 }
        // A Sentinel names its connections (sentinel.c, `sentinelSetClientName`).
        let clients = try await reply(to: RESPCommand("CLIENT", "LIST"))
        guard clients.error == nil, let list = clients.text else { return nil }
        return list.contains("name=sentinel-")
    }
}
