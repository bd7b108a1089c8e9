// SPDX-License-Identifier: Apache-2.0

/// A key and its value, as a scanner saw them: for whoever takes note of every key.
package struct RDBKey: Sendable {
    /// How much of a name is kept, in bytes as stored.
    package static let nameBytesMax = 256

    package let database: UInt64
    /// The name, or its beginning.
    package let name: [UInt8]
    package let isNameWhole: Bool
    /// Such as `hash`.
    package let type: String
    /// The value type, which says how the value is encoded (redis src/rdb.h).
    package let encoding: UInt8
    /// How many bytes the record takes in the RDB, without its expiry.
    package let bytes: Int64
    /// How many bytes its strings have, decompressed, the name included. An integer has 1, 2 or 4.
    package let payloadBytes: Int64
    /// How many of them the name has.
    package let nameBytes: Int64
    /// How many elements, fields, members or entries; one for a string; zero for the value of a module.
    package let elements: UInt64
    /// How many elements or nodes stand one after the other; the elements of a packed value and of a node count as one.
    package let parts: UInt64
    /// When it expires, in milliseconds since 1970.
    package let expiry: Int64?
    /// When the snapshot was taken, in milliseconds since 1970, if it says so.
    package let snapshotTime: Int64?
}

extension RDBKey {
    /// Whether it holds elements: not so a string, and not the value of a module, as far as a scanner can see.
    var isCollection: Bool { encoding != 0 && encoding != 7 }
}

extension RDBScanner {
    /// When the snapshot was taken, in milliseconds since 1970, if it said so yet.
    package var snapshotTime: Int64? { counts.createdAt }

    /// The name of the key is at hand: a value begins.
    mutating func beginContent() {
        inspection.sink.content?.beginKey(
            record.kind,
            // Valkey writes the expiry of a field behind it, others before or in packed data.
            expiresAfterValue: record.opcode == 22 ? summary.isValkey : record.opcode == 23 || record.opcode == 25,
            database: counts.database,
            expiry: counts.expiry
        )
    }

    /// The key whose value is complete.
    ///
    /// - Parameter end: where the next record begins, in bytes from the start of the RDB.
    func key(endingAt end: Int64) -> RDBKey {
        RDBKey(
            database: counts.database,
            name: excerpt.beginning(limit: RDBKey.nameBytesMax),
            isNameWhole: record.key.length <= RDBKey.nameBytesMax && record.key.stored <= RDBKey.nameBytesMax,
            type: record.kind.name,
            encoding: record.opcode,
            bytes: end - record.offset,
            payloadBytes: record.payload,
            nameBytes: Int64(record.key.length),
            elements: elements,
            parts: record.times,
            expiry: counts.expiry,
            snapshotTime: counts.createdAt
        )
    }

    private var elements: UInt64 {
        switch record.kind {
        case .string: 1
        case .stream: record.stream.length
        case .module: 0
        case .array: record.elements
        case .hash where record.opcode == 32: record.elements
        case .list, .set, .zset, .hash: isPacked ? record.packed : record.times
        }
    }

    /// Whether the elements of the value stand in packed data.
    private var isPacked: Bool {
        switch record.opcode {
        case 9...14, 16...18, 20, 23, 25, 30: true
        default: false
        }
    }
}
