// SPDX-License-Identifier: Apache-2.0

/// How many keys a digest of content covers, by their databases and their types.
package struct ContentTally: Sendable, Hashable {
    /// One for each kind of value, in the order of `RDBValueKind`.
    private var kinds = [UInt64](repeating: 0, count: RDBValueKind.allCases.count)
    private var databases: [UInt64: UInt64] = [:]
    /// The database of the last key, which most likely is that of the next one too, and how many of its keys are not in
    /// `databases` yet.
    private var database: UInt64 = 0
    private var pending: UInt64 = 0

    init() {}

    mutating func add(_ kind: RDBValueKind, in database: UInt64) {
        if database != self.database {
            if pending > 0 { databases[self.database, default: 0] += pending }
            self.database = database
            pending = 0
        }
        pending += 1
        kinds[kind.index] += 1
    }
}

extension ContentTally {
    /// How many keys each database holds; a database without keys is not in it.
    package var keys: [UInt64: UInt64] {
        var keys = databases
        if pending > 0 { keys[database, default: 0] += pending }
        return keys
    }

    /// How many keys of each type, such as `hash`; a type without keys is not in it.
    package var types: [String: UInt64] {
        var types: [String: UInt64] = [:]
        for kind in RDBValueKind.allCases where kinds[kind.index] > 0 { types[kind.name] = kinds[kind.index] }
        return types
    }

    package static func == (left: Self, right: Self) -> Bool { left.kinds == right.kinds && left.keys == right.keys }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(kinds)
        hasher.combine(keys)
    }
}

extension RDBValueKind {
    fileprivate var index: Int {
        switch self {
        case .string: 0
        case .list: 1
        case .set: 2
        case .zset: 3
        case .hash: 4
        case .stream: 5
        case .module: 6
        case .array: 7
        }
    }
}
