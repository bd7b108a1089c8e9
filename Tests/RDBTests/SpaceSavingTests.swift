// SPDX-License-Identifier: Apache-2.0

import RDB
import TestParts
import Testing

struct SpaceSavingTests {
    @Test func whileThereIsRoomEveryWeightIsExact() {
        var sketch = SpaceSaving(capacity: 3)
        for (name, weight) in [("a", 5), ("", 1), ("a", 2), ("b", 9), ("", 1)] as [(String, UInt64)] {
            sketch.add(Array(name.utf8), weight: weight)
        }
        #expect(sketch.isExact && sketch.missingWeightMax == 0 && sketch.total == 18)
        #expect(sketch.entries.map { String(decoding: $0.name, as: UTF8.self) } == ["b", "a", ""])
        #expect(sketch.entries.map(\.weight) == [9, 7, 2] && sketch.entries.allSatisfy { $0.excess == 0 })
    }

    @Test func aNewNameTakesThePlaceAndTheWeightOfTheLightest() {
        var sketch = SpaceSaving(capacity: 2)
        for (name, weight) in [("a", 5), ("b", 3), ("c", 4)] as [(String, UInt64)] {
            sketch.add(Array(name.utf8), weight: weight)
        }
        #expect(!sketch.isExact && sketch.count == 2)
        let entry = sketch.entry(of: Array("c".utf8))
        #expect(entry?.name == Array("c".utf8) && entry?.weight == 7 && entry?.excess == 3)
        #expect(sketch.entry(of: Array("b".utf8)) == nil && sketch.missingWeightMax == 5)
    }

    @Test func namesDifferByTheirFirstBytesOnly() {
        var sketch = SpaceSaving(capacity: 4)
        let long = [UInt8](repeating: 7, count: SpaceSaving.nameBytesMax)
        sketch.add(long + [1], weight: 1)
        sketch.add(long + [2], weight: 1)
        sketch.add(long.dropLast() + [8], weight: 1)
        #expect(sketch.entries.map(\.weight) == [2, 1])
    }

    /// Against an exact count, over names that follow a power law, in any order, as light and as heavy as they come.
    @Test(arguments: [1, 2, 17, 64, 1000], [UInt64(1), 2, 3])
    func theBoundsHoldForHeavyTails(capacity: Int, seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var sketch = SpaceSaving(capacity: capacity)
        var exact: [[UInt8]: UInt64] = [:]
        for _ in 0..<20_000 {
            // A Pareto distribution of ranks, cut off at a million.
            let uniform = Double(random.next() >> 11) / Double(1 << 53)
            let rank = Int(min(1_000_000, 1 / max(1e-6, uniform)))
            let name = Array("name \(rank % 7 == 0 ? String(repeating: "x", count: 30) : "")\(rank)".utf8)
            let weight = random.next() % 100 == 0 ? random.next() % 10_000 : 1
            sketch.add(name, weight: weight)
            exact[name, default: 0] += weight
        }
        let entries = sketch.entries
        #expect(entries.count == min(capacity, exact.count) && sketch.isExact == (exact.count <= capacity))
        #expect(entries.reduce(0) { $0 + $1.weight } == sketch.total)
        #expect(sketch.total == exact.values.reduce(0, +))
        for entry in entries {
            let weight = exact[entry.name] ?? 0
            #expect(entry.weight >= weight && entry.weight - entry.excess <= weight)
            #expect(entry.excess <= sketch.total / UInt64(capacity))
            exact[entry.name] = nil
        }
        let heaviestMissing = exact.values.max() ?? 0
        #expect(heaviestMissing <= sketch.missingWeightMax)
        #expect(sketch.missingWeightMax <= sketch.total / UInt64(capacity))
        #expect(zip(entries, entries.dropFirst()).allSatisfy { $0.weight >= $1.weight })
    }
}
