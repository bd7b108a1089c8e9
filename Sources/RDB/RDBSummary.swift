// SPDX-License-Identifier: Apache-2.0

/// What a scanner found in an RDB that it read to its proven end.
package struct RDBSummary: Sendable, Hashable {
    /// The number after the magic: 1 to 15 for Redis, 80 and more for Valkey.
    package var version: Int
    /// Whether the magic is `VALKEY` instead of `REDIS`.
    package var isValkey: Bool
    /// From the magic to the last byte of the checksum.
    package var bytes: Int64
    /// The CRC-64 of everything before the checksum, as computed here.
    package var crc64: UInt64
    /// Whether the file carries a checksum: a server with `rdbchecksum no` writes zero, and before version 5 there is
    /// none.
    package var hasChecksum: Bool
    /// The AUX fields, as written; only those of at most 1 KiB, and at most 64 of them.
    package var aux: [String: String]
    /// How many keys stand in each database; a database without keys is not in it.
    package var keys: [UInt64: UInt64]
    /// How many keys have an expiry.
    package var expires: UInt64
    /// How many of those were already expired at the time of the snapshot (`ctime`).
    package var expired: UInt64
    /// How many of those expire before the time that the scanner was asked about; zero if it was not.
    package var past: UInt64
    /// How many keys of each type: `string`, `list`, `set`, `zset`, `hash`, `stream`, `module`, `array`.
    package var types: [String: UInt64]
    /// How many records of each opcode and value type (redis src/rdb.h): which encodings the values have.
    package var records: [UInt8: UInt64]
    /// Names of the modules that wrote values or AUX data, sorted.
    package var modules: [String]
    /// How many function libraries.
    package var functions: UInt64
    /// The digest of the content, at level content.
    package var content: ContentDigest?
    /// The keys that the digest covers, at level content: without those that were left out because they are expired.
    package var contentTally: ContentTally?

    package init(
        version: Int = 0,
        isValkey: Bool = false,
        bytes: Int64 = 0,
        crc64: UInt64 = 0,
        hasChecksum: Bool = false,
        aux: [String: String] = [:],
        keys: [UInt64: UInt64] = [:],
        expires: UInt64 = 0,
        expired: UInt64 = 0,
        past: UInt64 = 0,
        types: [String: UInt64] = [:],
        records: [UInt8: UInt64] = [:],
        modules: [String] = [],
        functions: UInt64 = 0,
        content: ContentDigest? = nil
    ) {
        self.version = version
        self.isValkey = isValkey
        self.bytes = bytes
        self.crc64 = crc64
        self.hasChecksum = hasChecksum
        self.aux = aux
        self.keys = keys
        self.expires = expires
        self.expired = expired
        self.past = past
        self.types = types
        self.records = records
        self.modules = modules
        self.functions = functions
        self.content = content
    }
}

extension RDBSummary {
    /// The replication id the dataset belongs to (`repl-id`), where the server wrote one.
    package var replicationID: String? { aux["repl-id"] }
    /// The replication offset of the dataset (`repl-offset`), in bytes.
    package var replicationOffset: Int64? { aux["repl-offset"].flatMap(Int64.init) }
    /// When the snapshot was taken (`ctime`), in seconds since 1970 by the clock of the server.
    package var createdAtSeconds: Int64? { aux["ctime"].flatMap(Int64.init) }
    /// The memory the dataset used (`used-mem`), in bytes.
    package var usedMemoryBytes: Int64? { aux["used-mem"].flatMap(Int64.init) }
    /// The version of the server that wrote it (`redis-ver` or `valkey-ver`).
    package var serverVersion: String? { aux["valkey-ver"] ?? aux["redis-ver"] }
    /// The CRC-64 in 16 hexadecimal digits.
    package var crc64Text: String {
        let digits = String(crc64, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
    /// All keys of all databases.
    package var keyCount: UInt64 { keys.values.reduce(0, +) }
}
