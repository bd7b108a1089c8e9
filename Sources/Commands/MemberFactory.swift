// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import Failures
import Operations
import RedisClient

/// What makes a member fit to be backed up.
struct FitnessOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp("How far a replica may be behind its primary (default: 64Mi).", valueName: "size"),
        transform: ByteSize.reading
    )
    var maxLagBytes = ByteSize(bytes: 64 << 20)

    @Option(
        help: ArgumentHelp(
            "How long a replica may have heard nothing of its primary (default: 30s).",
            valueName: "time"
        ),
        transform: TimeSpan.orSeconds
    )
    var maxLinkIdle = TimeSpan(seconds: 30)

    @Option(
        help: ArgumentHelp("How long the server may take to save (default: 1h).", valueName: "time"),
        transform: TimeSpan.orSeconds
    )
    var saveTimeout = TimeSpan(seconds: 3600)

    @Flag(help: "With --source volume: save although the server's disk may have too little room for it.")
    var ignoreDiskHeadroom = false

    @Flag(help: "Save although the server may have too little memory for a fork, and be killed.")
    var ignoreMemoryHeadroom = false

    @Flag(help: "Take a primary that Sentinel watches, though Sentinel then sees a phantom replica.")
    var fromWatchedPrimary = false

    func validate() throws {
        try saveTimeout.require("--save-timeout")
    }
}

/// The members of a run, wherever they were found.
struct FoundMembers: Sendable {
    let members: [BackupMember]
    /// What a backup of them is called where nothing else is said.
    let subjectName: String
    /// What the manifest says of where they came from.
    let source: Manifest.Source
    /// The API server and what it said, where it was asked.
    let cluster: ClusterAccess?
}

/// Makes the members of a run out of the options.
struct MemberFactory: Sendable {
    let servers: ServerOptions
    let fitness: FitnessOptions
    let method: SnapshotMethod
    let dataDirectory: String?

    /// Finds the members, and runs `body` while the API server can be asked about them.
    func withMembers<Result: Sendable>(
        _ session: Session,
        _ body: @escaping @Sendable (FoundMembers) async throws -> Result
    ) async throws -> Result {
        try await servers.withServers(session) { found in
            try await body(
                FoundMembers(
                    members: try found.servers.map { try member($0, session) },
                    subjectName: found.subjectName,
                    source: found.source,
                    cluster: found.cluster
                )
            )
        }
    }

    private func member(_ server: FoundServers.Server, _ session: Session) throws -> BackupMember {
        BackupMember(
            name: server.name,
            endpoint: server.endpoint,
            source: try source(server.endpoint, session),
            fitness: limits,
            pod: server.pod
        )
    }
}

extension MemberFactory {
    private var limits: MemberFitness {
        MemberFitness(lagBytesMax: fitness.maxLagBytes.bytes, linkIdleSecondsMax: fitness.maxLinkIdle.seconds)
    }

    private func source(_ endpoint: RedisEndpoint, _ session: Session) throws -> any SnapshotSource {
        switch method {
        case .replication:
            return ReplicationSource(
                endpoint: endpoint,
                options: .init(
                    fitness: limits,
                    allowsWatchedPrimary: fitness.fromWatchedPrimary,
                    saveWaitSecondsMax: fitness.saveTimeout.inSeconds
                ),
                logger: session.logger
            )
        case .volume:
            guard let dataDirectory else {
                throw Failure(.usage, "take snapshots from a volume: --data-dir is missing")
            }
            return VolumeSource(
                endpoint: endpoint,
                options: .init(
                    dataDirectory: dataDirectory,
                    fitness: limits,
                    ignoresDiskHeadroom: fitness.ignoreDiskHeadroom,
                    saveWaitSecondsMax: fitness.saveTimeout.inSeconds
                ),
                logger: session.logger
            )
        }
    }
}
