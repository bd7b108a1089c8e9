// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Operations

/// What belongs to no backup, as programs read it.
struct RemnantReport: Encodable {
    let kind: String
    let name: String
    let key: String
    let writtenAt: Timestamp
    let ageSeconds: Int64
    let bytes: Int64?
    /// `removed`, `locked`, `changed` or `failed`; `young`; before a dry run `would-remove`.
    var outcome: String?
    /// Who holds the lease of the subject.
    var lease: String?
    var error: Manifest.Problem?

    init(_ remnant: Remnant, outcome: String? = nil, failure: Failure? = nil) {
        kind = remnant.kind.rawValue
        name = remnant.name
        key = remnant.key.description
        writtenAt = Timestamp(secondsSince1970: remnant.writtenAtSeconds)
        ageSeconds = max(0, Timestamp.now().secondsSince1970 - remnant.writtenAtSeconds)
        bytes = remnant.bytes
        self.outcome = outcome
        error = failure.map { .init(code: $0.code.rawValue, message: $0.description) }
    }

    init(_ finding: PruneIncomplete.Finding) {
        switch finding.outcome {
        case .removed: self.init(finding.remnant, outcome: "removed")
        case .locked(let failure): self.init(finding.remnant, outcome: "locked", failure: failure)
        case .changed: self.init(finding.remnant, outcome: "changed")
        case .failed(let failure): self.init(finding.remnant, outcome: "failed", failure: failure)
        }
    }

    static func table(_ remnants: [RemnantReport], last: String, _ cell: (RemnantReport) -> String) -> String {
        var table = TextTable([
            ("KIND", .left), ("KEY", .left), ("AGE", .right), ("BYTES", .right), (last, .left),
        ])
        for remnant in remnants {
            table.append([
                remnant.kind, remnant.key, Quantity.seconds(Double(remnant.ageSeconds)),
                remnant.bytes.map(Quantity.bytes) ?? "?", cell(remnant),
            ])
        }
        return table.text
    }
}

/// What became of what belongs to no backup.
struct RemnantsReport {
    let remnants: [RemnantReport]
    /// Why unfinished uploads could not be looked for.
    private let unlistable: Failure?
    private let failures: [Failure]
    private let isDone: Bool

    /// - Parameter findings: `nil` where nothing was done: `due` is what would have gone.
    init(_ plan: PruneIncomplete.Plan, _ findings: [PruneIncomplete.Finding]?) {
        let due =
            findings.map { $0.map(RemnantReport.init) }
            ?? plan.due.map { RemnantReport($0, outcome: "would-remove") }
        remnants = due + plan.young.map { RemnantReport($0, outcome: "young") }
        unlistable = plan.unlistable
        isDone = findings != nil
        failures = (findings ?? []).compactMap { finding in
            switch finding.outcome {
            case .failed(let failure), .locked(let failure): failure
            case .removed, .changed: nil as Failure?
            }
        }
    }

    var notLookedFor: Manifest.Problem? {
        unlistable.map { .init(code: $0.code.rawValue, message: $0.description) }
    }

    private func count(_ outcome: String) -> Int { remnants.count { $0.outcome == outcome } }

    var lines: [String] {
        var lines: [String] = []
        if !remnants.isEmpty { lines += [RemnantReport.table(remnants, last: "OUTCOME") { $0.outcome ?? "" }, ""] }
        var errors: [String] = []
        for error in remnants.compactMap(\.error) where !errors.contains(error.message) { errors.append(error.message) }
        lines += errors.map { "kept      \($0)" }
        if let notLookedFor { lines.append("unknown   \(notLookedFor.message) [\(notLookedFor.code)]") }
        return lines
    }

    func verdict(at store: String) -> String {
        guard isDone else { return "\(count("would-remove")) to remove, \(count("young")) too young in \(store)" }
        let kept = remnants.count - count("removed")
        return "\(count("removed")) removed, \(kept) kept, \(count("young")) of them too young, in \(store)"
    }

    var ending: PruneEnding {
        PruneEnding(failures: failures, hasRemoved: count("removed") > 0, remark: unlistable?.withoutUploads)
    }
}

extension Failure {
    /// What can be done where uploads cannot be listed.
    var withoutUploads: Failure {
        Failure(
            code,
            "look for unfinished uploads; everything else was looked at",
            cause: self,
            hint: "Let a lifecycle rule of the bucket abort them, and give --without-uploads."
        )
    }
}
