// SPDX-License-Identifier: Apache-2.0

/// Takes note of every key, in constant memory however many there are.
package struct RDBCensus: Sendable {
    /// How many different prefixes are counted exactly; beyond, they are estimated with known bounds.
    package static let prefixesMax = 1024
    /// How many function libraries are remembered by name.
    package static let librariesMax = 256

    /// Keys that are counted together.
    package struct Tally: Sendable, Hashable {
        package internal(set) var keys: UInt64 = 0
        package internal(set) var expires: UInt64 = 0
        package internal(set) var elements: UInt64 = 0
        /// What the records of the keys take in the RDB.
        package internal(set) var bytes: Int64 = 0
        /// The greatest record of a key.
        package internal(set) var bytesMax: Int64 = 0
        /// What the keys take in the memory of a server, as estimated by `RDBMemory`.
        package internal(set) var memoryBytes: Int64 = 0

        mutating func add(_ key: borrowing RDBKey) {
            keys &+= 1
            if key.expiry != nil { expires &+= 1 }
            elements &+= key.elements
            bytes &+= key.bytes
            if key.bytes > bytesMax { bytesMax = key.bytes }
        }

        mutating func add(_ other: Tally) {
            keys &+= other.keys
            expires &+= other.expires
            elements &+= other.elements
            bytes &+= other.bytes
            bytesMax = max(bytesMax, other.bytesMax)
            memoryBytes &+= other.memoryBytes
        }
    }

    /// What ends a prefix.
    package let delimiter: [UInt8]
    /// The greatest keys by their bytes in the RDB.
    package private(set) var largestByBytes: TopKeys
    /// The keys with the most elements; strings and the values of modules have none to speak of.
    package private(set) var largestByElements: TopKeys
    /// The prefixes by their number of keys, and by the bytes of their keys in the RDB.
    package private(set) var prefixesByKeys = SpaceSaving(capacity: Self.prefixesMax)
    package private(set) var prefixesByBytes = SpaceSaving(capacity: Self.prefixesMax)
    /// The keys in whose first 256 bytes the delimiter does not occur.
    package private(set) var withoutPrefix = Tally()
    /// The function libraries, as far as there was room.
    package private(set) var libraries: [RDBFunctionLibrary] = []
    /// How the server that wrote the snapshot lays out its keys.
    package internal(set) var memory = RDBMemory()

    /// One for each value type.
    private var tallies = [Tally](repeating: Tally(), count: 256)
    private var expiries = [UInt64](repeating: 0, count: RDBLifetime.allCases.count)
    private var databaseTallies: [UInt64: Tally] = [:]
    /// The database of the last key, which most likely is that of the next one too.
    private var database: UInt64 = 0
    private var databaseTally = Tally()
    /// The time that expiries are measured from where the snapshot has none, in milliseconds since 1970.
    private let clock: Int64

    /// - Parameters:
    ///   - top: how many of the greatest keys are remembered, of either kind.
    ///   - delimiter: what ends a prefix; at least one byte.
    ///   - clock: the time that expiries are measured from where the snapshot does not say its own (before RDB version
    ///     7), in milliseconds since 1970.
    package init(top: Int = 10, delimiter: [UInt8] = Array(":".utf8), clock: Int64 = 0) {
        precondition(!delimiter.isEmpty, "an empty delimiter ends every prefix before it begins")
        self.delimiter = delimiter
        self.clock = clock
        largestByBytes = TopKeys(limit: top)
        largestByElements = TopKeys(limit: top)
    }

    mutating func add(_ key: borrowing RDBKey) {
        if key.database != database { changeDatabase(to: key.database) }
        databaseTally.add(key)
        tallies[Int(key.encoding)].add(key)
        let memoryBytes = memory.bytes(of: key)
        tallies[Int(key.encoding)].memoryBytes &+= memoryBytes
        databaseTally.memoryBytes &+= memoryBytes
        expiries[RDBLifetime(of: key, clock: clock).rawValue] &+= 1
        addPrefix(key)
        largestByBytes.add(key, measure: UInt64(key.bytes))
        if key.isCollection { largestByElements.add(key, measure: key.elements) }
    }

    /// Takes note of a library of functions.
    ///
    /// - Parameter code: its beginning, at most `RDBKey.nameBytesMax` bytes.
    mutating func add(libraryOf code: [UInt8]) {
        guard libraries.count < Self.librariesMax else { return }
        libraries.append(RDBFunctionLibrary(code: code))
    }

    private mutating func changeDatabase(to number: UInt64) {
        if databaseTally.keys > 0 { databaseTallies[database] = databaseTally }
        database = number
        databaseTally = databaseTallies[number] ?? Tally()
    }

    private mutating func addPrefix(_ key: borrowing RDBKey) {
        let bytes = UInt64(key.bytes)
        let isFound = key.name.withUnsafeBytes { name in
            guard let end = position(of: delimiter, in: name) else { return false }
            let prefix = UnsafeRawBufferPointer(rebasing: name[..<end])
            let hash = nameHash(prefix)
            prefixesByKeys.add(prefix, hash, weight: 1)
            prefixesByBytes.add(prefix, hash, weight: bytes)
            return true
        }
        if !isFound { withoutPrefix.add(key) }
    }

    @inline(__always)
    private func position(of delimiter: [UInt8], in name: UnsafeRawBufferPointer) -> Int? {
        let first = delimiter[0]
        guard name.count >= delimiter.count else { return nil }
        for place in 0...name.count - delimiter.count where name[place] == first {
            if delimiter.count == 1 || name[place...].starts(with: delimiter) { return place }
        }
        return nil
    }
}

// MARK: - What was found

extension RDBCensus {
    /// The keys of each database.
    package var databases: [UInt64: Tally] {
        var databases = databaseTallies
        if databaseTally.keys > 0 { databases[database] = databaseTally }
        return databases
    }

    /// The keys of each value type, which says how their values are encoded (redis src/rdb.h).
    package var encodings: [UInt8: Tally] {
        var encodings: [UInt8: Tally] = [:]
        for (type, tally) in zip(UInt8.min...UInt8.max, tallies) where tally.keys > 0 { encodings[type] = tally }
        return encodings
    }

    /// The keys of each type, such as `hash`.
    package var types: [String: Tally] {
        var types: [String: Tally] = [:]
        for (type, tally) in encodings { types[RDBEncoding(valueType: type).type, default: Tally()].add(tally) }
        return types
    }

    /// How many keys have how long to live.
    package var lifetimes: [RDBLifetime: UInt64] {
        Dictionary(uniqueKeysWithValues: RDBLifetime.allCases.map { ($0, expiries[$0.rawValue]) })
    }

    /// What all keys take in the memory of a server, tables included, as estimated by `RDBMemory`, in bytes.
    package var memoryBytes: Int64 {
        databases.values.reduce(0) { $0 &+ $1.memoryBytes &+ memory.tableBytes(keys: $1.keys, expires: $1.expires) }
    }

    /// How many entries it keeps, of all kinds: bounded by constants, whatever it is given.
    package var entryCount: Int {
        prefixesByKeys.count + prefixesByBytes.count + largestByBytes.count + largestByElements.count
            + libraries.count + databases.count + tallies.count + expiries.count
    }
}

/// How long a key has to live at the time of its snapshot, in classes.
package enum RDBLifetime: Int, Sendable, CaseIterable {
    case expired, minute, hour, day, week, month, year, later, none

    init(of key: borrowing RDBKey, clock: Int64) {
        guard let expiry = key.expiry else {
            self = .none
            return
        }
        let (left, overflow) = expiry.subtractingReportingOverflow(key.snapshotTime ?? clock)
        self = overflow ? .later : Self(millisecondsLeft: left)
    }

    private init(millisecondsLeft left: Int64) {
        switch left {
        case ..<0: self = .expired
        case ..<60_000: self = .minute
        case ..<3_600_000: self = .hour
        case ..<86_400_000: self = .day
        case ..<(7 * 86_400_000): self = .week
        case ..<(30 * 86_400_000): self = .month
        case ..<(365 * 86_400_000): self = .year
        default: self = .later
        }
    }
}
