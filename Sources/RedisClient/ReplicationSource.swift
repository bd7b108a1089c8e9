// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Logging
import RDB
import RedisProtocol

/// Takes a snapshot as a replica takes one: by `PSYNC`, asking for the RDB alone.
///
/// It needs no volume and no right but those of a replica, and the frame of the transfer says where the RDB ends. The
/// server saves for us, into our socket or into its own file first, as it is configured; while a diskless save runs, a
/// reader that is slow makes it last longer.
package struct ReplicationSource: SnapshotSource {
    /// What may be asked of a member, and how long to wait for it.
    package struct Options: Sendable {
        package var fitness: MemberFitness
        /// Whether a primary may be asked that a Sentinel watches, which then takes us for a replica at port 0
        /// (redis/redis#2132).
        package var allowsWatchedPrimary: Bool
        /// How long the server may take from the request to the first byte, in seconds. An AOF rewrite delays it, for
        /// example.
        package var saveWaitSecondsMax: Double
        /// How long to wait for a member that loads its dataset, in seconds.
        package var loadingWaitSecondsMax: Double
        package var pollMilliseconds: Int

        package init(
            fitness: MemberFitness = MemberFitness(),
            allowsWatchedPrimary: Bool = false,
            saveWaitSecondsMax: Double = 3600,
            loadingWaitSecondsMax: Double = 60,
            pollMilliseconds: Int = 250
        ) {
            self.fitness = fitness
            self.allowsWatchedPrimary = allowsWatchedPrimary
            self.saveWaitSecondsMax = saveWaitSecondsMax
            self.loadingWaitSecondsMax = loadingWaitSecondsMax
            self.pollMilliseconds = pollMilliseconds
        }
    }

    package let endpoint: RedisEndpoint
    package let options: Options
    private let logger: Logger

    package init(endpoint: RedisEndpoint, options: Options = Options(), logger: Logger) {
        self.endpoint = endpoint
        self.options = options
        self.logger = logger
    }

    package var method: String { "replication" }

    package func withSnapshot<Result: Sendable>(
        _ body: (SnapshotStream) async throws -> Result
    ) async throws -> Result {
        try await withRedisConnection(endpoint) { connection in
            // Is this member fit, and does nobody take us for a replica?
            let sample = try await examination.before(connection)
            try await refuseWatchedPrimary(connection, sample.info)

            // Ask for the RDB, and wait until it begins.
            let transfer = ReplicationTransfer(connection: connection, logger: logger)
            try await transfer.request(from: sample.info)
            let header = try await transfer.begin(withinSeconds: options.saveWaitSecondsMax)

            return try await body(
                SnapshotStream(
                    bytes: ByteStream { try await transfer.nextChunk() },
                    announcedBytes: header.announcedBytes,
                    estimatedBytes: sample.info.usedMemoryBytes,
                    replication: header.replication,
                    saveSeconds: header.saveSeconds,
                    accept: { summary in try await accept(summary, header: header, sample: sample) }
                )
            )
        }
    }
}

extension ReplicationSource {
    private var examination: MemberExamination {
        MemberExamination(
            endpoint: endpoint,
            fitness: options.fitness,
            loadingWaitSecondsMax: options.loadingWaitSecondsMax,
            pollMilliseconds: options.pollMilliseconds,
            logger: logger
        )
    }

    /// - Throws: `.guardRefused` when the member is a primary that a Sentinel watches.
    private func refuseWatchedPrimary(_ connection: RedisConnection, _ info: ServerInfo) async throws {
        guard info.role == .primary, !options.allowsWatchedPrimary else { return }
        switch try await connection.isWatchedBySentinel() {
        case false:
            break
        case nil:
            logger.notice(
                "whether a Sentinel watches this primary is unknown: neither PUBSUB NUMSUB nor CLIENT LIST may be run",
                metadata: ["member": "\(endpoint)"]
            )
        default:
            throw Failure(
                .guardRefused,
                "\(endpoint) is a primary that a Sentinel watches, and would list this backup as a replica at port 0",
                hint:
                    "Back up one of its replicas instead, use --source volume, or allow it with --from-watched-primary."
            )
        }
    }

    /// - Throws: `.memberChanged`, `.snapshotNotFresh`, `.replicaLinkDown`, …
    private func accept(
        _ summary: RDBSummary,
        header: ReplicationTransfer.Header,
        sample: MemberSample
    ) async throws {
        let origin = SnapshotOrigin(member: endpoint.description, sample: sample)
        // Measured on 6.2, 7.0 and 9.1, on primaries and replicas, from file and from socket: exactly what was
        // announced.
        try origin.require(summary, standsAt: header.replication)
        // A save for another replica, already running when we asked, may be given to us too.
        if !sample.info.isSaving { try origin.requireFresh(summary) }
        try await examination.after(sample)
    }
}
