// SPDX-License-Identifier: Apache-2.0

import RDB
import Testing

/// Where the quick look at packed data once said something else than the walk through it.
struct RDBGlanceTests {
    /// A ziplist of nothing has no last element, but a server refuses one that says it lies outside (redis
    /// src/ziplist.c, `ziplistValidateIntegrity`). Found by `make fuzz`.
    @Test(arguments: [(0, true), (10, true), (11, false), (UInt32.max, false)] as [(UInt32, Bool)], [1, 7, .max])
    func theLastElementOfAnEmptyZiplistLiesInside(tail: (offset: UInt32, isInside: Bool), chunk: Int) {
        var rdb = RDBWriter("REDIS0011")
        rdb.key(10, "key")
        rdb.string([11, 0, 0, 0] + littleEndianBytes(tail.offset) + [0, 0, 0xff])
        let error = refusal(rdb.ended(), level: .deep, chunk: chunk)
        #expect(error?.rule == (tail.isInside ? nil : .ziplist))
        #expect(refusal(rdb.ended(), level: .content, chunk: chunk) == error)
    }
}
