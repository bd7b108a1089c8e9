// SPDX-License-Identifier: Apache-2.0

import Catalog
import Operations
import TestParts
import Testing

/// Nights in which sets are made, read and removed: none waits for ever, whatever there is room for.
struct VerifyQueueTests {
    /// A store of which nothing but times is known.
    private struct Nights {
        private static let day: Int64 = 86_400
        private static let start: Int64 = 1_800_000_000

        /// The sets that are there, by the night in which they were made, and when each was read for the last time.
        private(set) var made: [Int] = []
        private(set) var read: [Int: Int] = [:]
        private(set) var night = 0

        private static func time(_ night: Int, hour: Int64) -> Timestamp {
            Timestamp(secondsSince1970: start + Int64(night) * day + hour * 3600)
        }

        private static func id(_ night: Int) -> BackupID { BackupID(time: time(night, hour: 2), suffix: 1) }

        /// A set is made at two; at five as many are read as there is room for.
        mutating func pass(makesOne: Bool, room: Int, removing isGone: (Int) -> Bool) {
            night += 1
            if makesOne { made.append(night) }
            made.removeAll(where: isGone)
            let notes = read.map { set, night in
                ProofNote(
                    name: "demo",
                    backup: Self.id(set),
                    id: BackupID(time: Self.time(night, hour: 5), suffix: 1),
                    verdict: .proven
                )
            }
            let now = Self.time(night, hour: 5)
            let sets = made.map { ListedSet(name: "demo", id: Self.id($0), storedBytes: 1) }
            let queue = VerifyQueue(sets, ProofLedger(notes, now: now), now: now)
            for turn in queue.turns.prefix(room) {
                if let set = made.first(where: { Self.id($0) == turn.set.id }) { read[set] = night }
            }
        }

        /// How many nights the sets have waited that were never read, and those that were.
        var waits: (unread: Int, read: Int) {
            var waits = (unread: 0, read: 0)
            for set in made {
                if let last = read[set] {
                    waits.read = max(waits.read, night - last)
                } else {
                    waits.unread = max(waits.unread, night - set)
                }
            }
            return waits
        }
    }

    /// Some sets are kept for ever and the others for some nights; a night has room for one set at least, and no more
    /// than one is new.
    @Test(arguments: 0..<12)
    func noSetWaitsForEver(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let (kept, forEver) = (Int.random(in: 2...20, using: &random), Int.random(in: 0...6, using: &random))
        let room = [1, 1, 1, 2, 4].randomElement(using: &random) ?? 1
        let rarely = Int.random(in: 1...4, using: &random)
        var nights = Nights()
        let setsMax = kept + forEver + 1
        var longest = (unread: 0, read: 0)
        for number in 0..<400 {
            // Mostly one a night; for a while fewer.
            let makesOne = number < 250 || number % rarely == 0
            nights.pass(makesOne: makesOne, room: room) { [night = nights.night + 1] made in
                made > forEver && made <= night - kept
            }
            let waits = nights.waits
            longest = (max(longest.unread, waits.unread), max(longest.read, waits.read))
        }
        #expect(longest.unread <= setsMax, "of \(setsMax) sets")
        #expect(longest.read <= 8 * setsMax, "of \(setsMax) sets")
    }

    /// Thirty sets, one new a night, and room for three: the new one does not wait for the fifteen nights that a round
    /// takes, nor do the old ones wait much longer for its sake.
    @Test func aNewSetIsReadInItsFirstNights() {
        var nights = Nights()
        for number in 0..<200 {
            nights.pass(makesOne: true, room: 3) { [night = nights.night + 1] made in made <= night - 30 }
            guard number > 60 else { continue }
            #expect(nights.waits.unread <= 2, "night \(number)")
            #expect(nights.waits.read <= 16, "night \(number)")
        }
    }

    /// A store that was never verified: all of it is read once before any is read twice.
    @Test func aStoreThatWasNeverVerifiedIsReadOnceFirst() {
        var nights = Nights()
        for _ in 0..<40 { nights.pass(makesOne: true, room: 0) { _ in false } }
        for number in 0..<20 {
            nights.pass(makesOne: false, room: 2) { _ in false }
            #expect(nights.read.count == 2 * (number + 1))
        }
    }
}
