// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials

extension KubernetesClient {
    private static let group = "coordination.k8s.io"

    /// The Lease of that name; `nil` when there is none.
    package func lease(_ name: String, namespace: String) async throws -> LeaseObject? {
        let operation = try Self.operation(.get, namespace, name, "get")
        do {
            let document = try await exchange.perform(operation, as: JSONValue.self)
            return try exchange.understood(operation) { try LeaseObject(document) }
        } catch let failure as Failure where failure.code == .noSuchObject {
            return nil
        }
    }

    /// Makes a Lease that does not exist yet. Not tried again when the answer is lost: whoever calls this looks then.
    /// - Returns: the Lease as the server has it now.
    /// - Throws: `.alreadyExists` when there is one; `.configuration` when the namespace does not exist.
    package func createLease(_ lease: LeaseObject) async throws -> LeaseObject {
        var operation = try Self.operation(.create, lease.namespace, lease.name, "create")
        var fresh = lease
        // The server refuses one in an object that is new.
        fresh.resourceVersion = nil
        fresh.others = LeaseObject.Others()
        operation.body = try JSONEncoder().encode(fresh.document).bytes
        let body = try await creating(operation, in: lease.namespace)
        return try read(body, of: operation)
    }

    /// Replaces a Lease, if it is still the one of that `resourceVersion`. Not tried again when the answer is lost.
    /// - Returns: the Lease as the server has it now.
    /// - Throws: `.alreadyExists` when somebody else changed it; `.noSuchObject` when it is gone; `.configuration` when
    ///   it has no `resourceVersion`: it would be replaced whatever it is.
    package func replaceLease(_ lease: LeaseObject) async throws -> LeaseObject {
        var operation = try Self.operation(.update, lease.namespace, lease.name, "replace")
        guard lease.resourceVersion != nil else {
            throw Failure(.configuration, "\(exchange.name(operation)): it has no resourceVersion to compare")
        }
        operation.body = try JSONEncoder().encode(lease.document).bytes
        return try read(try await exchange.perform(operation).body, of: operation)
    }

    private func read(_ body: [UInt8], of operation: APIOperation) throws -> LeaseObject {
        try exchange.understood(operation) {
            try LeaseObject(JSONDecoder().decode(JSONValue.self, from: Data(body)))
        }
    }

    private static func operation(
        _ verb: APIOperation.Verb,
        _ namespace: String,
        _ name: String,
        _ word: String
    ) throws -> APIOperation {
        try ObjectName.check("Lease", name, namespace: namespace)
        return APIOperation(
            verb,
            group: group,
            resource: "leases",
            namespace: namespace,
            name: verb == .create ? nil : name,
            attempt: "\(word) the Lease \(namespace)/\(name)"
        )
    }
}
