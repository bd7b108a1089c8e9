// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import Failures
import Kubernetes
import Logging
import Operations

/// What a run leaves in the cluster beside the store, where the members are found through the API server.
struct TellingOptions: ParsableArguments, Sendable {
    @Flag(help: "Write no Event on the StatefulSet when the run ends.")
    var noEvents = false

    @Flag(help: "Hold the lease of the run in the store alone, and not as a Lease of Kubernetes too.")
    var noKubernetesLease = false
}

/// How a run ended that did not fail.
struct RunVerdict: Sendable {
    let code: ExitCode
    /// What was committed, in a sentence, if it was this run that did.
    let committed: String?
}

extension TellingOptions {
    /// Runs `body`, and tells in an Event what became of it.
    func telling(
        of found: FoundMembers,
        _ session: Session,
        _ body: () async throws -> RunVerdict
    ) async throws -> ExitCode {
        guard !noEvents, let cluster = found.cluster else { return try await body().code }
        let events = RunEvents(
            on: cluster.set,
            by: cluster.client,
            instance: session.environment["POD_NAME"] ?? ProcessIdentity.current().host,
            logger: session.logger
        )
        do {
            let verdict = try await body()
            if let text = verdict.committed {
                let note = verdict.code == .done ? RunEvents.Note.completed(text) : .partial(text)
                await events.tell(note, redact: Redaction.apply(to:))
            }
            return verdict.code
        } catch {
            await events.tell(
                .failed(Failure(wrapping: error, attempting: "back up \(found.subjectName)")),
                redact: Redaction.apply(to:)
            )
            throw error
        }
    }

    /// The Lease of Kubernetes, beside the lease in the store: `kubectl get leases` shows who works on a subject.
    ///
    /// The lease in the store is the one that guards it, for it also meets runs of other clusters and of no cluster.
    /// Where the rights for the other are missing the run goes on without it, and says so.
    func leaseSeats(_ found: FoundMembers, _ session: Session) async -> [any LeaseSeat] {
        guard !noKubernetesLease, let cluster = found.cluster else { return [] }
        let name = Self.leaseName(of: cluster.set)
        if let verb = await Self.missingVerb(name, cluster) {
            session.logger.warning(
                """
                the lease is held in the store alone: this account may not \(verb) leases, or cannot find out \
                (the Role in jobs/backup grants it; --no-kubernetes-lease says that this is meant)
                """
            )
            return []
        }
        return [KubernetesLeaseSeat(name: name, namespace: cluster.set.namespace, client: cluster.client)]
    }

    /// The first verb that a Lease needs and this account is not known to have.
    private static func missingVerb(_ name: String, _ cluster: ClusterAccess) async -> String? {
        for verb in ["get", "create", "update"] {
            let question = AccessQuestion(
                verb: verb,
                group: "coordination.k8s.io",
                resource: "leases",
                // A right to create cannot be bound to a name.
                name: verb == "create" ? nil : name,
                namespace: cluster.set.namespace
            )
            guard let answer = try? await cluster.client.mayI(question), answer.isAllowed else { return verb }
        }
        return nil
    }

    /// What the Lease of a StatefulSet is called.
    static func leaseName(of set: StatefulSet) -> String { leaseName(ofSet: set.name) }
    static func leaseName(ofSet name: String) -> String { "redoubt-\(name)" }
}
