// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import Failures
import Operations

struct PinCommand: RunnableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pin",
        abstract: "Keep a backup: prune does not remove it, whatever its rules say.",
        discussion: """
            A run of prune that is under way is waited for. A backup that it removed meanwhile is not pinned: exit \
            code 10.
            """
    )

    @Argument(help: "latest, an id, or NAME/ID.")
    var backup: String

    @Option(help: "Why, for people: list and show tell it.")
    var reason: String?

    @OptionGroup var source: SourceStoreOptions
    @OptionGroup var outputs: OutputOptions

    private static let reasonBytesMax = 1000

    func validate() throws {
        if let reason,
            reason.utf8.count > Self.reasonBytesMax || reason.unicodeScalars.contains(where: { $0.value < 32 })
        {
            throw ValidationError("--reason is one line of at most \(Self.reasonBytesMax) bytes")
        }
    }

    func execute() async throws -> ExitCode {
        let session = outputs.session()
        let reference = try BackupReference(backup)
        let outcome = try await source.store.withStore(at: source.from, session) { store in
            try await Pinning(Catalog(store: store), tool: .init(name: "redoubt", version: redoubtVersion))
                .pin(reference, name: source.name, reason: reason)
        }
        let report = PinReport(outcome, pinned: true)
        try session.result(report.text, report, verdict: report.text)
        return .done
    }
}

struct UnpinCommand: RunnableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unpin",
        abstract: "Take a pin back: the rules of prune decide about the backup again."
    )

    @Argument(help: "latest, an id, or NAME/ID.")
    var backup: String

    @OptionGroup var source: SourceStoreOptions
    @OptionGroup var outputs: OutputOptions

    func execute() async throws -> ExitCode {
        let session = outputs.session()
        let reference = try BackupReference(backup)
        let outcome = try await source.store.withStore(at: source.from, session) { store in
            try await Pinning(Catalog(store: store), tool: .init(name: "redoubt", version: redoubtVersion))
                .unpin(reference, name: source.name)
        }
        let report = PinReport(outcome, pinned: false)
        try session.result(report.text, report, verdict: report.text)
        return .done
    }
}

private struct PinReport: Encodable {
    let name: String
    let id: String
    let pinned: Bool
    /// Whether it was otherwise before.
    let changed: Bool

    init(_ outcome: Pinning.Outcome, pinned: Bool) {
        name = outcome.name
        id = outcome.id.text
        self.pinned = pinned
        changed = outcome.hasChanged
    }

    var text: String {
        switch (pinned, changed) {
        case (true, true): "\(name)/\(id): pinned"
        case (true, false): "\(name)/\(id): was pinned already"
        case (false, true): "\(name)/\(id): not pinned any more"
        case (false, false): "\(name)/\(id): was not pinned"
        }
    }
}
