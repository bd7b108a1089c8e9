// SPDX-License-Identifier: Apache-2.0

import Foundation
import FuzzOracle
import Testing

/// Every input of the corpus that `make fuzz` begins with, and every input that once found something.
struct FuzzCorpusTests {
    /// With REDOUBT_WRITE_CORPUS=1 (`make fuzz-seeds`) the seeds are written first.
    @Test(arguments: FuzzTarget.allCases)
    func noInputOfTheCorpusContradicts(target: FuzzTarget) throws {
        if ProcessInfo.processInfo.environment["REDOUBT_WRITE_CORPUS"] == "1" { try Self.writeSeeds(of: target) }
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder(of: target).path).sorted()
        #expect(try names.count >= FuzzSeedFile.all(of: target).count)
        for name in names {
            let input = Array(try Data(contentsOf: Self.folder(of: target).appendingPathComponent(name)))
            #expect(input.count <= FuzzSeedFile.bytesMax, "\(name)")
            do throws(Contradiction) {
                try target.check(input)
            } catch {
                Issue.record("\(name): \(error)")
            }
        }
    }

    /// Cut short and flipped at each bit: what is next to the corpus.
    @Test func noNeighborOfASeedContradicts() throws {
        var checked = 0
        for file in try FuzzSeedFile.all(of: .rdb) where file.bytes.count <= 96 {
            for length in FuzzTarget.seedBytes..<file.bytes.count {
                try FuzzTarget.rdb.check(Array(file.bytes[..<length]))
                checked += 1
            }
            for bit in 0..<(8 * file.bytes.count) {
                var flipped = file.bytes
                flipped[bit / 8] ^= 1 << (bit % 8)
                try FuzzTarget.rdb.check(flipped)
                checked += 1
            }
        }
        #expect(checked > 40_000)
    }

    private static func folder(of target: FuzzTarget) -> URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fuzz/corpus/\(target.rawValue)")
    }

    private static func writeSeeds(of target: FuzzTarget) throws {
        try FileManager.default.createDirectory(at: folder(of: target), withIntermediateDirectories: true)
        for file in try FuzzSeedFile.all(of: target) {
            try Data(file.bytes).write(to: folder(of: target).appendingPathComponent(file.name))
        }
    }
}
