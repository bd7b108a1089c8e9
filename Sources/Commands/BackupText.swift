// SPDX-License-Identifier: Apache-2.0

import Catalog
import Operations

/// What a backup run committed, as a person reads it.
struct BackupText {
    private let outcome: BackupOutcome

    init(_ outcome: BackupOutcome) {
        self.outcome = outcome
    }

    var text: String {
        let manifest = outcome.manifest
        var table = TextTable([
            ("MEMBER", .left), ("ROLE", .left), ("KEYS", .right), ("RAW", .right), ("STORED", .right),
            ("SAVE", .right), ("STREAM", .right),
        ])
        for member in manifest.storedMembers {
            table.append([
                member.member, member.role ?? "", Quantity.count(member.rdb?.keyCount ?? 0),
                Quantity.bytes(member.rdb?.bytes ?? 0), Quantity.bytes(member.stored?.bytes ?? 0),
                Quantity.seconds(member.seconds?.save ?? 0), Quantity.seconds(member.seconds?.stream ?? 0),
            ])
        }
        var lines = [table.text, ""]
        for member in manifest.members {
            if let error = member.error { lines.append("FAILED    \(member.member): \(error.message) [\(error.code)]") }
            for warning in member.warnings ?? [] { lines.append("warning   \(member.member): \(warning)") }
        }
        for omission in outcome.omissions { lines.append("left out  \(omission.member): \(omission.reason)") }
        if outcome.stores.count > 1 {
            for store in outcome.stores {
                guard let failure = store.failure else {
                    lines.append("store     \(store.label): has the set")
                    continue
                }
                let reason = Redaction.apply(to: failure.description)
                lines.append("FAILED    \(store.label): \(reason) [\(failure.code.rawValue)]")
                if let hint = failure.hint { lines.append("          \(hint)") }
            }
        }
        lines.append("backup    \(verdict)")
        return lines.joined(separator: "\n")
    }

    /// The set and whether it is whole.
    var verdict: String {
        let manifest = outcome.manifest
        let verdict = manifest.isPartial ? "partial, the rest is proven" : "complete, every snapshot proven"
        return "\(manifest.name)/\(manifest.id): \(verdict)\(extent)"
    }

    /// In how many stores it is, where it was to be in several.
    private var extent: String {
        guard outcome.stores.count > 1 else { return "" }
        let missed = outcome.stores.filter { $0.failure != nil }
        guard !missed.isEmpty else { return ", in all \(outcome.stores.count) stores" }
        let names = missed.map(\.label).joined(separator: ", ")
        return ", in \(outcome.stores.count - missed.count) of \(outcome.stores.count) stores: not in \(names)"
    }
}

/// The same for programs: the manifest, and the stores that were asked for.
struct BackupDocument: Encodable {
    private let outcome: BackupOutcome

    init(_ outcome: BackupOutcome) {
        self.outcome = outcome
    }

    private enum Key: String, CodingKey {
        case stores
    }

    private struct Store: Encodable {
        let url: String
        let holdsSet: Bool
        let error: Manifest.Problem?

        init(_ store: Destination) {
            url = store.label
            holdsSet = store.failure == nil
            error = store.failure.map {
                Manifest.Problem(code: $0.code.rawValue, message: Redaction.apply(to: $0.description))
            }
        }
    }

    func encode(to encoder: any Encoder) throws {
        try outcome.manifest.encode(to: encoder)
        var document = encoder.container(keyedBy: Key.self)
        try document.encode(outcome.stores.map(Store.init), forKey: .stores)
    }
}
