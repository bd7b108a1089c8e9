// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import Kubernetes
import Logging

/// Tells what became of a run where operators look: as an Event on the StatefulSet (`kubectl describe`).
///
/// An Event that cannot be written is a warning; no run fails for it.
package struct RunEvents: Sendable {
    private let set: StatefulSet
    private let client: KubernetesClient
    private let instance: String
    private let logger: Logger

    /// How long a note may take, in seconds: less than a run that is ended has.
    private static let secondsMax = 5

    /// - Parameter instance: who says it: the name of the pod, or of the machine.
    package init(on set: StatefulSet, by client: KubernetesClient, instance: String, logger: Logger) {
        self.set = set
        self.client = client
        self.instance = instance
        self.logger = logger
    }

    /// What can be told.
    package enum Note: Sendable {
        case completed(String)
        case partial(String)
        case failed(Failure)
        case restored(String)
        case restoreFailed(Failure)

        var reason: String {
            switch self {
            case .completed: "BackupCompleted"
            case .partial: "BackupPartial"
            case .failed: "BackupFailed"
            case .restored: "RestoreCompleted"
            case .restoreFailed: "RestoreFailed"
            }
        }

        var message: String {
            switch self {
            case .completed(let text), .partial(let text), .restored(let text): text
            case .failed(let failure), .restoreFailed(let failure): "\(failure) [\(failure.code.rawValue)]"
            }
        }

        var isNormal: Bool {
            switch self {
            case .completed, .restored: true
            case .partial, .failed, .restoreFailed: false
            }
        }
    }

    /// - Parameter redact: takes secrets out of a text that others can read.
    package func tell(_ note: Note, redact: @escaping @Sendable (String) -> String) async {
        let event = EventNote(
            involved: EventNote.Involved(set),
            type: note.isNormal ? "Normal" : "Warning",
            reason: note.reason,
            message: redact(note.message),
            timeSeconds: Timestamp.now().secondsSince1970,
            reportingInstance: instance
        )
        await withCancellationShield { [client, logger] in
            do {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await client.createEvent(event) }
                    group.addTask {
                        try await Task.sleep(for: .seconds(Self.secondsMax))
                        throw Failure(.timeout, "write an Event on \(event.involved.namespace)/\(event.involved.name)")
                    }
                    defer { group.cancelAll() }
                    try await group.next()
                }
            } catch {
                logger.warning("the Event \(event.reason) could not be written: \(error)")
            }
        }
    }
}
