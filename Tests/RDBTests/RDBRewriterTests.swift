// SPDX-License-Identifier: Apache-2.0

import RDB
import Testing

/// What a rewriter changes, and that it changes nothing else.
struct RDBRewriterTests {
    static let id = String(repeating: "fedcba9876", count: 4)
    static let rewritings: [RDBRewriting] = [
        RDBRewriting(expiries: .shift(milliseconds: 86_400_000)),
        RDBRewriting(expiries: .persist, identity: .drop),
        RDBRewriting(expiries: .shift(milliseconds: -1000), identity: .replace(id: id, offset: 4711)),
        RDBRewriting(identity: .replace(id: id, offset: 0)),
    ]
    /// Those that have a place for a replication id.
    static let fixtures = Fixture.all.filter { $0.name != Fixture.oldCollections.name }

    @Test(arguments: Fixture.all, [1, 5, 4096, .max])
    func withNothingToChangeEveryByteStays(fixture: Fixture, chunk: Int) throws {
        for bytes in [fixture.bytes, fixture.writer.endedWithoutChecksum()] {
            let (output, changes) = try rewritten(bytes, RDBRewriting(), chunk: chunk)
            #expect(output == bytes)
            #expect(changes == RDBChanges())
        }
    }

    @Test(arguments: fixtures, rewritings)
    func whatComesOutIsWholeAndHoldsTheSameKeys(fixture: Fixture, rewriting: RDBRewriting) throws {
        let before = try scan(fixture.bytes, level: .deep)
        let (output, changes) = try rewritten(fixture.bytes, rewriting)
        let after = try scan(output, level: .deep)
        #expect(after.keys == before.keys)
        #expect(after.types == before.types)
        #expect(after.hasChecksum == before.hasChecksum)
        #expect(after.expires == (rewriting.expiries == .persist ? 0 : before.expires))
        #expect(changes.keys == (rewriting.expiries == .keep ? 0 : before.expires))
        switch rewriting.identity {
        case .keep: #expect(after.aux == before.aux)
        case .drop: #expect(after.replicationID == nil && after.aux["repl-stream-db"] == nil)
        case .replace(let id, let offset):
            #expect(after.replicationID == id && after.replicationOffset == offset)
            #expect(after.aux["repl-stream-db"].flatMap { Int($0) }.map { $0 >= 0 } == true)
        }
        let (unchecked, _) = try rewritten(fixture.writer.endedWithoutChecksum(), rewriting)
        #expect(try !scan(unchecked).hasChecksum)
        #expect(unchecked.dropLast(8) == output.dropLast(8))
    }

    @Test(arguments: fixtures.filter { $0.bytes.count < 5000 }, rewritings)
    func everySplitGivesTheSame(fixture: Fixture, rewriting: RDBRewriting) throws {
        let bytes = fixture.bytes
        let (whole, changes) = try rewritten(bytes, rewriting)
        var alike = 0
        for split in 0...bytes.count {
            var rewriter = RDBRewriter(rewriting)
            var output = try rewriter.consume(Array(bytes[..<split]))
            output += try rewriter.consume(Array(bytes[split...]))
            output += try rewriter.finish()
            if output == whole, rewriter.changes == changes { alike += 1 }
        }
        #expect(alike == bytes.count + 1)
        #expect(try rewritten(bytes, rewriting, chunk: 1).output == whole)
    }

    @Test(arguments: fixtures.filter { $0.bytes.count < 5000 })
    func everyTruncationIsRefused(fixture: Fixture) throws {
        let bytes = fixture.bytes
        let refused = (0..<bytes.count).count { length in
            do throws(RDBError) {
                _ = try rewritten(Array(bytes[..<length]), Self.rewritings[1])
                return false
            } catch {
                return error.rule == .truncated
            }
        }
        #expect(refused == bytes.count)
    }

    @Test func aDamagedChecksumIsRefused() throws {
        var bytes = Fixture.expiries.bytes
        bytes[bytes.count - 1] ^= 1
        #expect(throws: RDBError.self) { try rewritten(bytes, Self.rewritings[0]) }
    }

    /// Forth and back again is where one came from, but for seconds, which become milliseconds.
    @Test(arguments: [Fixture.valkey, .fieldExpiries, .newest])
    func aShiftIsTakenBackByItsOpposite(fixture: Fixture) throws {
        let forth = try rewritten(fixture.bytes, RDBRewriting(expiries: .shift(milliseconds: 5_000_000_123))).output
        #expect(forth != fixture.bytes)
        let back = try rewritten(forth, RDBRewriting(expiries: .shift(milliseconds: -5_000_000_123))).output
        if fixture.name != Fixture.fieldExpiries.name { #expect(back == fixture.bytes) }
        #expect(try scan(back, level: .content).content == scan(fixture.bytes, level: .content).content)
    }

    @Test func expiriesMoveAndStayWhatTheyAre() throws {
        var rdb = RDBWriter("REDIS0011")
        var expected = RDBWriter("REDIS0011")
        for (old, new) in [(Int64(1), Int64(501)), (-1, -1), (-501, -2), (.max - 1, .max), (.min, .min + 500)] {
            rdb.expire(old)
            rdb.key(0, "key")
            rdb.string("value")
            expected.expire(new)
            expected.key(0, "key")
            expected.string("value")
        }
        let (output, changes) = try rewritten(
            rdb.ended(),
            RDBRewriting(expiries: .shift(milliseconds: 500))
        )
        #expect(output == expected.ended())
        #expect(changes.keys == 4)
    }

    /// Versions before 3 know seconds only, of 32 bits.
    @Test func secondsOfTheOldestVersionsStaySeconds() throws {
        func bytes(_ seconds: Int32) -> [UInt8] {
            var rdb = RDBWriter("REDIS0002")
            rdb.raw(253)
            rdb.littleEndian(seconds)
            rdb.key(0, "key")
            rdb.string("value")
            return rdb.ended()
        }
        let shift = RDBRewriting(expiries: .shift(milliseconds: 2500))
        #expect(try rewritten(bytes(1000), shift).output == bytes(1003))
        #expect(refusal(.max, shift) == .rewriting)
        func refusal(_ seconds: Int32, _ rewriting: RDBRewriting) -> RDBRule? {
            do throws(RDBError) {
                _ = try rewritten(bytes(seconds), rewriting)
                return nil
            } catch { return error.rule }
        }
        let identity = RDBRewriting(identity: .replace(id: Self.id, offset: 1))
        #expect(refusal(1, identity) == .rewriting)
        #expect(try rewritten(bytes(1), RDBRewriting(identity: .drop)).output == bytes(1))
    }

    @Test func withoutExpiriesAHashIsOfAnOlderType() throws {
        let redis = try scan(rewritten(Fixture.fieldExpiries.bytes, RDBRewriting(expiries: .persist)).output)
        #expect(redis.records.keys.filter { $0 < 64 }.sorted() == [4, 23, 25])
        let valkey = try scan(rewritten(Fixture.valkey.bytes, RDBRewriting(expiries: .persist)).output)
        #expect(valkey.records.keys.filter { $0 < 64 }.sorted() == [0, 4])
    }

    @Test(arguments: [false, true])
    func expiriesInPackedHashesMoveInTheirPlaces(isCompressed: Bool) throws {
        func listpack(_ expiry: UInt64) -> [UInt8] {
            let element = [UInt8(0xf4)] + withUnsafeBytes(of: expiry.littleEndian, Array.init) + [9]
            let body = [0x81, 0x61, 2, 0x81, 0x62, 2] + element + [0x81, 0x63, 2, 0x81, 0x64, 2, 0, 1, 0xff]
            return withUnsafeBytes(of: UInt32(body.count + 6).littleEndian, Array.init) + [6, 0] + body
        }
        func rdb(_ minimum: UInt64, _ expiry: UInt64, _ isCompressed: Bool) -> [UInt8] {
            var rdb = RDBWriter("REDIS0012")
            rdb.key(25, "hash")
            rdb.littleEndian(minimum)
            let packed = listpack(expiry)
            if isCompressed {
                // Literals alone are LZF, too.
                let data = [UInt8(15)] + packed[..<16] + [UInt8(packed.count - 17)] + packed[16...]
                rdb.compressed(Array(data), packed.count)
            } else {
                rdb.string(packed)
            }
            return rdb.ended()
        }
        let (old, new) = (UInt64(1_900_000_000_000), UInt64(1_900_000_777_777))
        let input = rdb(old, old, isCompressed)
        #expect(try scan(input, level: .deep).types == ["hash": 1])
        let shift = RDBRewriting(expiries: .shift(milliseconds: 777_777))
        #expect(try rewritten(input, shift).output == rdb(new, new, false))
        #expect(try rewritten(input, shift, chunk: 1).output == rdb(new, new, false))
        let persisted = try rewritten(input, RDBRewriting(expiries: .persist))
        #expect(persisted.output == rdb(0, 0, false))
        #expect(persisted.changes.fields == 1)
        let tooLate = RDBRewriting(expiries: .shift(milliseconds: 1 << 48))
        #expect(throws: RDBError.self) { try rewritten(input, tooLate) }
    }

    /// Servers write the three together; what stands twice or means nothing does not survive.
    @Test func theIdentityIsReplacedWhereItStands() throws {
        func aux(_ fields: [(String, String)]) -> [UInt8] {
            var rdb = RDBWriter("REDIS0011")
            for (name, value) in fields { rdb.aux(name, value) }
            rdb.key(0, "key")
            rdb.string("value")
            return rdb.ended()
        }
        let replace = RDBRewriting(identity: .replace(id: Self.id, offset: 70_000))
        let other = String(repeating: "0", count: 40)
        let mine = [("repl-stream-db", "3"), ("repl-id", Self.id), ("repl-offset", "70000")]
        let theirs = [("repl-stream-db", "3"), ("repl-id", other), ("repl-offset", "12345678")]
        let (redis, ctime) = (("redis-ver", "7.2.4"), ("ctime", "1700000000"))
        #expect(try rewritten(aux([redis] + theirs + [ctime]), replace).output == aux([redis] + mine + [ctime]))
        #expect(try rewritten(aux([redis] + theirs + theirs), replace).output == aux([redis] + mine))
        let none = [("repl-stream-db", "0"), ("repl-id", Self.id), ("repl-offset", "70000")]
        #expect(try rewritten(aux([redis]), replace).output == aux([redis] + none))
        #expect(try rewritten(aux([("repl-stream-db", "-1")]), replace).output == aux(none))
        let long = String(repeating: "7", count: 100)
        #expect(try rewritten(aux([("repl-stream-db", long), ("repl-id", long)]), replace).output == aux(none))
        let dropped = try rewritten(aux([redis] + theirs + [ctime]), RDBRewriting(identity: .drop))
        #expect(dropped.output == aux([redis, ctime]))
        #expect(dropped.changes.identityFields == 3)
        let names = [(long, "1"), ("repl-ID", "2"), ("", "3")]
        #expect(try rewritten(aux(names), RDBRewriting(identity: .drop)).output == aux(names))
    }
}

/// Rewrites a whole RDB, in chunks of `chunk` bytes.
func rewritten(
    _ bytes: [UInt8],
    _ rewriting: RDBRewriting,
    chunk: Int = .max
) throws(RDBError) -> (output: [UInt8], changes: RDBChanges) {
    var rewriter = RDBRewriter(rewriting)
    var output: [UInt8] = []
    var rest = bytes[...]
    while !rest.isEmpty {
        output += try rewriter.consume(Array(rest.prefix(chunk)))
        rest = rest.dropFirst(chunk)
    }
    output += try rewriter.finish()
    return (output, rewriter.changes)
}
