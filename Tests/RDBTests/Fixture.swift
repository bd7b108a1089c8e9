// SPDX-License-Identifier: Apache-2.0

import Testing

/// An RDB of which everything is known.
struct Fixture: CustomTestStringConvertible {
    let name: String
    let writer: RDBWriter
    /// How many keys of each type it holds.
    let types: [String: UInt64]

    var bytes: [UInt8] { writer.ended() }
    var testDescription: String { name }

    init(_ name: String, _ magic: String, _ types: [String: UInt64], _ write: (inout RDBWriter) -> Void) {
        self.name = name
        self.types = types
        var writer = RDBWriter(magic)
        write(&writer)
        self.writer = writer
    }
}

extension Fixture {
    static let all: [Fixture] =
        [empty, strings, oldCollections, collections, packed, lists, streams, expiries, opcodes, modules]
        + [fieldExpiries, newest, valkey, manyDatabases, allTogether]

    static let empty = Fixture("empty", "REDIS0011", [:]) { _ in }

    static let strings = Fixture("strings of every encoding", "REDIS0009", ["string": 9]) { rdb in
        for (index, length) in [0, 1, 63, 64, 300, 16383, 16384].enumerated() {
            rdb.key(0, "plain:\(index)")
            rdb.string([UInt8](repeating: 0x78, count: length))
        }
        rdb.raw(0)
        rdb.integer(-7)
        rdb.integer(70_000)
        rdb.raw(0)
        rdb.compressed(0x61, 200)
        rdb.compressed(0x62, 100)
    }

    static let oldCollections = Fixture("collections before version 8", "REDIS0003", ["zset": 1, "hash": 1]) { rdb in
        rdb.key(3, "scores")
        let texts = ["1", "-2.5", "1e+300", "0.30000000000000004", "17"]
        rdb.each(texts) { rdb, text in
            rdb.string("member " + text)
            rdb.raw([UInt8(text.utf8.count)] + Array(text.utf8))
        }
        rdb.raw(253)
        rdb.littleEndian(Int32(1_700_000_000))
        rdb.key(9, "zipmap")
        rdb.string(zipmap([("name", "value"), ("f", "")]))
    }

    static let collections = Fixture(
        "collections element by element",
        "REDIS0010",
        ["list": 1, "set": 1, "zset": 1, "hash": 1]
    ) { rdb in
        rdb.key(1, "list")
        rdb.each(["a", "b", "c"]) { rdb, element in rdb.string(element) }
        rdb.key(2, "set")
        rdb.each([Int32(1), 300, -70_000]) { rdb, element in rdb.integer(element) }
        rdb.key(5, "zset")
        rdb.each([0.0, -1.5, .infinity, -.infinity]) { rdb, score in
            rdb.string("member \(score)")
            rdb.double(score)
        }
        rdb.key(4, "hash")
        rdb.each([UInt8(0x61), 0x62]) { rdb, byte in
            rdb.string([byte])
            rdb.compressed(byte, 64)
        }
    }

    static let packed = Fixture("packed collections", "REDIS0011", ["list": 1, "set": 2, "zset": 2, "hash": 2]) { rdb in
        rdb.key(10, "list:ziplist")
        rdb.string(ziplist(["one", "two"]))
        rdb.key(11, "set:intset")
        rdb.string(intset([-5, 3, 700]))
        rdb.key(12, "zset:ziplist")
        rdb.string(ziplist(["member", "1"]))
        rdb.key(13, "hash:ziplist")
        rdb.string(ziplist(["field", "value"]))
        rdb.key(16, "hash:listpack")
        rdb.string(listpack(["field", "12"]))
        rdb.key(17, "zset:listpack")
        rdb.string(listpack(["member", "3"]))
        rdb.key(20, "set:listpack")
        rdb.string(listpack(["x", "y", "z"]))
    }

    static let lists = Fixture("lists of nodes", "REDIS0010", ["list": 2]) { rdb in
        rdb.key(14, "quicklist")
        rdb.each([["a", "b"], ["c"]]) { rdb, node in rdb.string(ziplist(node)) }
        rdb.key(18, "quicklist:2")
        rdb.length(3, .count)
        rdb.length(2)
        rdb.string(listpack(["a", "5"]))
        rdb.length(1)
        rdb.string([UInt8](repeating: 0x70, count: 500))
        rdb.length(1)
        rdb.compressed(0x71, 250)
    }

    static let expiries = Fixture("expiries and usage", "REDIS0009", ["string": 5]) { rdb in
        rdb.aux("ctime", "1700000000")
        rdb.select(0)
        rdb.raw(251)
        rdb.numbers(5, 3)
        rdb.expire(1_700_000_000_001)
        rdb.raw(248)
        rdb.length(100_000)
        rdb.key(0, "alive")
        rdb.string("1")
        rdb.expire(1_699_999_999_999)
        rdb.raw(249, 200)
        rdb.key(0, "expired")
        rdb.string("2")
        rdb.raw(253)
        rdb.littleEndian(Int32(1_600_000_000))
        // Some servers write remarks about a key between its attributes and itself.
        rdb.aux("mvcc-tstamp", "12345")
        rdb.key(0, "expired, in seconds")
        rdb.string("3")
        rdb.key(0, "no expiry")
        rdb.string("4")
        rdb.raw(249, 1)
        rdb.key(0, "no expiry either")
        rdb.string("5")
    }

    static let opcodes = Fixture("opcodes", "REDIS0012", ["string": 1]) { rdb in
        rdb.aux("redis-ver", "7.4.0")
        rdb.raw(250)
        rdb.string("redis-bits")
        rdb.integer(64)
        rdb.raw(250)
        rdb.string("used-mem")
        rdb.integer(900_000)
        rdb.raw(250)
        rdb.string("compressed")
        rdb.compressed(0x63, 100)
        rdb.aux("repl-id", String(repeating: "0123456789", count: 4))
        rdb.raw(245)
        rdb.string("#!lua name=lib\nredis.register_function('f', function() return 1 end)")
        rdb.raw(245)
        rdb.compressed(0x20, 150)
        rdb.select(0)
        rdb.raw(251)
        rdb.numbers(1, 0)
        rdb.raw(244)
        rdb.numbers(16_000, 1, 0)
        rdb.key(0, "key")
        rdb.string("value")
    }

    static let modules = Fixture("modules", "REDIS0010", ["module": 2, "string": 1]) { rdb in
        let type = moduleType("ReJSON-RL", version: 3)
        rdb.raw(247)
        rdb.length(moduleType("MBbloom--", version: 1))
        rdb.numbers(2, 1)
        rdb.moduleFields()
        rdb.key(7, "document")
        rdb.length(type)
        rdb.moduleFields()
        rdb.key(7, "nothing")
        rdb.length(type)
        rdb.length(0)
        rdb.key(0, "key")
        rdb.string("value")
        rdb.raw(247)
        rdb.length(type)
        rdb.numbers(2, 2, 0)
    }

    static let fieldExpiries = Fixture("expiring fields of Redis", "REDIS0012", ["hash": 4]) { rdb in
        let pairs: [(UInt64, String, String)] = [(0, "never", "1"), (1, "first", "2"), (90_000, "later", "3")]
        rdb.key(22, "pre-release")
        rdb.each(pairs) { rdb, pair in
            rdb.length(pair.0)
            rdb.string(pair.1)
            rdb.string(pair.2)
        }
        rdb.key(23, "pre-release:listpack")
        rdb.string(listpack(["field", "value", "0"]))
        rdb.key(24, "hash")
        rdb.littleEndian(UInt64(1_900_000_000_000))
        rdb.each(pairs) { rdb, pair in
            rdb.length(pair.0)
            rdb.string(pair.1)
            rdb.string(pair.2)
        }
        rdb.key(25, "hash:listpack")
        rdb.littleEndian(UInt64(1_900_000_000_000))
        rdb.string(listpack(["field", "value", "0"]))
    }

    static let valkey = Fixture("Valkey 9", "VALKEY080", ["hash": 1, "string": 1]) { rdb in
        rdb.aux("valkey-ver", "9.1.2")
        rdb.raw(243)
        rdb.string(String(repeating: "ab", count: 20))
        rdb.each([(UInt64(0), UInt64(5)), (100, 16_383)]) { rdb, range in rdb.numbers(range.0, range.1) }
        rdb.select(0)
        rdb.aux("slot-info", "12182,1,0")
        rdb.key(22, "hash")
        rdb.each([Int64(-1), 1_900_000_000_000]) { rdb, expiry in
            rdb.string("field \(expiry)")
            rdb.string("value")
            rdb.littleEndian(expiry)
        }
        rdb.raw(244)
        rdb.numbers(3, 1, 0)
        rdb.key(0, "key")
        rdb.string("value")
    }

    static let manyDatabases = Fixture("databases, one of them twice", "VALKEY080", ["string": 4]) { rdb in
        for database in [UInt64(3), 0, 3, 15] {
            rdb.select(database)
            rdb.key(0, "key \(rdb.bytes.count)")
            rdb.string("value")
        }
        rdb.select(9)
    }

    /// Everything that one version may hold, in one RDB.
    static let allTogether = Fixture(
        "all together",
        "REDIS0015",
        [newest, collections, packed, lists, streams, expiries, opcodes, modules, fieldExpiries].reduce(into: [:]) {
            $0.merge($1.types, uniquingKeysWith: +)
        }
    ) { rdb in
        for part in [opcodes, newest, collections, packed, lists, streams, expiries, modules, fieldExpiries] {
            rdb.raw(Array(part.writer.bytes.dropFirst(9)))
        }
    }
}

/// The type id of a module: nine characters of six bits, and ten bits of version.
func moduleType(_ name: String, version: UInt64) -> UInt64 {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    return name.reduce(0) { $0 << 6 | UInt64(alphabet.firstIndex(of: $1) ?? 0) } << 10 | version
}

extension RDBWriter {
    /// Data of a module with a field of each kind.
    mutating func moduleFields() {
        length(1)
        length(UInt64(bitPattern: -5))
        numbers(2, 77)
        length(3)
        littleEndian(Float(1.5).bitPattern)
        length(4)
        double(2.5)
        length(5)
        string("text of a module")
        length(5)
        compressed(0x64, 90)
        length(0)
    }
}
