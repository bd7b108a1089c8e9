// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Failures
import Operations
import RedisClient

/// What makes a member fit to be backed up.
struct FitnessOptions: ParsableArguments, Sendable {
    @Option(help: "Bytes that a replica may be behind its primary.")
    var maxLagBytes: Int64 = 64 << 20

    @Option(help: "Seconds that a replica may have heard nothing of its primary.")
    var maxLinkIdle: Int64 = 30

    @Option(help: "Seconds that the server may take to save.")
    var saveTimeout: Double = 3600

    @Flag(help: "With --source volume: save although the server's disk may have too little room for it.")
    var ignoreDiskHeadroom = false

    @Flag(help: "Take a primary that Sentinel watches, though Sentinel then sees a phantom replica.")
    var fromWatchedPrimary = false
}

/// Makes the members of a run out of the options.
struct MemberFactory {
    let servers: ServerOptions
    let fitness: FitnessOptions
    let method: SnapshotMethod
    let dataDirectory: String?

    func members(_ session: Session) throws -> [BackupMember] {
        let endpoints = try servers.endpoints(session)
        let names = servers.set.podNames.isEmpty ? uniqueMemberNames(endpoints) : servers.set.podNames
        return try zip(names, endpoints).map { name, endpoint in
            BackupMember(
                name: name,
                endpoint: endpoint,
                source: try source(endpoint, session),
                fitness: limits
            )
        }
    }
}

extension MemberFactory {
    private var limits: MemberFitness {
        MemberFitness(lagBytesMax: fitness.maxLagBytes, linkIdleSecondsMax: fitness.maxLinkIdle)
    }

    private func source(_ endpoint: RedisEndpoint, _ session: Session) throws -> any SnapshotSource {
        switch method {
        case .replication:
            return ReplicationSource(
                endpoint: endpoint,
                options: .init(
                    fitness: limits,
                    allowsWatchedPrimary: fitness.fromWatchedPrimary,
                    saveWaitSecondsMax: fitness.saveTimeout
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
                    saveWaitSecondsMax: fitness.saveTimeout
                ),
                logger: session.logger
            )
        }
    }
}
