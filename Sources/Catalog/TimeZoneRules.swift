// SPDX-License-Identifier: Apache-2.0

import Failures

/// How far the clocks of a place are ahead of UTC, at any moment: read out of a file of the time zone database.
///
/// Foundation knows time zones only together with ICU, which is larger than this program; the database of the system
/// is on every machine with a clock, and is kept up to date there. Format: RFC 9636 (TZif), versions 1 to 4.
package struct TimeZoneRules: Sendable, Hashable {
    /// Its name in the database, as `Europe/Zurich`.
    package let name: String
    /// When the offset changes, ascending, and to what.
    private let changes: [Change]
    /// Before the first change.
    private let firstOffset: Int64
    /// After the last change, where the file says how it goes on.
    private let future: PosixTimeZone?

    private struct Change: Sendable, Hashable {
        let at: Int64
        let offset: Int64
    }

    package static let utc = TimeZoneRules(name: "UTC", changes: [], firstOffset: 0, future: nil)

    private init(name: String, changes: [Change], firstOffset: Int64, future: PosixTimeZone?) {
        self.name = name
        self.changes = changes
        self.firstOffset = firstOffset
        self.future = future
    }

    /// Seconds east of Greenwich at a moment.
    package func offset(at seconds: Int64) -> Int64 {
        guard let last = changes.last else { return future?.offset(at: seconds) ?? firstOffset }
        if seconds >= last.at { return future?.offset(at: seconds) ?? last.offset }
        var (low, high) = (0, changes.count)
        while low < high {
            let middle = (low + high) / 2
            if changes[middle].at <= seconds { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? firstOffset : changes[low - 1].offset
    }

    /// The first moment at which clocks there show that time; where they skip it, the moment that they would have
    /// shown it had they been changed already.
    package func moment(ofLocal local: Int64) -> Int64 {
        let day: Int64 = 86_400
        let candidates = [offset(at: local - day), offset(at: local + day)].map { local - $0 }
        return candidates.filter { $0 + offset(at: $0) == local }.min() ?? candidates.min() ?? local
    }

    // MARK: Reading

    /// The largest file that is read, in bytes; those of the database have a few thousand.
    package static let sizeBytesMax = 256 << 10

    /// Whether a name can be one of the database, and not a way out of its folder.
    package static func isName(_ name: String) -> Bool {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        return name.utf8.count <= 100
            && parts.allSatisfy { part in
                !part.isEmpty
                    && part.utf8.allSatisfy { byte in
                        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
                            || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || "+-_".utf8.contains(byte)
                    }
            }
    }

    /// Reads a file of the database.
    /// - Throws: `.configuration` when the bytes are none.
    package init(name: String, file bytes: [UInt8]) throws {
        var reader = Reader(bytes)
        guard let rules = reader.rules(name: name) else {
            throw Failure(
                .configuration,
                "read the time zone \(name): its \(bytes.count) bytes are no file of the time zone database"
            )
        }
        self = rules
    }

    /// The counts of a block, in the order of its header.
    private struct Counts {
        let universal, standard, leaps, times, types, characters: Int

        /// How many bytes the data after the header takes, with times of `width` bytes.
        func bytes(width: Int) -> Int {
            times * (width + 1) + types * 6 + characters + leaps * (width + 4) + standard + universal
        }
    }

    private struct Reader {
        private let bytes: [UInt8]
        private var position = 0

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        mutating func rules(name: String) -> TimeZoneRules? {
            guard let (version, first) = header() else { return nil }
            guard version >= UInt8(ascii: "2") else { return block(first, width: 4, name: name, future: nil) }
            // The first block is for readers that know 32 bits alone.
            guard skip(first.bytes(width: 4)), let (_, counts) = header() else { return nil }
            let begin = position
            guard skip(counts.bytes(width: 8)), let footer = footer() else { return nil }
            position = begin
            let future = PosixTimeZone(footer)
            if future == nil, !footer.isEmpty { return nil }
            return block(counts, width: 8, name: name, future: future)
        }

        private mutating func header() -> (version: UInt8, Counts)? {
            guard bytes.count - position >= 44, bytes[position..<position + 4].elementsEqual("TZif".utf8) else {
                return nil
            }
            let version = bytes[position + 4]
            position += 20
            let numbers = (0..<6).compactMap { _ in integer(4) }.map(Int.init)
            // No block is larger than the file: a count that is cannot be one.
            guard numbers.count == 6, numbers.allSatisfy({ (0...bytes.count).contains($0) }), numbers[4] > 0 else {
                return nil
            }
            return (
                version,
                Counts(
                    universal: numbers[0],
                    standard: numbers[1],
                    leaps: numbers[2],
                    times: numbers[3],
                    types: numbers[4],
                    characters: numbers[5]
                )
            )
        }

        private mutating func block(
            _ counts: Counts,
            width: Int,
            name: String,
            future: PosixTimeZone?
        ) -> TimeZoneRules? {
            // The clock of the system counts no leap seconds; a file that does is not for it.
            guard counts.leaps == 0, bytes.count - position >= counts.bytes(width: width) else { return nil }
            let times = (0..<counts.times).compactMap { _ in integer(width) }
            let indices = (0..<counts.times).compactMap { _ in integer(1).map { Int($0) & 0xFF } }
            let offsets = (0..<counts.types).compactMap { _ in
                let offset = integer(4)
                return skip(2) ? offset : nil
            }
            guard indices.allSatisfy({ $0 < offsets.count }), zip(times, times.dropFirst()).allSatisfy({ $0 < $1 }),
                offsets.allSatisfy({ abs($0) <= 26 * 3600 })
            else { return nil }
            return TimeZoneRules(
                name: name,
                changes: zip(times, indices).map { Change(at: $0, offset: offsets[$1]) },
                firstOffset: offsets[0],
                future: future
            )
        }

        private mutating func footer() -> String? {
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\n"),
                let end = bytes[(position + 1)...].firstIndex(of: UInt8(ascii: "\n"))
            else { return nil }
            return String(decoding: bytes[(position + 1)..<end], as: UTF8.self)
        }

        private mutating func skip(_ count: Int) -> Bool {
            guard bytes.count - position >= count else { return false }
            position += count
            return true
        }

        /// A signed number, highest byte first.
        private mutating func integer(_ width: Int) -> Int64? {
            let begin = position
            guard skip(width) else { return nil }
            var value = Int64(Int8(bitPattern: bytes[begin]))
            for byte in bytes[(begin + 1)..<position] { value = value << 8 | Int64(byte) }
            return value
        }
    }
}
