// SPDX-License-Identifier: Apache-2.0

import Failures
import Logging
import RedisClient
import RedisProtocol

/// Looks at the memory of a server before and while it saves (F13, F15).
struct MemoryWatch: Sendable {
    let member: BackupMember
    let isOverridden: Bool
    let logger: Logger

    /// How often a server that saves is looked at.
    private static let interval = Duration.seconds(1)

    /// Runs `body`, which has the server fork, if there is room for it; gives it up when the memory runs out.
    ///
    /// A save into our socket ends when its only reader goes away. One into a file goes on, except on Valkey 8.1 and
    /// later, where it can be cancelled.
    /// - Throws: `.guardRefused`, and what `body` throws.
    func watching<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
        guard !isOverridden else { return try await body() }
        let limit = member.pod?.memoryLimitBytes
        let info = try await withRedisConnection(member.endpoint) { try await $0.info() }
        guard let room = MemoryHeadRoom(info, containerLimitBytes: limit) else { return try await body() }
        try room.require(for: member.name)
        return try await withThrowingTaskGroup(of: Event<Result>.self) { group in
            group.addTask { .finished(try await body()) }
            group.addTask { .alarm(await watch(room, mayCancel: !info.isSaving)) }
            defer { group.cancelAll() }
            var alarm: Failure?
            do {
                while let event = try await group.next() {
                    switch event {
                    // A snapshot that came to its end in spite of the alarm is good.
                    case .finished(let result): return result
                    case .alarm(let failure):
                        alarm = failure
                        if alarm != nil { group.cancelAll() }
                    }
                }
                throw CancellationError()
            } catch {
                throw alarm ?? error
            }
        }
    }

    /// How long the child of a save that is over for us is waited for, and how often it is looked for. One that saves
    /// into a file, and that we gave up, goes on for a while.
    private static let goneSecondsMax = 60.0
    private static let goneInterval = Duration.milliseconds(20)

    /// Waits until the server says that its child is gone, so that no other fork overlaps with it. It notices within
    /// a tenth of a second.
    func waitUntilForkIsGone() async {
        let deadline = ContinuousClock.now + .seconds(Self.goneSecondsMax)
        do {
            try await withRedisConnection(member.endpoint) { connection in
                while ContinuousClock.now < deadline, try await connection.info("persistence").isSaving {
                    try await Task.sleep(for: Self.goneInterval)
                }
            }
        } catch {
            logger.debug("\(member.name) could not be asked whether its save is over: \(error)")
        }
    }

    private enum Event<Result: Sendable>: Sendable {
        case finished(Result)
        case alarm(Failure?)
    }

    /// Returns a failure when the memory runs out, and nothing when the server cannot be looked at any more, or need
    /// not be: the one who takes the snapshot says why.
    /// - Parameter mayCancel: whether the save that runs is ours: none ran before.
    private func watch(_ room: MemoryHeadRoom, mayCancel: Bool) async -> Failure? {
        do {
            return try await withRedisConnection(member.endpoint) { connection in
                while true {
                    try await Task.sleep(for: Self.interval)
                    let info = try await connection.info()
                    guard info.isSaving, MemoryHeadRoom.isRunningOut(info, limitBytes: room.limitBytes) else {
                        continue
                    }
                    if mayCancel { _ = try? await connection.reply(to: RESPCommand("BGSAVE", "CANCEL")) }
                    return Failure(
                        .guardRefused,
                        "\(member.name) came close to the \(room.limitBytes) bytes of \(room.limitOwner) "
                            + "while it saved: the save was given up",
                        hint: "Raise the memory limit, back up at a quieter time, or take the risk with "
                            + "--ignore-memory-headroom."
                    )
                }
            }
        } catch {
            if !Task.isCancelled { logger.debug("\(member.name) is not watched any more: \(error)") }
            return nil
        }
    }
}
