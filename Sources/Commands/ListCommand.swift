// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import Failures

struct ListCommand: RunnableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Show the backups of a store, newest last.",
        discussion: """
            Only complete backups are shown; keys and raw bytes count replicas of one shard once. One whose manifest \
            cannot be read is reported, with exit code 4, or 7 where only later programs wrote such. With \
            --incomplete: what belongs to no backup, because the run that wrote it has not ended, or died.
            """
    )

    @Flag(help: "Show what belongs to no backup: unfinished uploads, temporary files, members without a manifest.")
    var incomplete = false

    @OptionGroup var uploads: UnfinishedOptions
    @OptionGroup var source: SourceStoreOptions
    @OptionGroup var outputs: OutputOptions

    func execute() async throws -> ExitCode {
        let session = outputs.session()
        if incomplete { return try await listIncomplete(session) }
        let (entries, pins, instead) = try await source.store.withStore(at: source.from, session) { store in
            let catalog = Catalog(store: store)
            let keys = try await catalog.keys(of: source.name)
            let pins = source.name == nil ? Catalog.pins(among: keys) : await pinned(in: catalog, session)
            let entries = try await catalog.entries(among: keys)
            guard entries.isEmpty else { return (entries, pins, Catalog.Instead?.none) }
            let others = try await source.name == nil ? catalog.instead(among: keys) : others(in: catalog)
            return (entries, pins, others)
        }
        let listing = Listing(entries, pins: pins, others: instead?.subjects ?? [])
        try session.result(listing.text, listing)
        if let failure = listing.failure { throw failure }
        return .done
    }

    /// A store that does not let us look beyond the subject still says that it has none of it.
    private func others(in catalog: Catalog) async throws -> Catalog.Instead? {
        do {
            return try await catalog.instead()
        } catch let failure as Failure where failure.code != .configuration && failure.code != .interrupted {
            return nil
        }
    }

    /// A store that does not let us look for pins still shows its sets.
    private func pinned(in catalog: Catalog, _ session: Session) async -> [String: Set<BackupID>]? {
        do {
            return try await catalog.pins(of: source.name)
        } catch {
            session.logger.warning("could not look for pins: \(error)")
            return nil
        }
    }

    private func listIncomplete(_ session: Session) async throws -> ExitCode {
        let (remnants, listing) = try await source.store.withStore(at: source.from, session) { store in
            let catalog = Catalog(store: store)
            let remnants = try await catalog.remnants(of: source.name, looksForUnfinished: uploads.areLookedFor)
            var listing = IncompleteListing(remnants)
            try await listing.ask(catalog)
            return (remnants, listing)
        }
        try session.result(listing.text, listing)
        if let unlistable = remnants.unlistable { throw unlistable.withoutUploads }
        return .done
    }
}

/// What belongs to no backup.
private struct IncompleteListing: Encodable {
    private(set) var incomplete: [RemnantReport]
    /// Why unfinished uploads could not be looked for.
    let notLookedFor: Manifest.Problem?

    init(_ remnants: Remnants) {
        incomplete = remnants.found.map { RemnantReport($0) }
        notLookedFor = remnants.unlistable.map { .init(code: $0.code.rawValue, message: $0.description) }
    }

    /// Asks who holds the leases of the subjects.
    mutating func ask(_ catalog: Catalog) async throws {
        for name in Set(incomplete.map(\.name)) {
            guard let seated = try await catalog.holder(of: name) else { continue }
            let holder = seated.lease?.summary ?? "another run"
            for index in incomplete.indices where incomplete[index].name == name { incomplete[index].lease = holder }
        }
    }

    var text: String {
        var lines: [String] = []
        if let notLookedFor { lines.append("unknown   \(notLookedFor.message) [\(notLookedFor.code)]") }
        if incomplete.isEmpty { return (lines + ["nothing incomplete"]).joined(separator: "\n") }
        return (lines + [RemnantReport.table(incomplete, last: "LEASE") { $0.lease ?? "free" }]).joined(separator: "\n")
    }
}
