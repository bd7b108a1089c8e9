// SPDX-License-Identifier: Apache-2.0

import Crypto

/// What a dataset says, apart from how it is written: a model to try the digest of the content against.
struct ContentModel: Equatable {
    struct Key: Equatable {
        var database: UInt64
        var name: String
        var expiry: Int64?
        var value: Value
    }

    struct Field: Equatable {
        var name: String
        var value: String
        var expiry: UInt64?
    }

    struct Member: Equatable {
        var name: String
        var score: Double
    }

    struct Entry: Equatable {
        var id: [UInt64]
        var fields: [Field]
    }

    struct Group: Equatable {
        var name: String
        var lastID: [UInt64]
        /// Entries that wait, each for one consumer.
        var pending: [Pending]
        var consumers: [String]
    }

    struct Pending: Equatable {
        var id: [UInt64]
        var time: UInt64
        var deliveries: UInt64
        var consumer: String
    }

    enum Value: Equatable {
        case string(String)
        case list([String])
        case set([String])
        case hash([Field])
        case zset([Member])
        case stream([Entry], lastID: [UInt64], [Group])

        var type: String {
            switch self {
            case .string: "string"
            case .list: "list"
            case .set: "set"
            case .hash: "hash"
            case .zset: "zset"
            case .stream: "stream"
            }
        }
    }

    var keys: [Key] = []
    var libraries: [String] = []
}

// MARK: - The digest, as docs/backup-format.md defines it

extension ContentModel {
    /// Computed from the definition alone, with nothing of the scanner.
    var digest: String {
        let total = Self.sum(keys.map(Self.hash) + libraries.map { Self.sha([0xf5] + Self.text($0)) })
        return "1:" + total.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    private static func hash(_ key: Key) -> [UInt8] {
        var bytes = number(key.database) + text(key.value.type) + number(key.expiry.map { UInt64($0) } ?? .max)
        bytes += text(key.name)
        switch key.value {
        case .string(let value): bytes += text(value)
        case .list(let elements): bytes += elements.flatMap(text)
        case .set(let members): bytes += sum(members.map { sha(text($0)) })
        case .hash(let fields):
            bytes += sum(fields.map { sha(text($0.name) + text($0.value) + number($0.expiry ?? .max)) })
        case .zset(let members):
            bytes += sum(members.map { sha(text($0.name) + number($0.score == 0 ? 0 : $0.score.bitPattern)) })
        case .stream(let entries, let lastID, let groups):
            bytes += sum(entries.map(hash) + [sha([2] + lastID.flatMap(number))] + groups.flatMap(hashes))
        }
        return sha(bytes)
    }

    private static func hash(_ entry: Entry) -> [UInt8] {
        let names = sha(entry.fields.flatMap { text($0.name) })
        return sha([1] + entry.id.flatMap(number) + names + sha(entry.fields.flatMap { text($0.value) }))
    }

    private static func hashes(_ group: Group) -> [[UInt8]] {
        let own = sha([3] + text(group.name) + group.lastID.flatMap(number))
        let pending = group.pending.map {
            sha([4] + own + $0.id.flatMap(number) + number($0.time) + number($0.deliveries))
        }
        let consumers = group.consumers.flatMap { name -> [[UInt8]] in
            let consumer = sha([5] + own + text(name))
            let owned = group.pending.filter { $0.consumer == name }
            return [consumer] + owned.map { sha([6] + consumer + $0.id.flatMap(number)) }
        }
        return [own] + pending + consumers
    }

    private static func text(_ text: String) -> [UInt8] { number(UInt64(text.utf8.count)) + Array(text.utf8) }

    private static func number(_ value: UInt64) -> [UInt8] { littleEndianBytes(value) }

    private static func sha(_ bytes: [UInt8]) -> [UInt8] { Array(SHA256.hash(data: bytes)) }

    /// Modulo 2^256, byte by byte, the lowest first.
    private static func sum(_ hashes: [[UInt8]]) -> [UInt8] {
        var total = [UInt8](repeating: 0, count: 32)
        for hash in hashes {
            var carry = 0
            for index in 0..<32 {
                carry += Int(total[index]) + Int(hash[index])
                total[index] = UInt8(carry & 0xff)
                carry >>= 8
            }
        }
        return total
    }
}
