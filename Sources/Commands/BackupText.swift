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
        lines.append("backup    \(verdict)")
        return lines.joined(separator: "\n")
    }

    /// The set and whether it is whole.
    var verdict: String {
        let manifest = outcome.manifest
        let verdict = manifest.isPartial ? "partial, the rest is proven" : "complete, every snapshot proven"
        return "\(manifest.name)/\(manifest.id): \(verdict)"
    }
}
