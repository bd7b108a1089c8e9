// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import RDB
import RedisClient
import RedisProtocol

/// The clock of a server, as it was read once.
struct ServerClock: Sendable {
    private let read: Int64
    private let at = ContinuousClock.now

    /// - Parameter milliseconds: what it shows now, since 1970.
    init(milliseconds: Int64) { read = milliseconds }

    /// Since 1970.
    var milliseconds: Int64 { read + Int64((ContinuousClock.now - at) / .milliseconds(1)) }
    var timestamp: Timestamp { Timestamp(secondsSince1970: milliseconds / 1000) }
}

/// Writes keys to a server, in batches whose size is bounded.
actor KeyWriter {
    /// How many keys, and how many bytes of them, are on their way at a time; one key may be larger.
    private static let batchKeysMax = 256
    private static let batchBytesMax: Int64 = 4 << 20

    private let connection: RedisConnection
    private let replaces: Bool
    private let isDryRun: Bool
    private let clock: ServerClock

    private(set) var written = KeysWritten()
    private var batch: [RDBExtractedKey] = []
    private var batchBytes: Int64 = 0
    /// The database that the connection has selected.
    private var database: UInt64?

    init(_ connection: RedisConnection, _ request: KeysRequest, _ clock: ServerClock) {
        self.connection = connection
        replaces = request.replaces
        isDryRun = request.isDryRun
        self.clock = clock
    }

    /// Takes the next keys, and writes what makes a batch.
    func add(_ keys: [RDBExtractedKey]) async throws {
        for key in keys {
            let now = clock.milliseconds
            // With REPLACE, a server would delete the key that is there and write nothing.
            if let expiry = key.expiry, expiry <= now {
                written.expired += 1
                continue
            }
            batch.append(key)
            batchBytes += isDryRun ? 0 : key.payloadBytes
            if batch.count >= Self.batchKeysMax || batchBytes >= Self.batchBytesMax { try await flush() }
        }
    }

    /// Writes what was taken.
    func flush() async throws {
        var keys: [RDBExtractedKey] = []
        swap(&keys, &batch)
        batchBytes = 0
        var isThere: [Bool] = []
        try await run(keys, { RESPCommand([Array("EXISTS".utf8), $0.name]) }) { _, reply in
            isThere.append(reply.integer == 1)
            return reply.error
        }
        let wanted = zip(keys, isThere).filter { replaces || !$0.1 }.map { (key: $0.0, wasThere: $0.1) }
        written.existing += UInt64(keys.count - wanted.count)
        guard !isDryRun else {
            for (key, wasThere) in wanted { count(key, wasThere) }
            return
        }
        keys = []
        var place = 0
        try await run(wanted.map(\.key), restoring) { key, reply in
            defer { place += 1 }
            switch reply.error {
            case nil: count(key, wanted[place].wasThere)
            // Somebody has written it since.
            case .some(let error) where error.kind == "BUSYKEY": written.existing += 1
            case .some(let error): return error
            }
            return nil
        }
    }

    private func count(_ key: RDBExtractedKey, _ wasThere: Bool) {
        written.keys += 1
        written.bytes += key.payloadBytes
        if wasThere { written.replaced += 1 }
    }

    private func restoring(_ key: RDBExtractedKey) -> RESPCommand {
        var words = [Array("RESTORE".utf8), key.name, Array("\(key.expiry ?? 0)".utf8), key.payload ?? []]
        words.append(Array("ABSTTL".utf8))
        if replaces { words.append(Array("REPLACE".utf8)) }
        if let idle = key.idleSeconds {
            words += [Array("IDLETIME".utf8), Array("\(min(idle, UInt64(Int32.max)))".utf8)]
        } else if let frequency = key.frequency {
            words += [Array("FREQ".utf8), Array("\(frequency)".utf8)]
        }
        return RESPCommand(words)
    }

    /// Runs one command for each key, in its database.
    ///
    /// - Parameter take: gets each reply, also those behind one that is an error; what it gives back is one that ends
    ///   the run.
    private func run(
        _ keys: [RDBExtractedKey],
        _ command: (RDBExtractedKey) -> RESPCommand,
        _ take: (RDBExtractedKey, RESPValue) -> RESPError?
    ) async throws {
        var commands: [RESPCommand] = []
        /// The key of each command; none for a change of the database.
        var subjects: [RDBExtractedKey?] = []
        for key in keys {
            if key.database != database {
                database = key.database
                commands.append(RESPCommand("SELECT", "\(key.database)"))
                subjects.append(nil)
            }
            commands.append(command(key))
            subjects.append(key)
        }
        var failure: Failure?
        for (index, reply) in try await connection.replies(to: commands).enumerated() {
            guard let key = subjects[index] else {
                // Nothing is right after a database that is not there; `KeysTarget` has tried all of them.
                if let error = reply.error { throw connection.failure(error, to: commands[index]) }
                continue
            }
            guard let error = take(key, reply), failure == nil else { continue }
            failure = connection.failure(error, to: commands[index])
                .during("write the key \"\(escaped(key.name))\" of database \(key.database)")
        }
        if let failure { throw failure }
    }
}
