// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import Failures
import ObjectStorage
import Operations

struct PruneCommand: RunnableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Remove what runs that died left in a store.",
        discussion: """
            With --incomplete: unfinished uploads, temporary files, and members of sets that have no manifest, once \
            they are older than --grace. A subject that a run works on is left alone, and so is every backup. Exit \
            code 3: some of it could not be removed; 11: another run holds the lease.
            """
    )

    @Flag(help: "Remove what belongs to no backup.")
    var incomplete = false

    @Option(help: ArgumentHelp("What is younger is left alone, as 24h.", valueName: "age"))
    var grace = TimeSpan(seconds: 86_400)

    @Flag(name: .shortAndLong, help: "Do not ask before anything is removed.")
    var yes = false

    @Flag(help: "Say what would be removed, and remove nothing.")
    var dryRun = false

    @OptionGroup var uploads: UnfinishedOptions
    @OptionGroup var source: SourceStoreOptions
    @OptionGroup(title: "Output") var outputs: OutputOptions

    func validate() throws {
        if !incomplete {
            throw ValidationError(
                "this version removes no backups: prune takes --incomplete, and removes what dead runs left"
            )
        }
    }

    func execute() async throws -> ExitCode {
        let session = outputs.session()
        return try await source.store.withStore(at: source.from, session) { store in
            let prune = PruneIncomplete(
                Catalog(store: store),
                graceSeconds: grace.seconds,
                runID: session.runID,
                logger: session.logger
            )
            let plan = try await prune.plan(of: source.name, looksForUnfinished: uploads.areLookedFor)
            if !dryRun, !yes, !plan.due.isEmpty {
                let what = plan.due.map { "\($0.kind.rawValue) \($0.key)" }
                try await Confirmation.ask(what, question: "Remove these from \(store.location)")
            }
            let findings = dryRun ? [] : try await prune.run(plan)
            let report = PruneReport(plan, findings, at: store.location, isDryRun: dryRun)
            try session.result(report.text, report, verdict: report.verdict)
            return try report.ending(plan, findings)
        }
    }
}

/// Whether uploads are looked for that were not finished.
struct UnfinishedOptions: ParsableArguments, Sendable {
    @Flag(help: "Do not look for unfinished uploads and temporary files: where the provider cannot list them.")
    var withoutUploads = false

    var areLookedFor: Bool { !withoutUploads }
}

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

/// What was removed, for people and for programs.
private struct PruneReport: Encodable {
    let store: String
    let dryRun: Bool
    let remnants: [RemnantReport]
    /// Why unfinished uploads could not be looked for.
    let notLookedFor: Manifest.Problem?

    init(_ plan: PruneIncomplete.Plan, _ findings: [PruneIncomplete.Finding], at store: String, isDryRun: Bool) {
        self.store = store
        dryRun = isDryRun
        let due =
            isDryRun ? plan.due.map { RemnantReport($0, outcome: "would-remove") } : findings.map(RemnantReport.init)
        remnants = due + plan.young.map { RemnantReport($0, outcome: "young") }
        notLookedFor = plan.unlistable.map { .init(code: $0.code.rawValue, message: $0.description) }
    }

    private func count(_ outcome: String) -> Int { remnants.count { $0.outcome == outcome } }

    var text: String {
        var lines: [String] = []
        if !remnants.isEmpty { lines += [RemnantReport.table(remnants, last: "OUTCOME") { $0.outcome ?? "" }, ""] }
        var errors: [String] = []
        for error in remnants.compactMap(\.error) where !errors.contains(error.message) { errors.append(error.message) }
        lines += errors.map { "kept      \($0)" }
        if let notLookedFor { lines.append("unknown   \(notLookedFor.message) [\(notLookedFor.code)]") }
        lines.append("prune     \(verdict)")
        return lines.joined(separator: "\n")
    }

    var verdict: String {
        if dryRun {
            let counts = "\(count("would-remove")) to remove, \(count("young")) too young"
            return "\(counts) in \(store); nothing was done (--dry-run)"
        }
        let kept = remnants.count - count("removed")
        return "\(count("removed")) removed, \(kept) kept, \(count("young")) of them too young, in \(store)"
    }

    /// How the command ends: partial where some of it was removed and some could not be.
    func ending(_ plan: PruneIncomplete.Plan, _ findings: [PruneIncomplete.Finding]) throws -> ExitCode {
        let failures = findings.compactMap { finding in
            switch finding.outcome {
            case .failed(let failure), .locked(let failure): failure
            case .removed, .changed: nil as Failure?
            }
        }
        if let failure = failures.first(where: { $0.code != .locked }) ?? failures.first {
            if count("removed") > 0 { return .partial }
            throw failure
        }
        if let unlistable = plan.unlistable { throw unlistable.withoutUploads }
        return .done
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
