// SPDX-License-Identifier: Apache-2.0

/// The heaviest of any number of names, in constant memory: exact while at most `capacity` different names occur, and
/// from then on with known bounds (Metwally, Agrawal and El Abbadi, "Efficient Computation of Frequent and Top-k
/// Elements in Data Streams", 2005).
///
/// A new name takes the place, and the weight, of the lightest one. So a weight is never too small, and too large by at
/// most what was taken over, its `excess`; every name that weighs more than `total / capacity` is there.
package struct SpaceSaving: Sendable {
    /// Longer names count as the same if their first bytes are.
    package static let nameBytesMax = 256

    /// A name that is watched.
    package struct Entry: Sendable, Hashable {
        package let name: [UInt8]
        /// At least what the name weighs.
        package let weight: UInt64
        /// At most so much of it is too much.
        package let excess: UInt64
    }

    private struct Slot {
        var hash: UInt64 = 0
        var length = 0
        var weight: UInt64 = 0
        var excess: UInt64 = 0
        /// Where it stands in the heap.
        var place = 0
    }

    private let capacity: Int
    private var slots: [Slot] = []
    /// The names of the slots, `nameBytesMax` for each.
    private var names: [UInt8] = []
    /// Where each name is found by its hash: the index of its slot plus one, zero for none. Open addressing, linear.
    private var table: [UInt16]
    /// The indices of the slots, the lightest first; made when the first name has to go.
    private var heap: [Int] = []
    /// The sum of all weights that were added.
    package private(set) var total: UInt64 = 0

    /// - Parameter capacity: how many names are watched, 1 to 16,384.
    package init(capacity: Int) {
        precondition((1...16_384).contains(capacity))
        self.capacity = capacity
        var size = 4
        while size < 4 * capacity { size *= 2 }
        table = [UInt16](repeating: 0, count: size)
    }

    /// Whether every name is there with its exact weight.
    package var isExact: Bool { heap.isEmpty }

    /// How many names are watched.
    package var count: Int { slots.count }

    /// No name that is missing weighs more.
    package var missingWeightMax: UInt64 { heap.first.map { slots[$0].weight } ?? 0 }

    /// All names that are watched, the heaviest first.
    package var entries: [Entry] {
        slots.indices.sorted { (slots[$0].weight, $1) > (slots[$1].weight, $0) }.map(entry)
    }

    /// What is known of a name, if it is watched.
    package func entry(of name: [UInt8]) -> Entry? {
        name.withUnsafeBytes { name in
            let slot = Int(table[position(of: name, nameHash(name))])
            return slot == 0 ? nil : entry(slot - 1)
        }
    }

    private func entry(_ index: Int) -> Entry {
        let slot = slots[index]
        let start = index * Self.nameBytesMax
        return Entry(name: Array(names[start..<start + slot.length]), weight: slot.weight, excess: slot.excess)
    }

    // MARK: Adding

    /// Adds to the weight of a name.
    ///
    /// - Parameter hash: that of the name (`nameHash`).
    mutating func add(_ name: UnsafeRawBufferPointer, _ hash: UInt64, weight: UInt64) {
        total &+= weight
        let name = UnsafeRawBufferPointer(rebasing: name.prefix(Self.nameBytesMax))
        let position = position(of: name, hash)
        let found = Int(table[position])
        if found > 0 {
            slots[found - 1].weight &+= weight
            if !heap.isEmpty { sink(slots[found - 1].place) }
        } else if slots.count < capacity {
            table[position] = UInt16(slots.count + 1)
            slots.append(Slot(hash: hash, length: name.count, weight: weight))
            names += name
            names.append(contentsOf: repeatElement(0, count: Self.nameBytesMax - name.count))
        } else {
            replaceLightest(by: name, hash, weight)
        }
    }

    /// Adds to the weight of a name.
    package mutating func add(_ name: [UInt8], weight: UInt64) {
        name.withUnsafeBytes { bytes in
            let name = UnsafeRawBufferPointer(rebasing: bytes.prefix(Self.nameBytesMax))
            add(name, nameHash(name), weight: weight)
        }
    }

    private mutating func replaceLightest(by name: UnsafeRawBufferPointer, _ hash: UInt64, _ weight: UInt64) {
        if heap.isEmpty { makeHeap() }
        let index = heap[0]
        remove(index)
        let taken = slots[index].weight
        slots[index] = Slot(hash: hash, length: name.count, weight: taken &+ weight, excess: taken)
        names.withUnsafeMutableBytes { names in
            UnsafeMutableRawBufferPointer(rebasing: names[(index * Self.nameBytesMax)...]).copyMemory(from: name)
        }
        table[position(of: name, hash)] = UInt16(index + 1)
        sink(0)
    }

    // MARK: The table

    /// Where the name stands in the table, or the free place where it belongs.
    @inline(__always)
    private func position(of name: UnsafeRawBufferPointer, _ hash: UInt64) -> Int {
        var position = home(of: hash)
        while table[position] != 0, !isSame(Int(table[position]) - 1, name, hash) { position = next(position) }
        return position
    }

    @inline(__always)
    private func home(of hash: UInt64) -> Int { Int(truncatingIfNeeded: hash >> 32) & (table.count - 1) }

    @inline(__always)
    private func next(_ position: Int) -> Int { (position + 1) & (table.count - 1) }

    @inline(__always)
    private func isSame(_ index: Int, _ name: UnsafeRawBufferPointer, _ hash: UInt64) -> Bool {
        guard slots[index].hash == hash, slots[index].length == name.count else { return false }
        let start = index * Self.nameBytesMax
        return names.withUnsafeBytes { names in
            for place in 0..<name.count where names[start + place] != name[place] { return false }
            return true
        }
    }

    /// Takes a name out of the table, and moves those behind it up that would not be found over the gap.
    private mutating func remove(_ index: Int) {
        var gap = home(of: slots[index].hash)
        while Int(table[gap]) != index + 1 { gap = next(gap) }
        var position = next(gap)
        while table[position] != 0 {
            let home = home(of: slots[Int(table[position]) - 1].hash)
            let mask = table.count - 1
            if (position - home) & mask >= (position - gap) & mask {
                table[gap] = table[position]
                gap = position
            }
            position = next(position)
        }
        table[gap] = 0
    }

    // MARK: The heap

    private mutating func makeHeap() {
        heap = slots.indices.sorted { slots[$0].weight < slots[$1].weight }
        for (place, index) in heap.enumerated() { slots[index].place = place }
    }

    /// Moves the slot at a place down as far as it is heavier than those below.
    private mutating func sink(_ start: Int) {
        let moved = heap[start]
        let weight = slots[moved].weight
        var place = start
        while 2 * place + 1 < heap.count {
            var child = 2 * place + 1
            if child + 1 < heap.count, slots[heap[child + 1]].weight < slots[heap[child]].weight { child += 1 }
            guard slots[heap[child]].weight < weight else { break }
            heap[place] = heap[child]
            slots[heap[place]].place = place
            place = child
        }
        heap[place] = moved
        slots[moved].place = place
    }
}

/// A hash of a name over 64 bits, eight bytes at a time. Names that are chosen to collide cost time that the capacity
/// of the table bounds, never a wrong count: names are compared.
@inline(__always)
func nameHash(_ name: UnsafeRawBufferPointer) -> UInt64 {
    var hash = UInt64(truncatingIfNeeded: name.count) &* 0x9e37_79b9_7f4a_7c15
    func add(_ word: UInt64) {
        let product = (hash ^ word) &* 0xbf58_476d_1ce4_e5b9
        hash = product ^ (product >> 32)
    }
    var place = 0
    while name.count - place >= 8 {
        add(name.loadUnaligned(fromByteOffset: place, as: UInt64.self))
        place += 8
    }
    var rest: UInt64 = 0
    while place < name.count {
        rest = rest << 8 | UInt64(name[place])
        place += 1
    }
    add(rest)
    return hash ^ hash >> 29
}
