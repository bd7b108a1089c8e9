// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import Failures
import ObjectStorage
import Operations

struct PruneCommand: MonitoredCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune",
        abstract: "Remove the backups that no rule keeps, and what runs that died left.",
        discussion: """
            With --keep-…: each rule keeps sets of each subject, and what none keeps is removed. The newest proven and \
            the newest whole set of a subject always stay, and so does what is pinned or younger than --grace. With \
            --incomplete: what belongs to no backup. A subject that a run works on is left alone. Exit code 3: some of \
            it could not be removed; 8: nobody was asked, or a guard refused; 11: another run holds the lease.
            """
    )

    @OptionGroup(title: "Retention") var retention: RetentionOptions

    @Flag(help: "Remove what belongs to no backup.")
    var incomplete = false

    @Option(
        help: ArgumentHelp(
            "What is younger is left alone, as 24h. Otherwise 1h for backups, and 24h for what belongs to none.",
            valueName: "age"
        ),
        transform: TimeSpan.withUnit
    )
    var grace: TimeSpan?

    @Flag(name: .shortAndLong, help: "Do not ask before anything is removed.")
    var yes = false

    @Flag(help: "Say what would be removed, and why the rest is kept, and remove nothing.")
    var dryRun = false

    @OptionGroup var uploads: UnfinishedOptions
    @OptionGroup var source: SourceStoreOptions
    @OptionGroup(title: "Monitoring") var monitoring: MonitoringOptions
    @OptionGroup(title: "Output") var outputs: OutputOptions

    var watchedSubject: WatchedSubject { .init(source.name, orElse: .all) }
    var isRehearsal: Bool { dryRun }

    private static let graceOfBackups: Int64 = 3600
    private static let graceOfIncomplete: Int64 = 86_400

    func validate() throws {
        if incomplete, !retention.isGiven { return }
        if retention.policy.isEmpty {
            throw ValidationError(
                "say what is kept, as with --keep-last 3 --keep-daily 7: an empty policy removes no backup. "
                    + "--incomplete removes what dead runs left"
            )
        }
    }

    func execute() async throws -> ExitCode {
        let session = outputs.session()
        return try await source.store.withStore(at: source.from, session) { store in
            let catalog = Catalog(store: store)
            let sets = try setPruning(catalog, session)
            let remnants = incomplete ? remnantPruning(catalog, session) : nil

            // The whole plan first: what goes, and why the rest stays.
            let plans = try await sets?.plan(of: source.name)
            if let name = source.name, plans?.isEmpty == true { throw Self.noBackup(of: name, in: store.location) }
            let due = try await remnants?.plan(of: source.name, looksForUnfinished: uploads.areLookedFor)
            let plan = PruneReport(
                at: store.location,
                isDryRun: dryRun,
                plans.map { SetsReport($0, nil) },
                due.map { RemnantsReport($0, nil) }
            )
            if dryRun { return try plan.conclude(session) }
            if !yes, plan.removesAnything { try await ask(plan, session) }

            let done = try await sets?.run(plans ?? []) ?? PruneOutcome()
            if let plans { RunFacts.note { $0.pruned(SetsReport(plans, done)) } }
            let swept =
                if let remnants, let due { try await remnants.run(due) } else { [PruneIncomplete.Finding]?.none }
            return try PruneReport(
                at: store.location,
                isDryRun: false,
                plans.map { SetsReport($0, done) },
                due.map { RemnantsReport($0, swept ?? []) }
            ).conclude(session)
        }
    }

    /// A slip in the name would be a prune that removes nothing, every night.
    private static func noBackup(of name: String, in store: String) -> Failure {
        Failure(
            .noSuchBackup,
            "prune \(name): \(store) holds no backup of that name",
            hint: "`redoubt list --from \(store)` shows the names that are there."
        )
    }

    private func setPruning(_ catalog: Catalog, _ session: Session) throws -> Prune? {
        guard retention.isGiven else { return nil }
        let request = try retention.request(graceSeconds: grace?.seconds ?? Self.graceOfBackups, session)
        return Prune(request, in: catalog, logger: session.logger)
    }

    private func remnantPruning(_ catalog: Catalog, _ session: Session) -> PruneIncomplete {
        PruneIncomplete(
            catalog,
            graceSeconds: grace?.seconds ?? Self.graceOfIncomplete,
            runID: session.runID,
            logger: session.logger
        )
    }

    /// Where nobody is there to be asked, the plan is the result.
    private func ask(_ plan: PruneReport, _ session: Session) async throws {
        if !Confirmation.isSomebodyThere { try session.result(plan.text, plan, verdict: plan.verdict) }
        let lines = Confirmation.isSomebodyThere ? [plan.text] : []
        try await Confirmation.ask(lines, question: "Remove \(plan.amount) from \(plan.store)")
    }
}

/// Whether uploads are looked for that were not finished.
struct UnfinishedOptions: ParsableArguments, Sendable {
    @Flag(help: "Do not look for unfinished uploads and temporary files: where the provider cannot list them.")
    var withoutUploads = false

    var areLookedFor: Bool { !withoutUploads }
}

/// What goes, or went, for people and for programs.
struct PruneReport: Encodable {
    let store: String
    private let dryRun: Bool
    private let sets: [SetsReport.Row]?
    private let sweptMembers: Int?
    private let remnants: [RemnantReport]?
    /// Why unfinished uploads could not be looked for.
    private let notLookedFor: Manifest.Problem?
    private let details: (sets: SetsReport?, remnants: RemnantsReport?)

    private enum CodingKeys: CodingKey {
        case store, dryRun, sets, sweptMembers, remnants, notLookedFor
    }

    init(at store: String, isDryRun: Bool, _ sets: SetsReport?, _ remnants: RemnantsReport?) {
        self.store = store
        dryRun = isDryRun
        self.sets = sets?.rows
        sweptMembers = sets?.sweptMembers
        self.remnants = remnants?.remnants
        notLookedFor = remnants?.notLookedFor
        details = (sets, remnants)
    }

    var removesAnything: Bool { amount != Self.nothing }

    private static let nothing = "nothing"

    /// What goes, in words.
    var amount: String {
        let members = sweptMembers ?? 0
        let amounts = [
            (details.sets?.due ?? 0, "backups"), (members, "members of backups that are gone"),
            (remnants?.count { $0.outcome == "would-remove" } ?? 0, "objects that belong to no backup"),
        ]
        let words = amounts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        return words.isEmpty ? Self.nothing : words.joined(separator: " and ")
    }

    var text: String {
        ((details.sets?.lines ?? []) + (details.remnants?.lines ?? []) + ["prune     \(verdict)"])
            .joined(separator: "\n")
    }

    var verdict: String {
        let parts = [details.sets?.verdict(at: store), details.remnants?.verdict(at: store)].compactMap { $0 }
        return parts.joined(separator: "; ") + (dryRun ? "; nothing was done (--dry-run)" : "")
    }

    /// Prints the result.
    func conclude(_ session: Session) throws -> ExitCode {
        try session.result(text, self, verdict: verdict)
        guard let ending = [details.sets?.ending, details.remnants?.ending].compactMap({ $0 }).sum else { return .done }
        return try ending.code()
    }
}

extension [PruneEnding] {
    fileprivate var sum: PruneEnding? { dropFirst().reduce(first) { all, next in all.map { $0 + next } } }
}
