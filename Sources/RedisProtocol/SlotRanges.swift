// SPDX-License-Identifier: Apache-2.0

/// Some of the 16384 hash slots of a cluster, as ranges in order that neither touch nor overlap.
package struct SlotRanges: Sendable, Hashable, CustomStringConvertible {
    /// How many slots a cluster has (redis.io, "Redis cluster specification", key distribution model).
    package static let slotCount = 16384

    package private(set) var ranges: [ClosedRange<Int>]

    /// - Parameter ranges: in any order; they may touch and overlap.
    package init(_ ranges: [ClosedRange<Int>] = []) {
        var merged: [ClosedRange<Int>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, range.lowerBound <= last.upperBound + 1 {
                merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        self.ranges = merged
    }

    /// Reads `0-5460,5462`; `nil` when a part is no slot or range of slots. The empty text is no slots.
    package init?(_ text: String) {
        var ranges: [ClosedRange<Int>] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: !text.contains(",")) {
            guard let range = Self.range(part) else { return nil }
            ranges.append(range)
        }
        self.init(ranges)
    }

    /// Reads `5` or `0-5460`.
    package static func range(_ text: some StringProtocol) -> ClosedRange<Int>? {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard (1...2).contains(ends.count), let first = ends.first ?? nil, let last = ends.last ?? nil,
            first >= 0, first <= last, last < slotCount
        else { return nil }
        return first...last
    }

    package var count: Int { ranges.reduce(0) { $0 + $1.count } }
    package var isEmpty: Bool { ranges.isEmpty }

    /// `0-5460,5462`; empty without slots.
    package var description: String {
        ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",")
    }

    package func union(_ other: SlotRanges) -> SlotRanges {
        SlotRanges(ranges + other.ranges)
    }

    /// The slots that are in this one and not in the other.
    package func subtracting(_ other: SlotRanges) -> SlotRanges {
        var left: [ClosedRange<Int>] = []
        for range in ranges {
            var start = range.lowerBound
            for hole in other.ranges where hole.upperBound >= start && hole.lowerBound <= range.upperBound {
                if hole.lowerBound > start { left.append(start...(hole.lowerBound - 1)) }
                start = hole.upperBound + 1
            }
            if start <= range.upperBound { left.append(start...range.upperBound) }
        }
        return SlotRanges(left)
    }
}
