// SPDX-License-Identifier: Apache-2.0

import Foundation
import RDB
import Testing

/// What is read is not kept, even where a value is made of millions of parts that have no bytes of their own.
struct RDBEmptyPartTests {
    /// How much is read, in chunks of 1 MiB, and how much the process may grow meanwhile: other tests run in it.
    private static let chunks = 32
    private static let growthMax = 100 << 20

    struct Monotony: CustomTestStringConvertible {
        let name: String
        let start: [UInt8]
        /// What is repeated for ever.
        let part: [UInt8]

        var testDescription: String { name }

        init(_ name: String, _ magic: String, _ part: [UInt8], _ write: (inout RDBWriter) -> Void) {
            var rdb = RDBWriter(magic)
            write(&rdb)
            self.name = name
            self.start = rdb.bytes
            self.part = part
        }
    }

    @Test(
        arguments: [
            Monotony("numbers of a module", "REDIS0011", [2, 5]) { rdb in
                rdb.key(7, "module")
                rdb.length(moduleType("ReJSON-RL", version: 3))
            },
            Monotony("empty elements of a list", "REDIS0011", [0]) { rdb in
                rdb.key(1, "list")
                rdb.length(1 << 40, .count)
            },
            Monotony("empty names of a template", "REDIS0015", [0]) { rdb in
                rdb.raw(242)
                rdb.numbers(1, 1 << 40)
            },
            Monotony("empty text in a listpack", "REDIS0011", [0x80, 1]) { rdb in
                rdb.key(18, "list")
                rdb.numbers(1, 2, 1 << 31)
                rdb.littleEndian(UInt32(1 << 31))
                rdb.littleEndian(UInt16.max)
            },
        ]
    )
    func valuesOfEmptyPartsAreNotKept(monotony: Monotony) throws {
        let chunk = Array(repeatElement(monotony.part, count: (1 << 20) / monotony.part.count).joined())
        var scanner = RDBScanner(level: .content)
        try scanner.consume(monotony.start)
        let before = try residentBytes()
        for _ in 0..<Self.chunks { try scanner.consume(chunk) }
        #expect(try residentBytes() - before < Self.growthMax)
        #expect(scanner.receivedBytes == Int64(monotony.start.count + Self.chunks * chunk.count))
        let error = try #require(throws: RDBError.self) { try scanner.finish() }
        #expect(error.rule == .truncated)
    }

    /// The memory of this process, by the second number of /proc/self/statm (proc(5)), in pages.
    private func residentBytes() throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
        return try #require(Int(text.split(separator: " ")[1])) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}
