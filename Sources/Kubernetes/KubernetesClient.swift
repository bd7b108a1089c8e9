// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials

/// Speaks to the API server of a Kubernetes cluster. Any number of tasks may use it at once.
///
/// Reading is tried again when the server cannot be reached (`.unreachable`, `.timeout`) or answers 429 or 5xx, five
/// times at most; writing only after 429, because otherwise nobody knows whether it was carried out. Credentials that
/// are refused are got anew once. Failures of all its functions, besides those that each names:
/// - `.unreachable`, `.timeout`: after the tries; also when the server still answers 429 or 5xx then.
/// - `.tlsFailed`: its certificate.
/// - `.authenticationFailed`: it does not accept the credentials, or an exec plugin gives none.
/// - `.permissionDenied`: the right is missing; the hint says which.
/// - `.protocolViolation`: what came is not what an API server says.
/// - `.configuration`: a name that is none, a file of credentials that cannot be read, a request that it calls invalid.
package struct KubernetesClient: Sendable {
    /// The namespace to work in: the one asked for, that of the context or of the service account, or `default`.
    package let namespace: String
    let exchange: APIExchange

    /// Where it is, for messages; without credentials.
    package var server: String { exchange.server.shown }

    /// Asks which version the server is of, which needs no rights.
    package func version() async throws -> ServerVersionAnswer {
        let operation = APIOperation(getting: "/version", attempt: "ask for the version of Kubernetes")
        let response = try await exchange.perform(operation)
        let version = try exchange.understood(operation) {
            try JSONDecoder().decode(Wire.Version.self, from: Data(response.body))
        }
        return ServerVersionAnswer(
            gitVersion: version.gitVersion,
            serverTimeSeconds: response.head["date"].flatMap { KubernetesTime.seconds(httpDate: $0) }
        )
    }

    /// The StatefulSet of that name.
    /// - Parameter namespace: `nil` is the client's own.
    /// - Throws: `.configuration` when there is none.
    package func statefulSet(_ name: String, namespace: String? = nil) async throws -> StatefulSet {
        try await readingStatefulSet(name, namespace: namespace ?? self.namespace) { operation in
            let wire = try await exchange.perform(operation, as: Wire.StatefulSet.self)
            return try exchange.understood(operation) { try StatefulSet(wire) }
        }
    }

    /// Asks for the StatefulSet of that name.
    /// - Throws: `.configuration` when there is none, and what `read` throws.
    func readingStatefulSet<Result>(
        _ name: String,
        namespace: String,
        _ read: (APIOperation) async throws -> Result
    ) async throws -> Result {
        try ObjectName.check("StatefulSet", name, namespace: namespace)
        let operation = APIOperation(
            .get,
            group: "apps",
            resource: "statefulsets",
            namespace: namespace,
            name: name,
            attempt: "get the StatefulSet \(namespace)/\(name)"
        )
        do {
            return try await read(operation)
        } catch let failure as Failure where failure.code == .noSuchObject {
            throw Failure(
                .configuration,
                "\(exchange.name(operation)): there is none of that name",
                hint: "`kubectl get statefulsets -n \(namespace)` lists them; --namespace names another namespace."
            )
        }
    }

    /// The pod of that name; `nil` when there is none.
    package func pod(_ name: String, namespace: String) async throws -> Pod? {
        try ObjectName.check("pod", name, namespace: namespace)
        let operation = APIOperation(
            .get,
            resource: "pods",
            namespace: namespace,
            name: name,
            attempt: "get the pod \(namespace)/\(name)"
        )
        do {
            let wire = try await exchange.perform(operation, as: Wire.Pod.self)
            return try exchange.understood(operation) { try Pod(wire) }
        } catch let failure as Failure where failure.code == .noSuchObject {
            return nil
        }
    }

    /// Leaves a note about an object, for `kubectl describe`.
    /// - Throws: `.configuration` when its namespace does not exist.
    package func createEvent(_ event: EventNote) async throws {
        let about = event.involved
        try ObjectName.check(about.kind, about.name, namespace: about.namespace)
        var operation = APIOperation(
            .create,
            resource: "events",
            namespace: about.namespace,
            attempt: "create an event of the \(about.kind) \(about.namespace)/\(about.name)"
        )
        operation.body = try JSONEncoder().encode(event.document).bytes
        _ = try await creating(operation, in: about.namespace)
    }

    /// Asks whether we may do something; needs no rights itself.
    package func mayI(_ access: AccessQuestion) async throws -> AccessAnswer {
        var operation = APIOperation(
            .create,
            group: "authorization.k8s.io",
            resource: "selfsubjectaccessreviews",
            attempt: "ask whether we may \(access.verb) \(access.resource) in the namespace \(access.namespace)"
        )
        operation.body = try JSONEncoder().encode(access.document).bytes
        operation.isRepeatable = true
        let status = try await exchange.perform(operation, as: Wire.AccessReview.self).status
        let reason = [status.reason, status.evaluationError].compactMap { $0 }.first { !$0.isEmpty }
        return AccessAnswer(isAllowed: status.allowed && !(status.denied ?? false), reason: reason)
    }

    /// Sends what is to be created.
    /// - Throws: `.configuration` when the namespace does not exist: that is what a 404 means here.
    func creating(_ operation: APIOperation, in namespace: String) async throws -> [UInt8] {
        do { return try await exchange.perform(operation).body } catch let failure as Failure
            where failure.code == .noSuchObject
        {
            throw Failure(
                .configuration,
                failure.message,
                hint: "`kubectl get namespaces` lists them; there must be one called \(namespace)."
            )
        }
    }
}

extension Data {
    var bytes: [UInt8] { Array(self) }
}
