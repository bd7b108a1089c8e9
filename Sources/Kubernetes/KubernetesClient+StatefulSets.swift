// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials

extension KubernetesClient {
    /// How often a patch is tried that somebody else's change came before.
    private static let conflictsMax = 8

    /// The StatefulSet of that name, with its template.
    /// - Throws: `.configuration` when there is none.
    package func blueprint(_ name: String, namespace: String) async throws -> StatefulSetBlueprint {
        try await readingStatefulSet(name, namespace: namespace) { operation in
            let body = Data(try await exchange.perform(operation).body)
            return try exchange.understood(operation) {
                let set = try StatefulSet(JSONDecoder().decode(Wire.StatefulSet.self, from: body))
                return try StatefulSetBlueprint(JSONDecoder().decode(JSONValue.self, from: body), set: set)
            }
        }
    }

    /// Sets annotations of a StatefulSet, and removes those that are `nil`; everything else stays.
    ///
    /// - Throws: `.alreadyExists` when the set is not the one that was read any more; `.noSuchObject` when it is gone.
    package func annotate(_ set: StatefulSet, _ annotations: [String: String?]) async throws {
        let values = annotations.mapValues { $0.map { JSONValue.text($0) } ?? .null }
        try await changing(set, "note in the annotations of") { version, operation in
            let metadata: [String: JSONValue] = ["annotations": .object(values), "resourceVersion": .text(version)]
            operation.body = try JSONEncoder().encode(JSONValue.object(["metadata": .object(metadata)])).bytes
        }
    }

    /// Patches the set as of the version that it has now, once more when somebody else was faster. A patch whose
    /// answer is lost may be sent again: it is one of a version that is over then.
    private func changing(
        _ set: StatefulSet,
        _ word: String,
        _ body: (_ version: String, _ operation: inout APIOperation) throws -> Void
    ) async throws {
        var conflicts = 0
        while true {
            let now = try await blueprint(set.name, namespace: set.namespace)
            var operation = Self.operation(.patch, set, attempt: "\(word) the StatefulSet")
            guard now.set.uid == set.uid, let version = now.resourceVersion else { throw replaced(operation) }
            operation.isRepeatable = true
            try body(version, &operation)
            do {
                _ = try await exchange.perform(operation)
                return
            } catch let failure as Failure where failure.code == .alreadyExists && conflicts < Self.conflictsMax {
                conflicts += 1
            }
        }
    }

    /// How many pods the set should have.
    package func scale(of set: StatefulSet) async throws -> SetScale {
        let operation = Self.operation(.get, set, subresource: "scale", attempt: "get the scale of the StatefulSet")
        let document = try await exchange.perform(operation, as: JSONValue.self)
        let metadata = document["metadata"]
        return try exchange.understood(operation) {
            guard let version = metadata?["resourceVersion"]?.string, let uid = metadata?["uid"]?.string else {
                throw Malformed("a Scale without a version or a uid")
            }
            // What is zero is left out.
            return SetScale(replicas: document["spec"]?["replicas"]?.int ?? 0, uid: uid, resourceVersion: version)
        }
    }

    /// Has the set have so many pods, if it should have `expected` now; one that has them already is fine.
    ///
    /// - Throws: `.alreadyExists` when somebody else scaled it, or it is another set of that name.
    package func scale(_ set: StatefulSet, to replicas: Int, from expected: Int) async throws {
        var conflicts = 0
        while true {
            let now = try await scale(of: set)
            var operation = Self.operation(
                .patch,
                set,
                subresource: "scale",
                attempt: "scale to \(replicas) the StatefulSet"
            )
            guard now.uid == set.uid else { throw replaced(operation) }
            if now.replicas == replicas { return }
            guard now.replicas == expected else {
                throw Failure(
                    .alreadyExists,
                    "\(exchange.name(operation)): it should have \(expected) pods, and somebody else scaled it to "
                        + "\(now.replicas)",
                    hint:
                        "Find out who scales it (an autoscaler, an operator, GitOps), and have it leave the set alone."
                )
            }
            let metadata: [String: JSONValue] = ["resourceVersion": .text(now.resourceVersion)]
            let spec: [String: JSONValue] = ["replicas": .integer(Int64(replicas))]
            let patch: [String: JSONValue] = ["metadata": .object(metadata), "spec": .object(spec)]
            operation.body = try JSONEncoder().encode(JSONValue.object(patch)).bytes
            // Sent twice, it is one of a version that is over, and what is there is looked at.
            operation.isRepeatable = true
            do {
                _ = try await exchange.perform(operation)
                return
            } catch let failure as Failure where failure.code == .alreadyExists && conflicts < Self.conflictsMax {
                conflicts += 1
            }
        }
    }

    private func replaced(_ operation: APIOperation) -> Failure {
        Failure(.alreadyExists, "\(exchange.name(operation)): there is another set of that name now")
    }

    /// The claim of that name; `nil` when there is none.
    package func claim(_ name: String, namespace: String) async throws -> VolumeClaim? {
        try ObjectName.check("claim", name, namespace: namespace)
        let operation = APIOperation(
            .get,
            resource: "persistentvolumeclaims",
            namespace: namespace,
            name: name,
            attempt: "get the claim \(namespace)/\(name)"
        )
        do {
            let document = try await exchange.perform(operation, as: JSONValue.self)
            return VolumeClaim(
                name: name,
                phase: document["status"]?["phase"]?.string ?? "Pending",
                isTerminating: document["metadata"]?["deletionTimestamp"] != nil
            )
        } catch let failure as Failure where failure.code == .noSuchObject {
            return nil
        }
    }

    private static func operation(
        _ verb: APIOperation.Verb,
        _ set: StatefulSet,
        subresource: String? = nil,
        attempt: String
    ) -> APIOperation {
        APIOperation(
            verb,
            group: "apps",
            resource: "statefulsets",
            namespace: set.namespace,
            name: set.name,
            subresource: subresource,
            attempt: "\(attempt) \(set.namespace)/\(set.name)"
        )
    }
}
