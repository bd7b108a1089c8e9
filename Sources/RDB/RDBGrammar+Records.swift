// SPDX-License-Identifier: Apache-2.0

/// The records that servers write: opcode, what it is, since which RDB version, and its fields.
///
/// The versions are lenient where servers before a release may have been ahead of it. A record that is not here is
/// refused, as the servers do.
extension RDBGrammar {
    /// Magic `REDIS`: redis src/rdb.h and src/rdb.c of 2.4 to 8.6 (RDB 13). What 8.8 and 8.10 add (14 and 15) follows
    /// descriptions of them; a misreading would refuse a good RDB, never accept a bad one.
    static let redis: RDBGrammar = {
        var grammar = RDBGrammar.common
        // Hash fields that expire. 22 and 23 stem from release candidates of 7.4; servers load them since.
        grammar.value(22, .hash, since: 12, [.times, .fieldExpiry, .text, .text, .again])
        grammar.value(23, .hash, since: 12, [.listpack])
        grammar.value(24, .hash, since: 12, [.minimumExpiry, .times, .fieldExpiry, .text, .text, .again])
        grammar.value(25, .hash, since: 12, [.minimumExpiry, .listpack])
        // What modules attach to a key.
        grammar.opcode(243, .keyAttribute, since: 13, [.times, .metadataClass, .moduleData, .again])
        grammar.value(26, .stream, since: 13, stream(version: 4))
        grammar.value(27, .stream, since: 14, stream(version: 5))
        grammar.value(28, .array, since: 14, [.arrayLength, .arrayCursor, .timesOfArray, .arrayElement, .again])
        // A template names the fields of many hashes once. 29 and 31 exist in the payloads of DUMP only.
        grammar.opcode(242, since: 15, [.templateID, .templateLength, .timesOfTemplate, .templateName, .again])
        grammar.value(30, .hash, since: 15, [.listpack])
        grammar.value(32, .hash, since: 15, [.template, .timesOfTemplate, .text, .again])
        return grammar
    }()

    /// Magic `VALKEY`: valkey src/rdb.h of 9.0 and 9.1.
    static let valkey: RDBGrammar = {
        var grammar = RDBGrammar.common
        // Each field with its own expiry, -1 for none.
        grammar.value(22, .hash, since: 80, [.times, .text, .text, .fieldTime, .again])
        // A migration of slots that is under way: its name, and the first and last slot of each range.
        grammar.opcode(243, since: 80, [.text, .times, .number, .number, .again])
        return grammar
    }()

    /// What both dialects share.
    private static let common: RDBGrammar = {
        var grammar = RDBGrammar()
        grammar.value(0, .string, since: 1, [.text])
        grammar.value(1, .list, since: 1, [.times, .text, .again])
        grammar.value(2, .set, since: 1, [.times, .text, .again])
        grammar.value(3, .zset, since: 1, [.times, .text, .scoreText, .again])
        grammar.value(4, .hash, since: 1, [.times, .text, .text, .again])
        grammar.value(5, .zset, since: 8, [.times, .text, .score, .again])
        grammar.opcode(6, .preRelease, since: 1)
        grammar.value(7, .module, since: 8, [.moduleType, .moduleData])
        grammar.value(9, .hash, since: 1, [.zipmap])
        grammar.value(10, .list, since: 1, [.ziplist])
        grammar.value(11, .set, since: 1, [.intset])
        grammar.value(12, .zset, since: 1, [.ziplist])
        grammar.value(13, .hash, since: 1, [.ziplist])
        grammar.value(14, .list, since: 7, [.times, .ziplist, .again])
        grammar.value(15, .stream, since: 9, stream(version: 1))
        grammar.value(16, .hash, since: 10, [.listpack])
        grammar.value(17, .zset, since: 10, [.listpack])
        grammar.value(18, .list, since: 10, [.times, .nodeKind, .listNode, .again])
        grammar.value(19, .stream, since: 10, stream(version: 2))
        grammar.value(20, .set, since: 11, [.listpack])
        grammar.value(21, .stream, since: 11, stream(version: 3))
        grammar.addOpcodes()
        return grammar
    }()

    private mutating func addOpcodes() {
        // The sizes of one slot: Redis 7.4; pre-releases of it and of Valkey 8 wrote version 11.
        opcode(244, since: 11, [.number, .number, .number])
        opcode(245, since: 10, [.functionLibrary])
        // A library as release candidates of 7.0 wrote it, and released servers of 7.0 load it: name, engine, whether
        // there is a description, and the code.
        opcode(246, since: 10, [.text, .text, .times, .text, .again, .functionLibrary])
        opcode(247, since: 8, [.moduleType, .moduleMoment, .moduleData])
        opcode(248, .keyAttribute, since: 8, [.number])
        opcode(249, .keyAttribute, since: 8, [.byte])
        opcode(250, .remark, since: 6, [.auxName, .auxNameEnd, .auxValue, .auxValueEnd])
        opcode(251, since: 7, [.number, .number])
        opcode(252, .keyAttribute, since: 3, [.expiryMilliseconds])
        opcode(253, .keyAttribute, since: 1, [.expirySeconds])
        opcode(254, since: 1, [.database])
        opcode(255, since: 1, [.endOfRecords])
    }

    /// A stream is its nodes, its length and ids, and its groups. A group has the entries that wait for an answer (id,
    /// time, deliveries) and its consumers, each with the ids that wait for it.
    private static func stream(version: Int) -> [RDBField] {
        var fields: [RDBField] = [.times, .streamNodeID, .listpack, .again, .streamLength, .lastIDPart, .lastIDPart]
        // Version 2: the first id, the greatest deleted id, the entries ever added; and those that a group has read.
        if version >= 2 { fields += [.number, .number, .number, .number, .number] }
        fields += [.times, .groupName, .groupIDPart, .groupIDPart]
        if version >= 2 { fields += [.number] }
        fields += [.timesPending, .entryID, .deliveryTime, .deliveries, .again]
        // Version 3: when a consumer was last active.
        fields += [.times, .consumerName, .time] + (version >= 3 ? [.time] : [])
        fields += [.timesPendingOfConsumer, .ownedEntryID, .again, .again]
        // Version 5: the ids that consumers gave back to the group.
        if version >= 5 { fields += [.timesPendingOfConsumer, .returnedEntryID, .again] }
        fields += [.pendingEnd, .again]
        // Version 4: what idempotent producers have sent: how long and how many are remembered, and for each producer
        // its ids and the entries they became; two counters.
        if version >= 4 {
            fields += [.number, .number, .times, .text, .times, .text, .number, .number, .again, .again]
            fields += [.number, .number]
        }
        return fields
    }
}
