// SPDX-License-Identifier: Apache-2.0

/// The keys with the greatest measure, in a heap of bounded size. Of equal ones, those that came first.
package struct TopKeys: Sendable {
    /// A key that is kept.
    package struct Entry: Sendable {
        package let key: RDBKey
        package let measure: UInt64
        fileprivate let number: UInt64
    }

    private let limit: Int
    /// The least of the kept ones first.
    private var heap: [Entry] = []
    /// How many keys came so far.
    private var number: UInt64 = 0

    /// - Parameter limit: how many keys are kept at most.
    init(limit: Int) { self.limit = limit }

    /// How many keys are kept.
    package var count: Int { heap.count }

    /// The kept keys, the greatest first.
    package var entries: [Entry] { heap.sorted { Self.isLess($1, $0) } }

    @inline(__always)
    mutating func add(_ key: borrowing RDBKey, measure: UInt64) {
        number &+= 1
        if heap.count == limit, limit == 0 || measure <= heap[0].measure { return }
        insert(Entry(key: copy key, measure: measure, number: number))
    }

    private mutating func insert(_ entry: Entry) {
        if heap.count == limit {
            heap[0] = entry
            sink()
            return
        }
        heap.append(entry)
        var place = heap.count - 1
        while place > 0, Self.isLess(heap[place], heap[(place - 1) / 2]) {
            heap.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    private mutating func sink() {
        var place = 0
        while 2 * place + 1 < heap.count {
            var child = 2 * place + 1
            if child + 1 < heap.count, Self.isLess(heap[child + 1], heap[child]) { child += 1 }
            guard Self.isLess(heap[child], heap[place]) else { return }
            heap.swapAt(place, child)
            place = child
        }
    }

    private static func isLess(_ left: Entry, _ right: Entry) -> Bool {
        (left.measure, right.number) < (right.measure, left.number)
    }
}
