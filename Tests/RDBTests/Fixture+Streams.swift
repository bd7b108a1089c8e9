// SPDX-License-Identifier: Apache-2.0

extension Fixture {
    static let streams = Fixture("streams of every version", "REDIS0014", ["stream": 6]) { rdb in
        rdb.key(15, "stream:1")
        rdb.stream(version: 1)
        rdb.key(19, "stream:2")
        rdb.stream(version: 2)
        rdb.key(21, "stream:3")
        rdb.stream(version: 3)
        rdb.key(26, "stream:4")
        rdb.stream(version: 4)
        rdb.key(27, "stream:5")
        rdb.stream(version: 5)
        rdb.key(21, "stream:empty")
        rdb.length(0, .count)
        rdb.numbers(0, 5, 1, 0, 0, 5, 1, 1)
        rdb.length(0, .count)
    }
}

extension RDBWriter {
    /// A stream of two nodes with two groups: one with two consumers and three entries that wait, one with nothing.
    mutating func stream(version: Int) {
        each([UInt64(1000), 2000]) { rdb, milliseconds in
            rdb.string(rawID(milliseconds, 0))
            rdb.string(streamNode(["field"], [["1"], ["2"]]))
        }
        numbers(4, 2000, 1)
        if version >= 2 { numbers(1000, 0, 0, 0, 4) }
        length(2, .count)
        group("readers", version: version, [("alice", [1000, 1001]), ("bob", [2000])])
        group("idle", version: version, [])
        if version >= 4 {
            numbers(100, 1000)
            each(["producer", "another"]) { rdb, producer in
                rdb.string(producer)
                rdb.each([UInt64(1), 2]) { rdb, sequence in
                    rdb.string("message \(sequence)")
                    rdb.numbers(1000, sequence)
                }
            }
            numbers(4, 0)
        }
    }

    private mutating func group(_ name: String, version: Int, _ consumers: [(String, [UInt64])]) {
        string(name)
        numbers(2000, 1)
        if version >= 2 { length(UInt64.max) }
        // Consumers can give entries back to the group since version 5.
        let returned: [UInt64] = version >= 5 && !consumers.isEmpty ? [2001, 2003] : []
        each((consumers.flatMap(\.1) + returned)) { rdb, milliseconds in
            rdb.raw(rawID(milliseconds, 0))
            rdb.littleEndian(Int64(1_700_000_000_000))
            rdb.length(1)
        }
        each(consumers) { rdb, consumer in
            rdb.string(consumer.0)
            rdb.littleEndian(Int64(1_700_000_000_000))
            if version >= 3 { rdb.littleEndian(Int64(-1)) }
            rdb.each(consumer.1) { rdb, milliseconds in rdb.raw(rawID(milliseconds, 0)) }
        }
        if version >= 5 {
            each(returned.reversed()) { rdb, milliseconds in rdb.raw(rawID(milliseconds, 0)) }
        }
    }
}

/// The id of an entry, as a node key and a waiting entry have it.
func rawID(_ milliseconds: UInt64, _ sequence: UInt64) -> [UInt8] {
    withUnsafeBytes(of: milliseconds.bigEndian, Array.init) + withUnsafeBytes(of: sequence.bigEndian, Array.init)
}

/// A node of a stream: its master entry, and entries with the same fields (redis src/t_stream.c, "master entry").
func streamNode(_ fields: [String], _ entries: [[String]]) -> [UInt8] {
    var packed = ["\(entries.count)", "0", "\(fields.count)"] + fields + ["0"]
    for (index, values) in entries.enumerated() {
        packed += ["2", "0", "\(index)"] + values + ["\(values.count + 3)"]
    }
    return listpack(packed)
}
