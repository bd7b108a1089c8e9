// SPDX-License-Identifier: Apache-2.0

import Failures
import Logging
import RDB
import RedisProtocol

/// Takes a snapshot with `BGSAVE`, and reads the file that the server saves, from the folder that is mounted here too.
///
/// The server is not held up by a slow reader. Whether the file is the snapshot that was asked for is judged by the
/// file: a save that is killed, by `FLUSHALL` or by a full synchronization, leaves the server saying that all is well.
package struct VolumeSource: SnapshotSource {
    /// Where the file is, what may be asked of the member, and how long to wait for it.
    package struct Options: Sendable {
        /// The folder of the server, as it is mounted here.
        package var dataDirectory: String
        /// The name of the RDB file; what `CONFIG GET dbfilename` says when `nil`, or `dump.rdb` where that is
        /// forbidden.
        package var fileName: String?
        package var fitness: MemberFitness
        /// Whether to save although the disk of the server has less room than its memory may need.
        package var ignoresDiskHeadroom: Bool
        /// How long to wait for other children of the server and for the save, in seconds.
        package var saveWaitSecondsMax: Double
        /// How long to wait for a member that loads its dataset, in seconds.
        package var loadingWaitSecondsMax: Double
        package var pollMilliseconds: Int

        package init(
            dataDirectory: String,
            fileName: String? = nil,
            fitness: MemberFitness = MemberFitness(),
            ignoresDiskHeadroom: Bool = false,
            saveWaitSecondsMax: Double = 3600,
            loadingWaitSecondsMax: Double = 60,
            pollMilliseconds: Int = 200
        ) {
            self.dataDirectory = dataDirectory
            self.fileName = fileName
            self.fitness = fitness
            self.ignoresDiskHeadroom = ignoresDiskHeadroom
            self.saveWaitSecondsMax = saveWaitSecondsMax
            self.loadingWaitSecondsMax = loadingWaitSecondsMax
            self.pollMilliseconds = pollMilliseconds
        }
    }

    /// How often a save is asked for when others end it.
    private static let attemptsMax = 2

    package let endpoint: RedisEndpoint
    package let options: Options
    private let logger: Logger

    package init(endpoint: RedisEndpoint, options: Options, logger: Logger) {
        self.endpoint = endpoint
        self.options = options
        self.logger = logger
    }

    package var method: String { "volume" }

    package func withSnapshot<Result: Sendable>(
        _ body: (SnapshotStream) async throws -> Result
    ) async throws -> Result {
        let clock = ContinuousClock()
        let start = clock.now
        let saved = try await freshlySaved()
        let saveSeconds = (clock.now - start) / .seconds(1)
        do {
            let result = try await body(
                SnapshotStream(
                    bytes: saved.file.stream(),
                    announcedBytes: saved.file.bytes,
                    estimatedBytes: saved.file.bytes,
                    replication: saved.replication,
                    saveSeconds: saveSeconds,
                    accept: { summary in try await accept(summary, saved.origin) }
                )
            )
            saved.file.close()
            return result
        } catch {
            saved.file.close()
            throw error
        }
    }
}

extension VolumeSource {
    /// A file that is the snapshot asked for, as far as its beginning tells.
    private struct Saved {
        let file: SavedFile
        let origin: SnapshotOrigin
        let replication: ReplicationPoint?
    }

    private var examination: MemberExamination {
        MemberExamination(
            endpoint: endpoint,
            fitness: options.fitness,
            loadingWaitSecondsMax: options.loadingWaitSecondsMax,
            pollMilliseconds: options.pollMilliseconds,
            logger: logger
        )
    }

    /// Has the server save, once more when somebody ended the first save.
    private func freshlySaved() async throws -> Saved {
        var attempt = 1
        while true {
            do {
                return try await saved()
            } catch let failure as Failure
                where [.snapshotNotFresh, .memberChanged].contains(failure.code) && attempt < Self.attemptsMax
            {
                logger.warning("asking for another save: \(failure)", metadata: ["member": "\(endpoint)"])
                attempt += 1
            }
        }
    }

    private func saved() async throws -> Saved {
        let folder = DataFolder(path: options.dataDirectory)
        // The connection is not kept open while the file is read: servers close idle ones.
        let (sample, name) = try await withRedisConnection(endpoint) { connection in
            let save = ServerSave(connection: connection, folder: folder, options: options, logger: logger)
            return try await save.run(examination)
        }
        let file = try await SavedFile.open(try folder.path(of: name))
        do {
            let head = try await file.head()
            let origin = SnapshotOrigin(member: endpoint.description, sample: sample)
            try origin.requireFresh(head)
            try origin.requireAtLeastSampled(head)
            return Saved(file: file, origin: origin, replication: head.replicationPoint)
        } catch {
            file.close()
            throw error
        }
    }

    /// - Throws: `.memberChanged`, `.snapshotNotFresh`, `.replicaLinkDown`, …
    private func accept(_ summary: RDBSummary, _ origin: SnapshotOrigin) async throws {
        try origin.requireFresh(summary)
        try origin.requireAtLeastSampled(summary)
        try await examination.after(origin.sample)
    }
}

extension RDBSummary {
    /// Where in which history the dataset stands, if the RDB says so.
    fileprivate var replicationPoint: ReplicationPoint? {
        guard let replicationID, let replicationOffset else { return nil }
        return ReplicationPoint(id: replicationID, offset: replicationOffset)
    }
}
