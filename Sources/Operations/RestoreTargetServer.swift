// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import RDB
import RedisProtocol

/// The server that will load a snapshot, as far as it is known before it runs.
package struct RestoreTargetServer: Sendable, Hashable {
    package var product: ServerInfo.Product = .redis
    package var version: ServerVersion?
    /// How many databases it has (`databases`).
    package var databases: Int?
    /// Its limit of memory in bytes; 0 is none.
    package var maxMemoryBytes: Int64?

    package init() {}

    /// Reads `7.0.15`, `redis-7.2` or `valkey-9.1`.
    /// - Throws: `.usage`.
    package init(parsing text: String) throws {
        let lowered = text.lowercased()
        let product = ["valkey", "redis"].first { lowered.hasPrefix($0) }
        let rest = lowered.dropFirst(product?.count ?? 0).drop { "-:= v".contains($0) }
        guard let version = ServerVersion(String(rest)) else {
            throw Failure(
                .usage, "read \(String(reflecting: text)) as the version of a server: it is none",
                hint: "Give 7.0.15, redis-7.2 or valkey-9.1.")
        }
        self.product = product == "valkey" ? .valkey : .redis
        self.version = version
    }
}
extension RestoreTargetServer { func requireAbleToLoad(_ m: Manifest.Member) throws {} }
extension RDBError { var failureCode: Failure.Code { .corruptSnapshot } }
