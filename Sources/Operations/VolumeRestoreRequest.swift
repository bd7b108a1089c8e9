// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Kubernetes
import RedisClient

/// What is asked of a restore of a StatefulSet through its volumes.
package struct VolumeRestoreRequest: Sendable {
    package var statefulSet: String
    package var namespace: String
    package var reference: BackupReference
    /// The subject of the backup.
    package var name: String
    /// The member whose snapshot all volumes get; the one that is furthest in its history when `nil`.
    package var member: String?
    /// Whether data that is on a volume may be moved to `pre-restore-<id>/`.
    package var replacesData = false
    /// The server's container; the one with the port, or the first one, when `nil`.
    package var container: String?
    package var port = 6379
    /// Whose claims hold the data, where a pod has several.
    package var claimTemplate: String?
    /// The server's data directory in its container; what the server says, or the place of the volume, when `nil`.
    package var dataDirectory: String?
    /// How many pods there are to be afterwards; as many as there were when `nil`.
    package var replicasAfter: Int?
    /// What the operator calls this restore; a new name for each run when `nil`.
    package var requestID: String?
    package var target = RestoreTargetFacts()
    /// Whether to restore although the server could not load it.
    package var ignoresCompatibility = false
    /// What a Job's pod is made of; its arguments are added.
    package var program: VolumeJob.Program
    /// How the Jobs reach the store: options of `restore`.
    package var storeArguments: [String] = []
    /// What else is passed on to them as it was said.
    package var passedArguments: [String] = []
    /// Whether they open snapshots that are encrypted.
    package var passesKeys = false
    /// Whether those arguments say how the server's files are called.
    package var namesFiles = false
    package var waits = Waits()
    /// How the servers in the pods are reached; `nil` when they shall not be asked.
    package var endpoints: (@Sendable ([StatefulSetMembers.Member]) throws -> [RedisEndpoint])?
    package var leaseName: String
    /// Whether the account must be allowed to hold the Lease.
    package var takesLease = true
    /// Random, new for each run.
    package var runID: String

    /// How long is waited, in seconds.
    package struct Waits: Sendable, Hashable {
        /// For the pods of the set to go.
        package var stop = 300
        /// For the pod of a Job to start.
        package var jobStart = 300
        /// For a Job to end.
        package var job = 14400
        /// For the pods of the set to be ready again, and for the servers to have what they should.
        package var ready = 900

        package init() {}
    }

    package init(
        statefulSet: String,
        namespace: String,
        reference: BackupReference,
        name: String,
        program: VolumeJob.Program,
        leaseName: String,
        runID: String
    ) {
        self.statefulSet = statefulSet
        self.namespace = namespace
        self.reference = reference
        self.name = name
        self.program = program
        self.leaseName = leaseName
        self.runID = runID
    }
}

/// What stands in the annotations of a StatefulSet while a restore has it stopped: for the next run, or a person.
package struct ReplicaNote: Sendable, Hashable {
    /// How many pods it had.
    package static let replicasKey = "redoubt.dev/replicas-before-restore"
    /// Which restore it was, in words of its own.
    package static let restoreKey = "redoubt.dev/restore"

    package let replicas: Int
    package let restore: Restore?

    /// One restore, so that a run that was killed is taken up by the next one, and none is taken for another.
    package struct Restore: Sendable, Hashable {
        package let requestID: String
        /// `<name>/<id>`.
        package let backup: String
        package let member: String
        /// Of the StatefulSet, once it was scaled to 0: another one means that somebody changed it since.
        package let generation: Int64

        package var text: String { "\(requestID) \(backup) \(member) \(generation)" }

        package init(requestID: String, backup: String, member: String, generation: Int64) {
            self.requestID = requestID
            self.backup = backup
            self.member = member
            self.generation = generation
        }

        package init?(_ text: String) {
            let words = text.split(separator: " ").map(String.init)
            guard words.count == 4, let generation = Int64(words[3]) else { return nil }
            self.init(requestID: words[0], backup: words[1], member: words[2], generation: generation)
        }
    }

    package init(replicas: Int, restore: Restore) {
        self.replicas = replicas
        self.restore = restore
    }

    package init?(_ annotations: [String: String]) {
        guard let count = annotations[Self.replicasKey].flatMap({ Int($0) }),
            (0...StatefulSet.replicasMax).contains(count)
        else { return nil }
        replicas = count
        restore = annotations[Self.restoreKey].flatMap { Restore($0) }
    }

    package var annotations: [String: String?] { [Self.replicasKey: "\(replicas)", Self.restoreKey: restore?.text] }
    static let none: [String: String?] = [replicasKey: nil, restoreKey: nil]
}
