// SPDX-License-Identifier: Apache-2.0

import RDB
import TestParts
import Testing

struct ContentDigestTests {
    /// Every encoding, order and dialect gives the value that the definition gives.
    @Test(arguments: 0..<20)
    func encodingsAndOrdersDoNotMatter(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let model = ContentModel.random(&random)
        for number in 0..<ContentForm.count {
            for magic in ["REDIS0012", "VALKEY080"] {
                // Valkey has no type 24 or 25, and its 22 is another one; the rest is common.
                let form = ContentForm(number: number, magic: magic)
                let bytes = model.written(form)
                let chunk = number % 3 == 0 ? Int.max : 1 + number
                let summary = try scan(bytes, level: .content, chunk: chunk)
                #expect(summary.content?.description == model.digest, "form \(number) of \(magic)")
                #expect(try scan(bytes, level: .deep).content == nil)
            }
        }
    }

    /// One change anywhere changes the digest.
    @Test(arguments: 0..<200)
    func everyChangeMatters(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let model = ContentModel.random(&random)
        let changed = model.changed(&random)
        #expect(changed != model)
        let form = ContentForm(number: Int(seed % 8), magic: "REDIS0012")
        let before = try scan(model.written(form), level: .content).content
        let after = try scan(changed.written(form), level: .content).content
        #expect(before != nil && before != after)
        #expect(after?.description == changed.digest)
    }

    @Test func nothingHasADigestToo() throws {
        let digest = try scan(Fixture.empty.bytes, level: .content).content
        #expect(digest?.description == "1:" + String(repeating: "0", count: 64))
    }

    /// Two datasets that only differ in which key has which value, or in which database it stands.
    @Test func valuesBelongToTheirKeys() throws {
        func digest(_ pairs: [(UInt64, String, String)]) -> String {
            ContentModel(keys: pairs.map { .init(database: $0.0, name: $0.1, value: .string($0.2)) }).digest
        }
        #expect(digest([(0, "a", "1"), (0, "b", "2")]) != digest([(0, "a", "2"), (0, "b", "1")]))
        #expect(digest([(0, "a", "1"), (1, "b", "2")]) != digest([(1, "a", "1"), (0, "b", "2")]))
        #expect(digest([(0, "a", "1")]) != digest([(0, "a", "1"), (0, "a", "1")]))
    }

    /// A server that loads the snapshot later leaves out what has expired by then.
    @Test func whatHasExpiredCanBeLeftOut() throws {
        var random = SeededRandom(seed: 5)
        var model = ContentModel.random(&random)
        model.keys.append(.init(database: 0, name: "gone", expiry: 5_000, value: .string("x")))
        model.keys.append(.init(database: 0, name: "just alive", expiry: 5_001, value: .string("x")))
        model.keys.append(
            .init(database: 0, name: "fields", value: .hash([.init(name: "f", value: "v", expiry: 100)]))
        )
        model.keys.append(
            .init(
                database: 0,
                name: "one field",
                value: .hash([
                    .init(name: "f", value: "v", expiry: 100), .init(name: "g", value: "w", expiry: 1 << 40),
                ])
            )
        )
        var alive = model
        alive.keys.removeAll { ["gone", "fields"].contains($0.name) }
        alive.keys[alive.keys.count - 1].value = .hash([.init(name: "g", value: "w", expiry: 1 << 40)])
        for number in 0..<ContentForm.count {
            let form = ContentForm(number: number, magic: "REDIS0012")
            var scanner = RDBScanner(level: .content, aliveAt: 5_001)
            try scanner.consume(model.written(form))
            #expect(try scanner.finish().content?.description == alive.digest)
        }
    }

    /// Module data and arrays: no other encoding of them exists, so the digest is held against one change of any byte.
    @Test(arguments: [Fixture.modules, Fixture.newest])
    func whatHasOneEncodingOnlyHasADigest(fixture: Fixture) throws {
        let digest = try scan(fixture.bytes, level: .content).content
        #expect(digest != nil)
        #expect(try scan(fixture.bytes, level: .content, chunk: 1).content == digest)
    }
}

extension ContentModel {
    /// A dataset of every type, with integers among its texts and expiries among its keys.
    static func random(_ random: inout SeededRandom) -> ContentModel {
        var model = ContentModel()
        model.libraries = ["#!lua name=one\nreturn 1"]
        for index in 0..<18 {
            let expires = Int.random(in: 0..<3, using: &random) == 0
            let value: Value =
                switch index % 6 {
                case 0: .string(text(&random))
                case 1: .list(texts(&random))
                case 2:
                    .set(index % 12 == 2 ? texts(&random).map { "1\($0.utf8.count)" }.unique : texts(&random).unique)
                case 3: .hash(fields(&random, expiring: index % 12 == 3))
                case 4: .zset(texts(&random).unique.map { Member(name: $0, score: score(&random)) })
                default: stream(&random)
                }
            model.keys.append(
                Key(
                    database: UInt64.random(in: 0..<3, using: &random),
                    name: "key:\(index)",
                    expiry: expires ? Int64.random(in: 1 << 41..<1 << 42, using: &random) : nil,
                    value: value
                )
            )
        }
        return model
    }

    private static func text(_ random: inout SeededRandom) -> String {
        switch Int.random(in: 0..<6, using: &random) {
        case 0: "\(Int16.random(in: .min ... .max, using: &random))"
        case 1: "\(Int64.random(in: .min ... .max, using: &random))"
        case 2: ""
        case 3: String(repeating: "ab", count: Int.random(in: 1..<90, using: &random))
        default: "text \(random.next())"
        }
    }

    private static func texts(_ random: inout SeededRandom) -> [String] {
        (0..<Int.random(in: 1..<9, using: &random)).map { _ in text(&random) }
    }

    private static func score(_ random: inout SeededRandom) -> Double {
        switch Int.random(in: 0..<5, using: &random) {
        case 0: Double(Int.random(in: -1000..<1000, using: &random))
        case 1: 0
        case 2: .infinity
        default: Double.random(in: -1e9..<1e9, using: &random)
        }
    }

    private static func fields(_ random: inout SeededRandom, expiring: Bool) -> [Field] {
        texts(&random).unique.map { name in
            let expires = expiring && Bool.random(using: &random)
            return Field(
                name: name,
                value: text(&random),
                expiry: expires ? UInt64.random(in: 1 << 41..<1 << 42, using: &random) : nil
            )
        }
    }

    private static func stream(_ random: inout SeededRandom) -> Value {
        var entries: [Entry] = []
        for index in 0..<Int.random(in: 1..<9, using: &random) {
            let names = index % 3 == 2 ? ["own", "names"] : ["field", "7"]
            let fields = names.map { Field(name: $0, value: text(&random)) }
            entries.append(Entry(id: [UInt64(1000 + index), UInt64(index % 2 == 0 ? 5 : 1)], fields: fields))
        }
        let pending = entries.prefix(3).enumerated().map { index, entry in
            Pending(id: entry.id, time: random.next() >> 20, deliveries: 1, consumer: index == 1 ? "bob" : "alice")
        }
        let groups = [
            Group(name: "group", lastID: [1002, 0], pending: pending, consumers: ["alice", "bob", "idle"]),
            Group(name: "other", lastID: [0, 0], pending: [], consumers: []),
        ]
        return .stream(entries, lastID: [5000, 1], groups)
    }

    /// The same dataset with one thing changed.
    func changed(_ random: inout SeededRandom) -> ContentModel {
        var model = self
        let index = Int.random(in: 0..<keys.count, using: &random)
        switch Int.random(in: 0..<9, using: &random) {
        case 0: model.keys[index].name += "x"
        case 1: model.keys[index].database += 1
        case 2: model.keys[index].expiry = (model.keys[index].expiry ?? 1 << 41) + 1
        case 3: model.keys.remove(at: index)
        case 4: model.libraries.append("#!lua name=two\nreturn 2")
        default: model.keys[index].value = Self.changed(keys[index].value, &random)
        }
        return model
    }

    private static func changed(_ value: Value, _ random: inout SeededRandom) -> Value {
        switch value {
        case .string(let text): return .string(text + "x")
        case .list(let elements) where elements.count > 1 && elements.first != elements.last:
            return .list([elements[elements.count - 1]] + elements.dropLast())
        case .list(let elements): return .list(elements + ["x"])
        case .set(let members): return .set(members.dropLast() + ["another"])
        case .hash(var fields):
            let index = Int.random(in: 0..<fields.count, using: &random)
            fields[index].value += "x"
            return .hash(fields)
        case .zset(var members):
            let index = Int.random(in: 0..<members.count, using: &random)
            members[index].score = members[index].score.isInfinite ? 1 : members[index].score.nextUp
            return .zset(members)
        case .stream(var entries, let lastID, var groups):
            switch Int.random(in: 0..<5, using: &random) {
            case 0: entries[entries.count - 1].fields[0].value += "x"
            case 1: entries[0].fields[0].name += "x"
            case 2: groups[0].pending[0].deliveries += 1
            case 3: groups[0].pending[0].consumer = "idle"
            default: return .stream(entries, lastID: [lastID[0], lastID[1] + 1], groups)
            }
            return .stream(entries, lastID: lastID, groups)
        }
    }
}

extension [String] {
    /// Each element once, in the order of its first occurrence.
    fileprivate var unique: [String] {
        var seen: Set<String> = []
        return filter { seen.insert($0).inserted }
    }
}
