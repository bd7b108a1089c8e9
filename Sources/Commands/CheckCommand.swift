// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Failures
import FoundationEssentials
import Kubernetes
import ObjectStorage
import Operations

struct CheckCommand: RunnableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Find out beforehand whether a backup would work here, with these rights.",
        discussion:
            """
            Nothing is saved or changed; with --to, one small object is written to the store and removed again, and \
            an upload is begun and given up. With --config, a configuration is read as a server would read it, before \
            a server does.
            """
    )

    @Option(
        help: ArgumentHelp(
            "Store to look at too: file://, s3://, azblob://, gs://, sftp://, webdavs:// or https://. Repeatable.",
            valueName: "url"
        )
    )
    var to: [String] = []

    @Option(
        help: ArgumentHelp(
            "A redis.conf to look at too: directives that do not exist, with what was meant. Repeatable.",
            valueName: "file"
        )
    )
    var config: [String] = []

    @Option(
        help: ArgumentHelp(
            "With --config: a directive that is right although redoubt does not know it.",
            valueName: "directive"
        )
    )
    var acceptDirective: [String] = []

    @Option(help: "How the snapshots would be taken.")
    var source: SnapshotMethod = .replication

    @Option(help: "With --source volume: the server's data directory, as it is mounted here.")
    var dataDir: String?

    @OptionGroup(title: "Kubernetes") var telling: TellingOptions
    @OptionGroup(title: "Encryption") var encryption: EncryptionOptions
    @OptionGroup(title: "Fitness of a member") var fitness: FitnessOptions
    @OptionGroup(title: "Servers") var servers: ServerOptions
    @OptionGroup(title: "Store") var store: StoreOptions
    @OptionGroup(title: "Output") var outputs: OutputOptions

    func validate() throws {
        let isAboutKeys = !encryption.recipients.isEmpty || encryption.passphrase.passphraseFile != nil
        if servers.isEmpty && to.isEmpty && config.isEmpty && !isAboutKeys {
            throw ValidationError(
                "give an --endpoint, a store with --to, a file with --config, a --recipient, or several of them"
            )
        }
        if (source == .volume) != (dataDir != nil) {
            throw ValidationError("--source volume and --data-dir need each other")
        }
    }

    func execute() async throws -> ExitCode {
        let session = outputs.session()
        if to.count > 1 { try store.requireDistinct(to) }
        let check = Check(logger: session.logger)
        var findings: [Check.Finding] = []
        for path in config {
            findings += await Check.run(configuration: path, accepting: Set(acceptDirective.map { $0.lowercased() }))
        }
        findings += lookAtKeys(session)
        findings += try await members(check, session)
        for url in to { findings += try await look(at: url, check, session) }
        let report = CheckReport(findings)
        try session.result(report.text, report)
        guard let code = findings.compactMap(\.code).first else { return .done }
        let count = findings.filter { $0.verdict == .bad }.count
        throw Failure(code, "check: \(count) of \(findings.count) findings stand in the way")
    }

    private func lookAtKeys(_ session: Session) -> [Check.Finding] {
        do {
            guard let recipients = try encryption.choice(session).recipients else { return [] }
            let whom = recipients.joined(separator: ", ")
            return [Check.Finding("encryption", "recipients", .good, "snapshots would be encrypted for \(whom)")]
        } catch {
            let failure = Failure(wrapping: error, attempting: "read whom snapshots are encrypted for")
            return [Check.Finding("encryption", "recipients", failed: failure)]
        }
    }

    private func look(at url: String, _ check: Check, _ session: Session) async throws -> [Check.Finding] {
        if let path = Self.missingFolder(url) { return [Check.Finding(missingFolder: path, of: url)] }
        if case .object(let object)? = try? StoreLocation(parsing: url) {
            return [Check.Finding(untried: object.description)]
        }
        do {
            return try await store.withStore(at: url, session) { store in
                await check.run(store, suffix: .random(in: .min ... .max))
            }
        } catch let failure as Failure {
            return [Check.Finding(url, "store", failed: failure)]
        }
    }

    /// The folder of a store, if it is one and does not exist.
    private static func missingFolder(_ url: String) -> String? {
        guard case .folder(let path)? = try? StoreLocation(parsing: url) else { return nil }
        return FileManager.default.fileExists(atPath: path) ? nil : path
    }

    /// Looks at the members, and at the API server where they are found through it.
    private func members(_ check: Check, _ session: Session) async throws -> [Check.Finding] {
        if servers.isEmpty { return [] }
        let factory = MemberFactory(servers: servers, fitness: fitness, method: source, dataDirectory: dataDir)
        do {
            return try await factory.withMembers(session) { found in
                var findings: [Check.Finding] = []
                if let cluster = found.cluster { findings += await check.run(cluster.client, rights(for: cluster.set)) }
                for member in found.members { findings += await check.run(member) }
                return findings + (await check.run(slotsOf: found.members))
            }
        } catch let failure as Failure where servers.set.usesAPI {
            let name = servers.set.statefulset ?? ""
            return [Check.Finding(name, "statefulset", failed: failure)] + (await rights(name, check, session))
        }
    }

    /// What a backup of the set would ask of the API server.
    private func rights(for set: StatefulSet) -> Check.ClusterRights {
        Check.ClusterRights(
            set: set,
            leaseName: telling.noKubernetesLease ? nil : TellingOptions.leaseName(of: set),
            writesEvents: !telling.noEvents
        )
    }

    /// Each right, also where the first one that is missing keeps the StatefulSet from being found.
    private func rights(_ name: String, _ check: Check, _ session: Session) async -> [Check.Finding] {
        do {
            let settings = servers.set.settings(session.environment)
            return try await withKubernetesClient(settings, logger: session.logger) { client in
                let set = StatefulSet(namespace: client.namespace, name: name, uid: "", replicas: 0)
                return await check.run(client, rights(for: set))
            }
        } catch {
            // Then the first finding says why.
            return []
        }
    }
}

private struct CheckReport: Encodable {
    let findings: [Line]

    struct Line: Encodable {
        let subject: String
        let item: String
        let verdict: Check.Finding.Verdict
        let detail: String
        let hint: String?
    }

    init(_ findings: [Check.Finding]) {
        self.findings = findings.map {
            Line(subject: $0.subject, item: $0.item, verdict: $0.verdict, detail: $0.detail, hint: $0.hint)
        }
    }

    var text: String {
        var lines: [String] = []
        var subject = ""
        for finding in findings {
            if finding.subject != subject {
                subject = finding.subject
                lines.append(subject)
            }
            lines.append("  \(Self.mark(finding.verdict)) \(finding.item): \(finding.detail)")
            if let hint = finding.hint { lines.append("         \(hint)") }
        }
        return lines.joined(separator: "\n")
    }

    private static func mark(_ verdict: Check.Finding.Verdict) -> String {
        switch verdict {
        case .good: "ok    "
        case .warning: "note  "
        case .bad: "FAILS "
        }
    }
}
