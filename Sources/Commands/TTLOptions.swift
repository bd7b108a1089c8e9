// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Operations

extension ExpiryChoice: ExpressibleByArgument {}

/// What becomes of the time that keys have to live.
struct TTLOptions: ParsableArguments, Sendable {
    @Option(
        help: """
            What becomes of expiries: keep (keys expire when they would have expired), shift (they live as long from \
            now on as they had to live at the time of the snapshot), persist (they do not expire). The last two make \
            another history of the replication.
            """
    )
    var ttl: ExpiryChoice = .keep
}

/// What a restore says of expiries, for people and for programs.
struct ExpiryReport: Encodable {
    /// `keep`, `shift` or `persist`.
    var choice = ExpiryChoice.keep.rawValue
    /// How many of the restored keys have an expiry.
    var keys: UInt64
    /// How many of them are past; only what was read tells.
    var past: UInt64?
    var shiftSeconds: Double?
    /// Of keys, and of fields of hashes.
    var changedKeys: UInt64?
    var changedFields: UInt64?

    init(keys: UInt64) { self.keys = keys }

    init(_ found: RestoredExpiries) {
        choice = found.choice.rawValue
        keys = found.keys
        past = found.past
        shiftSeconds = found.shiftMilliseconds.map { Double($0) / 1000 }
        guard found.choice != .keep else { return }
        changedKeys = found.changes.keys
        changedFields = found.changes.fields
    }

    /// One line or more; nothing where there is nothing to say.
    var text: String? {
        let lines = [whatWasChanged, whatHasExpiries].compactMap(\.self)
        return lines.isEmpty ? nil : lines.joined(separator: "\n")
    }

    private var whatWasChanged: String? {
        let fields = changedFields.map { $0 > 0 ? " and \(Quantity.count($0)) fields of hashes" : "" } ?? ""
        let which = "expiries of \(Quantity.count(changedKeys ?? 0)) keys\(fields)"
        let history = "it is another history: replicas synchronize in full"
        switch choice {
        case ExpiryChoice.shift.rawValue:
            return "\(which) moved by \(Quantity.seconds(shiftSeconds ?? 0)) (--ttl shift); \(history)"
        case ExpiryChoice.persist.rawValue: return "\(which) removed (--ttl persist); \(history)"
        default: return nil
        }
    }

    private var whatHasExpiries: String? {
        guard keys > 0 else { return nil }
        let have = "\(Quantity.count(keys)) keys have an expiry"
        guard let past, past > 0 else { return have }
        return "\(have); \(Quantity.count(past)) of them are past, and a primary drops those when it loads them"
    }
}
