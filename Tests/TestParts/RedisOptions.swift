// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A server that the tests run, by kind and version.
package enum RedisFlavour: String, Sendable, CaseIterable, CustomStringConvertible {
    /// Redis 6.2: RDB version 9, no functions, no TLS in this build.
    case redis62
    /// Redis 7.0: RDB version 10.
    case redis70
    /// Valkey 9.1: RDB version 80, magic `VALKEY`, no TLS in this build.
    case valkey91

    package var description: String { rawValue }
    /// Whether it knows `FUNCTION`.
    package var hasFunctions: Bool { self != .redis62 }
    /// Whether this build speaks TLS.
    package var hasTLS: Bool { self == .redis70 }
}

/// How a server of the tests is started.
package struct RedisOptions: Sendable {
    /// Lines of redis.conf; they come last, so they win.
    package var config: [String] = []
    /// The password of the default user.
    package var password: String?
    /// Further users: the words of `ACL SETUSER`, for example `"backup on >secret +ping +psync"`.
    package var users: [String] = []
    package var appendOnly = false
    /// The primary to replicate.
    package var replicaOf: RedisServer?
    package var databases = 16
    /// A TLS port beside the plain one, with this material. Only Redis 7.0 of ours can.
    package var tls: TLSMaterial?
    /// Whether the server asks its clients for a certificate: `no`, `optional` or `yes`.
    package var tlsClients = "no"
    /// A Unix socket `redis.sock` in the folder, too.
    package var unixSocket = false
    /// The data folder; a temporary one when it is not given.
    package var folder: URL?
    /// The address it listens on; any of 127.0.0.0/8 is this machine.
    package var host = "127.0.0.1"
    /// The port; a free one when it is not given.
    package var port: Int?
    /// Whether `withRedis` waits for PONG; without, it only starts the process.
    package var waitsForPong = true
    /// How long the start, with the loading of a dataset, may take.
    package var startSecondsMax = 60.0

    package init() {}

    /// The options, changed in place: `.with { $0.appendOnly = true }`.
    package static func with(_ change: (inout RedisOptions) -> Void) -> RedisOptions {
        var options = RedisOptions()
        change(&options)
        return options
    }
}
