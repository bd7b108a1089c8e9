// SPDX-License-Identifier: Apache-2.0

/// What is to be different in an RDB that says the same otherwise.
package struct RDBRewriting: Sendable, Hashable {
    /// When keys, and fields of hashes, expire.
    package enum Expiries: Sendable, Hashable {
        case keep
        /// Each by so much later; earlier if it is negative.
        case shift(milliseconds: Int64)
        /// Never.
        case persist
    }

    /// Which history of the replication the dataset belongs to, by the AUX fields `repl-id`, `repl-offset` and
    /// `repl-stream-db`. A server loads them only if all three are there (redis src/server.c, `loadDataFromDisk`).
    package enum Identity: Sendable, Hashable {
        case keep
        /// Another one, which is written even if there was none.
        /// - Parameters:
        ///   - id: 40 hexadecimal digits.
        ///   - offset: not negative.
        case replace(id: String, offset: Int64)
        case drop
    }

    package var expiries: Expiries
    package var identity: Identity

    package init(expiries: Expiries = .keep, identity: Identity = .keep) {
        self.expiries = expiries == .shift(milliseconds: 0) ? .keep : expiries
        self.identity = identity
        guard case .replace(let id, let offset) = identity else { return }
        precondition(id.utf8.count == 40 && id.allSatisfy(\.isHexDigit), "a replication id has 40 hexadecimal digits")
        precondition(offset >= 0, "a replication offset is not negative")
    }

    /// Whether what comes out is what went in.
    package var changesNothing: Bool { expiries == .keep && identity == .keep }
}

/// What a rewriter changed.
package struct RDBChanges: Sendable, Hashable {
    /// Keys whose expiry was moved or removed.
    package internal(set) var keys: UInt64 = 0
    /// Fields of hashes, likewise.
    package internal(set) var fields: UInt64 = 0
    /// AUX fields of the replication that were changed, removed or added.
    package internal(set) var identityFields: UInt64 = 0

    package init() {}
}

extension RDBRewriting.Expiries {
    /// The expiry of a key, moved. Times that do not fit stay at the edge, which is as far away as they are.
    ///
    /// - Returns: `nil` for none. Never -1, which means none in an RDB.
    func moved(key milliseconds: Int64) -> Int64? {
        switch self {
        case .keep: return milliseconds
        case .persist: return nil
        case .shift(let shift):
            let (sum, overflow) = milliseconds.addingReportingOverflow(shift)
            if overflow { return shift < 0 ? .min : .max }
            return sum == -1 ? -2 : sum
        }
    }

    /// The expiry of a field of a hash, moved.
    ///
    /// - Parameters:
    ///   - milliseconds: since 1970, below 2^63.
    ///   - earliest: the least that does not mean "none". What would be before it is past either way.
    ///   - latest: the greatest that a server accepts.
    /// - Returns: `nil` for none.
    func moved(
        field milliseconds: UInt64,
        earliest: Int64,
        latest: Int64 = Int64(RDBLimits.fieldExpiryNone) - 2
    ) throws(RDBViolation) -> UInt64? {
        switch self {
        case .keep: return milliseconds
        case .persist: return nil
        case .shift(let shift):
            let (sum, overflow) = Int64(truncatingIfNeeded: milliseconds).addingReportingOverflow(shift)
            guard !overflow, sum <= latest else {
                throw RDBViolation(
                    .rewriting,
                    "the field of a hash expires at \(milliseconds) ms, and no server holds \(shift) ms later"
                )
            }
            return UInt64(max(sum, earliest))
        }
    }
}
