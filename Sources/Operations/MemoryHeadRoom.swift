// SPDX-License-Identifier: Apache-2.0

import Failures
import RedisProtocol

/// Whether a server has the memory that a fork may cost it. Pure judgement of `INFO`, and of the limit of its
/// container.
///
/// A child that saves shares the memory of the server until the server writes: each page written is copied (F15).
/// What the last save made it copy is the best guess at what the next one will; where none was seen, a tenth of all
/// is taken. The guess only keeps what cannot go well from being tried: the watch over the running save is the guard.
/// A container that reaches its limit is killed, and the data with it (F13).
package struct MemoryHeadRoom: Sendable, Hashable {
    /// What the process occupies now, in bytes.
    package let usedBytes: Int64
    /// What a fork may add, in bytes.
    package let forkBytes: Int64
    /// Where it ends, in bytes.
    package let limitBytes: Int64
    /// Whose limit it is: `its container`, `its node`.
    package let limitOwner: String

    /// A later save may copy a fifth more than the last one.
    private static let lastCopyPercent: Int64 = 120
    /// A save copies at least so much of what is used, whatever the last one copied.
    private static let copyPercentMin: Int64 = 10
    /// Of the limit: when a running save has brought the server so far, it is given up.
    private static let alarmPercent: Int64 = 95

    /// - Parameter containerLimitBytes: the memory limit of the server's container, where it is known. Otherwise what
    ///   the machine has counts, as the server sees it.
    /// - Returns: `nil` where the server does not tell enough.
    package init?(_ info: ServerInfo, containerLimitBytes: Int64?) {
        guard let used = info.usedMemoryBytes, let limit = containerLimitBytes ?? info.systemMemoryBytes, limit > 0
        else { return nil }
        usedBytes = max(used, info.residentMemoryBytes ?? 0)
        limitBytes = limit
        limitOwner = containerLimitBytes == nil ? "its machine" : "its container"
        let last = max(0, info.lastCopyOnWriteBytes ?? 0)
        forkBytes = min(used, max(last / 100 * Self.lastCopyPercent, used / 100 * Self.copyPercentMin))
    }

    package var isEnough: Bool { usedBytes <= limitBytes && forkBytes <= limitBytes - usedBytes }

    /// Whether a save that is under way brings the server close to its limit.
    /// - Parameter info: of this moment.
    package static func isRunningOut(_ info: ServerInfo, limitBytes: Int64) -> Bool {
        let resident = max(info.usedMemoryBytes ?? 0, info.residentMemoryBytes ?? 0)
        let copied = max(0, info.currentCopyOnWriteBytes ?? 0)
        return resident + copied > limitBytes / 100 * alarmPercent
    }

    /// - Throws: `.guardRefused` when a fork may cost more than there is.
    package func require(for member: String) throws {
        guard !isEnough else { return }
        throw Failure(
            .guardRefused,
            "\(member) uses \(usedBytes) bytes of the \(limitBytes) of \(limitOwner), and a fork may cost \(forkBytes)",
            hint: "A server that runs out of memory is killed. Raise the memory limit, lower maxmemory, back up "
                + "another replica, or take the risk with --ignore-memory-headroom."
        )
    }
}
