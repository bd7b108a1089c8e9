// SPDX-License-Identifier: Apache-2.0

import NIOCore
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

/// Whom a Sentinel takes for the primary of the set that a server belongs to.
package struct SentinelOpinion: Sendable, Hashable {
    package let host: String
    package let port: Int

    /// Reads a greeting: `ip,port,runid,epoch,name,primary ip,primary port,primary epoch` (redis src/sentinel.c,
    /// `sentinelSendHello`).
    package init?(greeting: String) {
        let fields = greeting.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard fields.count == 8, !fields[5].isEmpty, let port = Int(fields[6]) else { return nil }
        host = fields[5]
        self.port = port
    }
}

extension RedisConnection {
    /// How long a greeting is awaited: each Sentinel greets every two seconds (redis src/sentinel.c).
    private static let greetingWait = TimeAmount.seconds(6)

    /// Listens to the Sentinels that watch this server, until one greets. The connection is of no other use afterwards.
    /// - Returns: `nil` when none does in time, or when the user may not listen.
    package func sentinelsOpinion() async throws -> SentinelOpinion? {
        let confirmation = try await reply(to: RESPCommand("SUBSCRIBE", "__sentinel__:hello"))
        guard confirmation.error == nil else { return nil }
        var decoder = RESPDecoder()
        while let bytes = try await nextBytes(orQuietAfter: Self.greetingWait, during: "was listened to"),
            !bytes.isEmpty
        {
            decoder.append(bytes)
            while let value = try decoder.next() {
                let words = value.elements?.compactMap(\.text) ?? []
                if words.first == "message", let opinion = words.last.flatMap(SentinelOpinion.init(greeting:)) {
                    return opinion
                }
            }
        }
        return nil
    }
}
