// SPDX-License-Identifier: Apache-2.0

import Failures
import Logging
import RedisProtocol

/// One `BGSAVE`, from the look at the server to the file that it leaves.
struct ServerSave {
    /// Free disk that a save may need, as a part of the memory that the server uses, in percent.
    static let headroomPercent: Int64 = 110
    /// A scheduled save starts within a tenth of a second after the other child, or five seconds after a failed save
    /// (server.c, `serverCron`). When the server has had no child for this long, nothing will come.
    private static let scheduledStartSecondsMax = 15.0

    let connection: RedisConnection
    let folder: DataFolder
    let options: VolumeSource.Options
    let logger: Logger

    private var member: String { connection.endpoint.description }

    /// Has the server save.
    /// - Returns: what the member said before, and the name of the file.
    /// - Throws: `.saveFailed`, `.snapshotNotFresh` when the save was killed, `.memberChanged`, `.timeout`,
    ///   `.guardRefused`, and what `MemberFitness` finds.
    func run(_ examination: MemberExamination) async throws -> (sample: MemberSample, fileName: String) {
        let settings = try await settings()
        let clock = ContinuousClock()
        let deadline = clock.now.advanced(by: .seconds(options.saveWaitSecondsMax))
        while true {
            // A child that runs already is never adopted: it began before the request, or writes no file at all.
            try await waitForOtherSaves(until: deadline)
            let sample = try await examination.before(connection)
            try await requireHeadroom(sample.info)
            try await reportLeftovers()
            let before = try await folder.identity(of: settings.fileName)
            guard let request = try await request() else { continue }
            try await waitForFile(settings, since: sample, replacing: before, request: request, until: deadline)
            return (sample, settings.fileName)
        }
    }

    private struct Settings {
        let fileName: String
        /// The folder as the server names it, where it tells.
        let serverFolder: String?
    }

    private func settings() async throws -> Settings {
        let directory = try await connection.configGet("dir")?["dir"]
        let told = try await connection.configGet("dbfilename")?["dbfilename"]
        let settings = Settings(fileName: options.fileName ?? told ?? "dump.rdb", serverFolder: directory)
        // Fails early when the folder is not there, or the name is none.
        _ = try await folder.identity(of: settings.fileName)
        return settings
    }
}

// MARK: - Before

extension ServerSave {
    private func waitForOtherSaves(until deadline: ContinuousClock.Instant) async throws {
        while try await connection.info().isSaving {
            logger.debug("waiting for a save that runs already", metadata: ["member": "\(member)"])
            try await pause(until: deadline, awaiting: "another save to end")
        }
    }

    private func requireHeadroom(_ info: ServerInfo) async throws {
        guard !options.ignoresDiskHeadroom, let used = info.usedMemoryBytes else { return }
        let needed = used / 100 * Self.headroomPercent
        let free = try await folder.freeBytes()
        guard free < needed else { return }
        throw Failure(
            .guardRefused,
            "\(folder.path) has \(free) bytes free, and a save of \(member) may need \(needed)",
            hint:
                "A full disk makes the server refuse writes. "
                + "Free some space, or take the risk with --ignore-disk-headroom."
        )
    }

    /// No save runs now, so each of these files was left by one that was killed.
    private func reportLeftovers() async throws {
        for (name, bytes) in try await folder.leftovers() {
            logger.warning(
                "an interrupted save left a file behind",
                metadata: ["member": "\(member)", "file": "\(folder.path)/\(name)", "bytes": "\(bytes)"]
            )
        }
    }
}

// MARK: - The save

extension ServerSave {
    /// What the server answered.
    private enum Request {
        case started
        /// It will start when another child has ended.
        case scheduled
    }

    /// Asks for a save.
    /// - Returns: `nil` when another save began between our look and our request.
    private func request() async throws -> Request? {
        let command = RESPCommand("BGSAVE", "SCHEDULE")
        let reply = try await connection.reply(to: command)
        guard let error = reply.error else {
            return (reply.text ?? "").contains("scheduled") ? .scheduled : .started
        }
        if error.message.contains("already in progress") { return nil }
        // Nothing but the word: the server could not fork (rdb.c, `bgsaveCommand`).
        if error == RESPError(kind: "ERR", message: "") {
            throw Failure(
                .saveFailed,
                "\(member) could not start to save: fork failed",
                hint: "Set vm.overcommit_memory=1 on its node, or give it more memory; its log says why fork failed."
            )
        }
        let failure = Failure(error, replyTo: command, from: connection.endpoint)
        throw failure.code == .unclassified ? Failure(.saveFailed, failure.message) : failure
    }

    /// Waits until the save has ended and its file stands under its name.
    private func waitForFile(
        _ settings: Settings,
        since sample: MemberSample,
        replacing before: DataFolder.Identity?,
        request: Request,
        until deadline: ContinuousClock.Instant
    ) async throws {
        var progress = Progress(hasRun: request == .started)
        while true {
            let info = try await connection.info()
            guard info.runID == sample.info.runID else {
                throw Failure(.memberChanged, "\(member) restarted while it saved")
            }
            let hasEnded = progress.sawEnd(of: info)
            if hasEnded, info.lastSaveSucceeded == false { throw saveFailed() }
            let after = try await folder.identity(of: settings.fileName)
            if !info.isSaving, after != nil, after != before { return }
            if hasEnded || progress.hasWaitedInVain(info) { throw notReplaced(settings) }
            try await pause(until: deadline, awaiting: "its save to end")
        }
    }

    private func saveFailed() -> Failure {
        Failure(
            .saveFailed,
            "\(member) failed to save",
            hint: "Its log says why: often its disk is full, or its folder is gone or read-only. "
                + "Until a save succeeds, it may refuse writes (stop-writes-on-bgsave-error)."
        )
    }

    private func notReplaced(_ settings: Settings) -> Failure {
        Failure(
            .snapshotNotFresh,
            "the save of \(member) left no new \(settings.fileName) in \(folder.path); "
                + "it was ended by somebody, or saves elsewhere",
            hint: "The server saves into \(settings.serverFolder ?? "the folder that `CONFIG GET dir` names there"); "
                + "that folder must be the one given with --data-dir, as it is mounted here."
        )
    }

    private func pause(until deadline: ContinuousClock.Instant, awaiting what: String) async throws {
        guard ContinuousClock.now < deadline else {
            throw Failure(.timeout, "waited \(options.saveWaitSecondsMax) s for \(member): for \(what)")
        }
        try await Task.sleep(for: .milliseconds(options.pollMilliseconds))
    }

    /// How far a save is, as the looks at the server tell.
    private struct Progress {
        /// Whether the save was seen to run, or was said to.
        var hasRun: Bool
        private var idleSince: ContinuousClock.Instant?

        init(hasRun: Bool) {
            self.hasRun = hasRun
        }

        /// Whether the save has run, and runs no more.
        mutating func sawEnd(of info: ServerInfo) -> Bool {
            if info.isSaving { hasRun = true }
            return hasRun && !info.isSaving
        }

        /// Whether a scheduled save was not seen although nothing keeps it from starting.
        mutating func hasWaitedInVain(_ info: ServerInfo) -> Bool {
            let isBusy = info.isSaving || info.isRewritingAOF || info.hasModuleChild || info.hasSlotMigrationChild
            guard !hasRun, !isBusy else {
                idleSince = nil
                return false
            }
            let since = idleSince ?? .now
            idleSince = since
            return ContinuousClock.now - since > .seconds(ServerSave.scheduledStartSecondsMax)
        }
    }
}
