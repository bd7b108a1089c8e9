// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Logging

/// How long an interrupted run may still spend on what it leaves behind; Kubernetes kills it soon after.
private let cleanUpTime = Duration.seconds(5)

/// Runs clean-up to its end or to the end of its time, even in a cancelled task. What fails is logged: it is a leftover
/// then, which a later run finds.
func cleaningUp(_ attempt: String, _ logger: Logger, _ work: @escaping @Sendable () async throws -> Void) async {
    await withCancellationShield {
        await withTaskGroup(of: String?.self) { group in
            group.addTask {
                do {
                    try await work()
                    return nil
                } catch {
                    return "\(error)"
                }
            }
            group.addTask {
                try? await Task.sleep(for: cleanUpTime)
                return "no answer in \(cleanUpTime)"
            }
            // Whoever is first decides; the other is cancelled.
            if let reason = await group.next() ?? nil {
                logger.warning("could not \(attempt): \(reason)")
                CleanUpTrouble.note()
            }
            group.cancelAll()
        }
    }
}
