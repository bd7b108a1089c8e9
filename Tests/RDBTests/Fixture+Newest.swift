// SPDX-License-Identifier: Apache-2.0

extension Fixture {
    /// What Redis 8.6, 8.8 and 8.10 add.
    static let newest = Fixture("arrays, templates and key metadata", "REDIS0015", ["array": 3, "hash": 2]) { rdb in
        rdb.raw(242)
        rdb.length(7)
        rdb.each(["age", "name", "email"]) { rdb, field in rdb.string(field) }
        rdb.select(0)
        rdb.expire(1_900_000_000_000)
        rdb.raw(243)
        rdb.each([UInt32(0x1234_5678), 9]) { rdb, metadataClass in
            rdb.littleEndian(metadataClass)
            rdb.moduleFields()
        }
        rdb.key(28, "array")
        rdb.length(5, .count)
        rdb.numbers(1, 49)
        for index in UInt64(0)..<5 {
            rdb.length(index * 1000)
            switch index {
            case 1, 2:
                rdb.length(index)
                rdb.double(Double(index))
            case 3:
                rdb.length(3)
                rdb.string("short")
            default:
                rdb.length(0)
                rdb.compressed(0x65, 80)
            }
        }
        rdb.key(28, "array:without cursor")
        rdb.length(1, .count)
        rdb.numbers(0, 3, 0)
        rdb.string("element")
        rdb.key(28, "array:empty")
        rdb.numbers(0, 0)
        rdb.key(30, "hash:listpack of a template")
        rdb.string(listpack(["7", "44", "A. N. Other", "a@example.org"]))
        rdb.key(32, "hash:array of a template")
        rdb.length(7)
        for value in ["44", "A. N. Other", "a@example.org"] { rdb.string(value) }
    }
}
