// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import Failures
import Operations
import RedisProtocol

/// Which keys are restored into a server that runs and holds data.
struct SelectiveOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "Keys to restore, as a pattern of KEYS: 'user:*', 'h?llo', 'h[ae]llo'. May be repeated. Needs --endpoint.",
            valueName: "pattern"
        )
    )
    var keys: [String] = []

    @Option(help: ArgumentHelp("Restore only keys of this database. Otherwise those of all.", valueName: "number"))
    var db: UInt64?

    @Option(
        help: ArgumentHelp("The largest value that is held in memory (default: 512Mi).", valueName: "size"),
        transform: ByteSize.reading
    )
    var maxValueBytes = ByteSize(bytes: 512 << 20)

    /// Whether nothing is chosen.
    var isEmpty: Bool { keys.isEmpty && db == nil }

    func validate() throws {
        if maxValueBytes.bytes < 1 { throw ValidationError("--max-value-bytes must be more than 0") }
        if keys.isEmpty, db != nil { throw ValidationError("--db needs --keys: --keys '*' are all of the database") }
    }
}

extension RestoreCommand {
    /// Whether the rest of the command line goes together with `--keys`.
    func validateKeys() throws {
        if dataDir != nil {
            throw ValidationError("--keys go into a server that runs: give --endpoint instead of --data-dir")
        }
        guard servers.set.statefulset == nil, servers.endpoint.count == 1 else {
            throw ValidationError("--keys go into one server: give one --endpoint")
        }
        let isAboutFolder = [serverConfig, serverVersion, requestID, owner].contains { $0 != nil } || appendonly != nil
        if isAboutFolder {
            throw ValidationError(
                "--server-config, --server-version, --appendonly, --owner and --request-id are about a --data-dir"
            )
        }
    }

    /// Restores keys into a running server.
    func restoreKeys(_ session: Session) async throws -> ExitCode {
        guard let target = try servers.endpoints(session).first else {
            throw Failure(.usage, "restore keys: no --endpoint")
        }
        var request = KeysRequest(
            reference: try BackupReference(backup),
            name: source.name,
            target: target,
            patterns: selective.keys.map { KeyPattern($0) },
            valueBytesMax: Int(selective.maxValueBytes.bytes)
        )
        request.member = member
        request.database = selective.db
        request.replaces = replace
        request.expiries = ttl.ttl
        request.proof = proof.proof
        request.ignoresMemory = ignoreCompatibility
        request.isDryRun = dryRun
        let keyring = try await identity.keyring(session)
        let outcome = try await source.store.withStore(at: source.from, session) { [request] store in
            let restore = RestoreKeys(
                request,
                from: Catalog(store: store, keyring: keyring),
                meter: session.meter,
                logger: session.logger
            )
            return try await session.progress.show { try await restore.run() }
        }
        RunFacts.note { $0.restored(outcome) }
        let report = KeysReport(outcome)
        try session.result(report.text, report, verdict: report.verdict)
        return outcome.written.existing > 0 && !dryRun ? .partial : .done
    }
}

/// How a restore of keys ended, for people and for programs.
private struct KeysReport: Encodable {
    /// `restored`, `would-restore` or `nothing-matched`.
    let outcome: String
    let backup: String
    let member: String
    let target: String
    /// What the patterns match in the snapshot.
    let matched: Matched
    /// What was written, or would be.
    let written: Written
    /// Left alone: they are there already.
    let existing: UInt64
    /// Left out: they have expired.
    let expired: UInt64

    struct Matched: Encodable {
        let keys: UInt64
        /// Of their `DUMP`.
        let bytes: Int64
        let expires: UInt64
        /// By database and type.
        let databases: [String: [String: KeysFindings.Tally]]
    }

    struct Written: Encodable {
        let keys: UInt64
        let bytes: Int64
        /// How many of them took the place of another.
        let replaced: UInt64
    }

    init(_ outcome: KeysOutcome) {
        let (found, written) = (outcome.found, outcome.written)
        self.outcome = found.keys == 0 ? "nothing-matched" : outcome.isDryRun ? "would-restore" : "restored"
        backup = "\(outcome.manifest.name)/\(outcome.manifest.id)"
        member = outcome.member.member
        target = outcome.target
        matched = Matched(
            keys: found.keys,
            bytes: found.bytes,
            expires: found.expires,
            databases: Dictionary(uniqueKeysWithValues: found.tallies.map { ("\($0.key)", $0.value) })
        )
        self.written = Written(keys: written.keys, bytes: written.bytes, replaced: written.replaced)
        existing = written.existing
        expired = written.expired
    }

    var verdict: String {
        guard matched.keys > 0 else { return "nothing matched: no key of \(backup), member \(member), is meant" }
        let size = "\(Quantity.count(written.keys)) keys, \(Quantity.bytes(written.bytes))"
        return "\(outcome): \(size), of \(backup), member \(member), into \(target)"
    }

    var text: String {
        var lines = [verdict]
        for (database, types) in matched.databases.sorted(by: { $0.key.count < $1.key.count || $0.key < $1.key }) {
            let counts = types.sorted { $0.key < $1.key }.map { "\(Quantity.count($0.value.keys)) \($0.key)" }
            lines.append("database \(database): \(counts.joined(separator: ", ")) match")
        }
        if written.replaced > 0 { lines.append("\(Quantity.count(written.replaced)) of them replace a key") }
        if existing > 0 {
            lines.append(
                "\(Quantity.count(existing)) are there already and are left alone; --replace overwrites them"
            )
        }
        if expired > 0 { lines.append("\(Quantity.count(expired)) have expired and are left out; see --ttl") }
        return lines.joined(separator: "\n")
    }
}
