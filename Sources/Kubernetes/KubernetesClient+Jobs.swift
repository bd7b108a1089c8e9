// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials

/// A Job, as far as its end is concerned.
package struct JobObject: Sendable, Hashable {
    package let name: String
    package let uid: String
    package let ending: Ending?

    /// How it ended; `nil` while it goes on.
    package enum Ending: Sendable, Hashable {
        case complete
        /// In the words of the Job controller: `BackoffLimitExceeded: Job has reached …`.
        case failed(String)
    }
}

extension KubernetesClient {
    private static let jobGroup = "batch"

    /// Makes a Job. Not tried again when the answer is lost: whoever calls this looks then.
    /// - Throws: `.alreadyExists` when there is one of that name.
    package func createJob(_ job: VolumeJob) async throws -> JobObject {
        var operation = try Self.jobOperation(.create, job.name, job.namespace, "create")
        operation.body = try JSONEncoder().encode(job.document).bytes
        let body = try await creating(operation, in: job.namespace)
        return try exchange.understood(operation) {
            try JobObject(JSONDecoder().decode(JSONValue.self, from: Data(body)))
        }
    }

    /// The Job of that name; `nil` when there is none.
    package func job(_ name: String, namespace: String) async throws -> JobObject? {
        let operation = try Self.jobOperation(.get, name, namespace, "get")
        do {
            let document = try await exchange.perform(operation, as: JSONValue.self)
            return try exchange.understood(operation) { try JobObject(document) }
        } catch let failure as Failure where failure.code == .noSuchObject {
            return nil
        }
    }

    /// Deletes a Job; its pods are told to end, and go when they have.
    package func deleteJob(_ name: String, namespace: String) async throws {
        var operation = try Self.jobOperation(.delete, name, namespace, "delete")
        // The default of batch/v1 leaves the pods where they are. In the foreground the Job would wait for them.
        operation.query = [("propagationPolicy", "Background")]
        operation.isRepeatable = true
        do { _ = try await exchange.perform(operation) } catch let failure as Failure
            where failure.code == .noSuchObject
        {
            return
        }
    }

    private static func jobOperation(
        _ verb: APIOperation.Verb,
        _ name: String,
        _ namespace: String,
        _ word: String
    ) throws -> APIOperation {
        try ObjectName.check("Job", name, namespace: namespace)
        return APIOperation(
            verb,
            group: jobGroup,
            resource: "jobs",
            namespace: namespace,
            name: verb == .create ? nil : name,
            attempt: "\(word) the Job \(namespace)/\(name)"
        )
    }
}

extension JobObject {
    /// - Throws: `Malformed` when it has no name or no uid.
    init(_ document: JSONValue) throws(Malformed) {
        guard let name = document["metadata"]?["name"]?.string, let uid = document["metadata"]?["uid"]?.string else {
            throw Malformed("a Job without a name or a uid")
        }
        (self.name, self.uid) = (name, uid)
        let conditions = (document["status"]?["conditions"]?.elements ?? []).filter { $0["status"]?.string == "True" }
        func condition(_ type: String) -> JSONValue? { conditions.first { $0["type"]?.string == type } }
        if condition("Complete") != nil {
            ending = .complete
        } else if let failed = condition("Failed") {
            let words = [failed["reason"]?.string, failed["message"]?.string].compactMap { $0 }.filter { !$0.isEmpty }
            ending = .failed(words.joined(separator: ": "))
        } else {
            ending = nil
        }
    }
}
