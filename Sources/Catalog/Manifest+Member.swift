// SPDX-License-Identifier: Apache-2.0

extension Manifest {
    /// One server of the set: with its proven snapshot, or with the reason why it has none.
    package struct Member: Sendable, Hashable, Codable {
        package var member: String
        /// `primary` or `replica`, by the server's own word.
        package var role: String?
        package var server: Server?
        package var replication: Replication?
        package var shard: Shard?
        /// `replication` or `volume`.
        package var method: String?
        package var rdb: Snapshot?
        package var stored: Stored?
        package var seconds: Seconds?
        package var warnings: [String]?
        package var error: Problem?

        package init(member: String, role: String? = nil) {
            self.member = member
            self.role = role
        }
    }

    /// The server, as `INFO` describes it.
    package struct Server: Sendable, Hashable, Codable {
        /// `redis` or `valkey`.
        package var product: String
        package var version: String
        package var runId: String
        /// `standalone`, `cluster` or `sentinel`.
        package var mode: String

        package init(product: String, version: String, runId: String, mode: String) {
            self.product = product
            self.version = version
            self.runId = runId
            self.mode = mode
        }
    }

    /// The point in the history of the replication at which the snapshot stands.
    package struct Replication: Sendable, Hashable, Codable {
        package var id: String
        package var offset: Int64

        package init(id: String, offset: Int64) {
            self.id = id
            self.offset = offset
        }
    }

    /// The shard of a cluster that the member is in, as the member saw it when the run began.
    package struct Shard: Sendable, Hashable, Codable {
        /// The slots of the shard, as `0-5460,5462`; empty for a node that has none.
        package var slots: String
        /// The member's own node: 40 hexadecimal digits.
        package var nodeId: String?
        /// The primary of the shard; the same as `nodeId` on a primary.
        package var primaryId: String?
        /// The version of the shard's slots.
        package var configEpoch: Int64?

        package init(
            slots: String,
            nodeId: String? = nil,
            primaryId: String? = nil,
            configEpoch: Int64? = nil
        ) {
            self.slots = slots
            self.nodeId = nodeId
            self.primaryId = primaryId
            self.configEpoch = configEpoch
        }
    }

    /// The snapshot itself, uncompressed.
    package struct Snapshot: Sendable, Hashable, Codable {
        /// The number after the magic: 1 to 15 for Redis, 80 and more for Valkey.
        package var version: Int
        package var bytes: Int64
        /// 64 hexadecimal digits.
        package var sha256: String
        /// 16 hexadecimal digits: the CRC-64 of everything before the checksum.
        package var crc64: String
        /// When the server took it, by the server's clock.
        package var createdAt: Timestamp?
        /// Keys by database number.
        package var keys: [String: UInt64]
        package var expires: UInt64
        package var types: [String: UInt64]
        /// Bytes of memory that the dataset used in the server.
        package var usedMemory: Int64?
        package var modules: [String]
        /// Libraries of functions.
        package var functions: UInt64
        /// How closely it was read before it was committed: a raw value of `RDBLevel`. Absent: `deep`.
        package var proof: String?
        /// What the dataset says, apart from how it is written (`ContentDigest`), where it was read at level content.
        package var contentDigest: String?

        package init(
            version: Int,
            bytes: Int64,
            sha256: String,
            crc64: String,
            createdAt: Timestamp?,
            keys: [String: UInt64],
            expires: UInt64,
            types: [String: UInt64],
            usedMemory: Int64?,
            modules: [String],
            functions: UInt64,
            proof: String? = nil,
            contentDigest: String? = nil
        ) {
            self.version = version
            self.bytes = bytes
            self.sha256 = sha256
            self.crc64 = crc64
            self.createdAt = createdAt
            self.keys = keys
            self.expires = expires
            self.types = types
            self.usedMemory = usedMemory
            self.modules = modules
            self.functions = functions
            self.proof = proof
            self.contentDigest = contentDigest
        }

        package var keyCount: UInt64 { keys.values.reduce(0) { $0.saturatingSum($1) } }
    }

    /// The object in the store.
    package struct Stored: Sendable, Hashable, Codable {
        /// From the root of the store: `<name>/<id>/<member>.rdb.zst`, encrypted `.rdb.zst.age`.
        package var key: String
        package var bytes: Int64
        /// 64 hexadecimal digits.
        package var sha256: String
        /// `zstd`, `gzip` or `none`.
        package var compression: String
        /// `age`; absent: not encrypted.
        package var encryption: String?
        /// Whom it is encrypted for, by fingerprints: `x25519:` and 16 hexadecimal digits, or `scrypt` for a
        /// passphrase.
        package var recipients: [String]?

        package init(
            key: String,
            bytes: Int64,
            sha256: String,
            compression: String,
            encryption: String? = nil,
            recipients: [String]? = nil
        ) {
            self.key = key
            self.bytes = bytes
            self.sha256 = sha256
            self.compression = compression
            self.encryption = encryption
            self.recipients = recipients
        }
    }

    /// How long the steps took.
    package struct Seconds: Sendable, Hashable, Codable {
        /// From the request to the first byte: the server's save.
        package var save: Double
        /// From the first byte to the last one staged in the store.
        package var stream: Double

        package init(save: Double, stream: Double) {
            self.save = save
            self.stream = stream
        }
    }

    /// Why a member has no snapshot in the set.
    package struct Problem: Sendable, Hashable, Codable {
        /// A raw value of `Failure.Code`.
        package var code: String
        package var message: String

        package init(code: String, message: String) {
            self.code = code
            self.message = message
        }
    }
}

extension UInt64 {
    /// The sum, or the largest number where that is larger.
    package func saturatingSum(_ other: UInt64) -> UInt64 {
        let (sum, overflows) = addingReportingOverflow(other)
        return overflows ? .max : sum
    }
}
