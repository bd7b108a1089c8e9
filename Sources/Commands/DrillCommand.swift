// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import Failures
import FoundationEssentials
import Operations
import RedisClient
import RedisProtocol

struct DrillCommand: MonitoredCommand {
    static let configuration = CommandConfiguration(
        commandName: "drill",
        abstract: "Restore a backup into a throw-away server, prove its content, and time it.",
        discussion: """
            A server is started for it that nobody else can reach, and is killed in the end with all it holds. With \
            --endpoint, an empty server that runs already is filled instead, and keeps what it was given. What it \
            holds is read back and compared with the backup: keys, values, expiries. Exit code 4 when the content \
            differs, 8 when the server could not load it by its version.
            """
    )

    @Argument(help: "latest, an id, or NAME/ID.")
    var backup = "latest"

    @OptionGroup(title: "The drill") var drill: DrillOptions
    @OptionGroup(title: "A server that runs") var servers: ServerOptions
    @OptionGroup(title: "How it reaches this program") var route: SeedRouteOptions
    @OptionGroup(title: "Encryption") var identity: IdentityOptions
    @OptionGroup(title: "Store") var source: SourceStoreOptions
    @OptionGroup(title: "Monitoring") var monitoring: MonitoringOptions
    @OptionGroup(title: "Output") var outputs: OutputOptions

    var watchedSubject: WatchedSubject { .init(source.name, orElse: .unknown) }
    var isRehearsal: Bool { drill.dryRun }

    func validate() throws {
        guard servers.set.statefulset == nil, servers.endpoint.count <= 1 else {
            throw ValidationError("a drill takes one server: one --endpoint, and no --statefulset")
        }
        guard servers.isEmpty || drill.server == nil else {
            throw ValidationError("--server and --endpoint exclude each other")
        }
    }

    func execute() async throws -> ExitCode {
        let session = outputs.session()
        let reference = try BackupReference(backup)
        let report = try drill.report.map(DrillReportFile.init)
        let request = try await drill.request(session, servers, route)
        let keyring = try await identity.keyring(session)
        return try await source.store.withStore(at: source.from, session) { store in
            let catalog = Catalog(store: store, keyring: keyring)
            let manifest = try await catalog.require(reference, name: source.name)
            let drilling = Drill(request, from: catalog, meter: session.meter, logger: session.logger)
            if drill.dryRun { return try session.tell(try await drilling.plan(manifest)) }
            let outcome = try await session.progress.show { try await drilling.run(manifest) }
            RunFacts.note { $0.drilled(outcome.record) }
            if let report { try await report.write(outcome.record, from: catalog, session.logger) }
            let document = DrillDocument(record: outcome.record, recordKey: outcome.recordKey, report: drill.report)
            try session.result(DrillText(document).text, document, verdict: DrillText(document).verdict)
            guard let failure = outcome.failure else { return .done }
            throw Failure(
                failure.code,
                "drill \(manifest.name)/\(manifest.id): \(DrillText(document).unprovenText)",
                cause: failure,
                hint: failure.hint ?? "Drill another member of the set, or another backup."
            )
        }
    }
}

/// How a backup is drilled.
struct DrillOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "Program of the server: a path, or a name on the PATH. Otherwise redis-server, then valkey-server.",
            valueName: "program"
        )
    )
    var server: String?

    @Option(help: "Member that is drilled. Otherwise, of each shard, the one that is furthest in its history.")
    var member: String?

    @Flag(help: "Drill every member that has a snapshot in the set.")
    var allMembers = false

    @Option(help: "Whether the server runs with appendonly, and loads the snapshot by way of it.")
    var appendonly: AppendOnlySetting = .no

    @Option(help: ArgumentHelp("Module that the server loads; may be repeated.", valueName: "path"))
    var loadModule: [String] = []

    @Flag(help: "Try although the server, by its version, could not load the snapshot.")
    var ignoreCompatibility = false

    @Option(
        help: ArgumentHelp(
            "Where the server has its folder, with room for the largest snapshot. Otherwise TMPDIR, or /tmp.",
            valueName: "dir"
        )
    )
    var workDir: String?

    @Option(help: ArgumentHelp("Write a report of one page, as HTML, for whoever audits it.", valueName: "file"))
    var report: String?

    @Flag(help: "Do not keep a record of the drill in the store.")
    var noRecord = false

    @Flag(help: "Say what would be done, and do nothing.")
    var dryRun = false

    func validate() throws {
        if member != nil && allMembers { throw ValidationError("--member and --all-members exclude each other") }
    }

    func request(_ session: Session, _ servers: ServerOptions, _ route: SeedRouteOptions) async throws -> DrillRequest {
        let environment = session.environment
        let given = workDir ?? environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
        var request = DrillRequest(
            choice: allMembers ? .all : member.map(DrillRequest.Choice.named) ?? .furthestOfEachShard,
            target: try await target(session, servers),
            // The server changes into its folder: what is relative would mean another place there.
            workDirectory: URL(filePath: given).standardizedFileURL.path,
            appendOnly: appendonly == .yes,
            modules: loadModule.map { URL(filePath: $0).standardizedFileURL.path },
            ignoresObstacles: ignoreCompatibility,
            keepsRecord: !noRecord,
            tool: Manifest.Tool(name: "redoubt", version: redoubtVersion),
            environment: environment
        )
        request.route = route.route(servers)
        return request
    }

    private func target(_ session: Session, _ servers: ServerOptions) async throws -> DrillRequest.Target {
        if let endpoint = try servers.endpoints(session).first {
            return .running(try RestoreServer(endpoint.memberName, endpoint, isAlone: true))
        }
        return .program(try await ServerProgram.find(server, environment: session.environment))
    }
}

extension Session {
    fileprivate func tell(_ plan: Drill.Plan) throws -> ExitCode {
        let document = DrillPlan(plan)
        try result(document.text, document, verdict: document.text)
        return .done
    }
}

/// What a drill would do.
private struct DrillPlan: Encodable {
    let outcome = "would-drill"
    let backup: String
    let members: [String]
    let server: String
    let neededBytes: Int64?
    let freeBytes: Int64?

    init(_ plan: Drill.Plan) {
        backup = "\(plan.manifest.name)/\(plan.manifest.id)"
        members = plan.members.map(\.member)
        server = "\(plan.server.title) (\(plan.server.place))"
        neededBytes = plan.room?.neededBytes
        freeBytes = plan.room?.freeBytes
    }

    var text: String {
        "would drill: \(backup), \(members.joined(separator: ", ")), into \(server)\n"
            + (neededBytes.map { "\(Quantity.bytes($0)) needed, \(Quantity.bytes(freeBytes ?? 0)) free; " } ?? "")
            + "nothing was done (--dry-run)"
    }
}
