// SPDX-License-Identifier: Apache-2.0

import TestParts

/// How a model is written: which of the encodings of each type, and in which order the keys stand.
struct ContentForm {
    /// Below the number of forms of every type, so that each is chosen by its remainder.
    var number: Int
    var magic: String

    static let count = 8
}

extension ContentModel {
    /// The whole RDB.
    func written(_ form: ContentForm) -> [UInt8] {
        var rdb = RDBWriter(form.magic)
        rdb.aux("ctime", "170000000\(form.number)")
        for library in libraries {
            rdb.raw(245)
            rdb.string(library)
        }
        var order = keys
        var random = SeededRandom(seed: UInt64(form.number))
        if form.number > 0 { order.shuffle(using: &random) }
        var database: UInt64?
        for (index, key) in order.enumerated() {
            // A database may stand in several runs.
            if database != key.database || index % 5 == form.number { rdb.select(key.database) }
            database = key.database
            if let expiry = key.expiry { rdb.expire(expiry) }
            rdb.value(key, form)
        }
        return rdb.ended()
    }
}

extension RDBWriter {
    fileprivate mutating func value(_ item: ContentModel.Key, _ form: ContentForm) {
        switch item.value {
        case .string(let text):
            key(0, item.name)
            element(text, form)
        case .list(let elements): list(item.name, elements, form)
        case .set(let members): set(item.name, members, form)
        case .hash(let fields): hash(item.name, fields, form)
        case .zset(let members): zset(item.name, members, form)
        case .stream(let entries, let lastID, let groups): stream(item.name, entries, lastID, groups, form)
        }
    }

    /// A string as it is, as an integer if it is one, or compressed if it can be.
    private mutating func element(_ text: String, _ form: ContentForm) {
        if form.number % 2 == 1, let value = Int32(text), "\(value)" == text {
            integer(value)
        } else if form.number % 3 == 1, !text.isEmpty {
            let packed = lzf(Array(text.utf8))
            if packed.count > 1 { compressed(packed, text.utf8.count) } else { string(text) }
        } else {
            string(text)
        }
    }

    private mutating func list(_ name: String, _ elements: [String], _ form: ContentForm) {
        let halves = [Array(elements.prefix(elements.count / 2)), Array(elements.dropFirst(elements.count / 2))]
        switch form.number % 4 {
        case 0:
            key(1, name)
            each(elements) { $0.element($1, form) }
        case 1:
            key(10, name)
            string(ziplist(elements))
        case 2:
            key(14, name)
            each(halves.filter { !$0.isEmpty }) { $0.string(ziplist($1)) }
        default:
            key(18, name)
            length(UInt64(elements.count), .count)
            for (index, element) in elements.enumerated() {
                let isPlain = index % 2 == 0 && !element.isEmpty
                length(isPlain ? 1 : 2)
                isPlain ? self.element(element, form) : string(listpack([element]))
            }
        }
    }

    private mutating func set(_ name: String, _ members: [String], _ form: ContentForm) {
        let integers = members.compactMap(Int64.init)
        let order = form.number % 2 == 0 ? members : members.reversed()
        if integers.count == members.count, form.number % 3 == 2 {
            key(11, name)
            string(intset(integers.sorted()))
        } else if form.number % 3 == 1 {
            key(20, name)
            string(listpack(order))
        } else {
            key(2, name)
            each(order) { $0.element($1, form) }
        }
    }

    private mutating func hash(_ name: String, _ fields: [ContentModel.Field], _ form: ContentForm) {
        let order = form.number % 2 == 0 ? fields : fields.reversed()
        if fields.contains(where: { $0.expiry != nil }) { return expiringHash(name, order, form) }
        let pairs = order.flatMap { [$0.name, $0.value] }
        switch form.number % 4 {
        case 0:
            key(4, name)
            each(order) { rdb, field in
                rdb.element(field.name, form)
                rdb.element(field.value, form)
            }
        case 1:
            key(13, name)
            string(ziplist(pairs))
        case 2:
            key(16, name)
            string(listpack(pairs))
        default:
            key(9, name)
            string(zipmap(order.map { ($0.name, $0.value) }))
        }
    }

    private mutating func expiringHash(_ name: String, _ fields: [ContentModel.Field], _ form: ContentForm) {
        let minimum = fields.compactMap(\.expiry).min() ?? 0
        if form.magic.hasPrefix("VALKEY") {
            key(22, name)
            each(fields) { rdb, field in
                rdb.element(field.name, form)
                rdb.element(field.value, form)
                rdb.littleEndian(field.expiry.map { Int64($0) } ?? -1)
            }
        } else if form.number % 2 == 0 {
            key(24, name)
            littleEndian(minimum)
            each(fields) { rdb, field in
                rdb.length(field.expiry.map { $0 - minimum + 1 } ?? 0)
                rdb.element(field.name, form)
                rdb.element(field.value, form)
            }
        } else {
            key(25, name)
            littleEndian(minimum)
            string(listpack(fields.flatMap { [$0.name, $0.value, "\($0.expiry ?? 0)"] }))
        }
    }

    private mutating func zset(_ name: String, _ members: [ContentModel.Member], _ form: ContentForm) {
        func text(_ score: Double) -> String {
            Int64(exactly: score).map { "\($0)" } ?? (score.isInfinite ? (score > 0 ? "inf" : "-inf") : "\(score)")
        }
        let order = form.number % 2 == 0 ? members : members.reversed()
        switch form.number % 4 {
        case 0:
            key(5, name)
            each(order) { rdb, member in
                rdb.element(member.name, form)
                rdb.double(member.score)
            }
        case 1:
            key(12, name)
            string(ziplist(order.flatMap { [$0.name, text($0.score)] }))
        case 2:
            key(17, name)
            string(listpack(order.flatMap { [$0.name, text($0.score)] }))
        default:
            key(3, name)
            each(order) { rdb, member in
                rdb.element(member.name, form)
                if member.score.isInfinite {
                    rdb.raw(member.score > 0 ? 254 : 255)
                } else {
                    rdb.raw([UInt8(text(member.score).utf8.count)] + Array(text(member.score).utf8))
                }
            }
        }
    }
}
