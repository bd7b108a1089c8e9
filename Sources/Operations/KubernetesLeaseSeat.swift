// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Kubernetes
import ObjectStorage

/// The lease of a subject as a Lease of Kubernetes (coordination.k8s.io/v1), where `kubectl get leases` shows it.
///
/// As in client-go's leader election, a lease without a holder is free, and whether a holder lives is judged by
/// watching the object change, never by comparing clocks.
package struct KubernetesLeaseSeat: LeaseSeat {
    private let name: String
    private let namespace: String
    private let client: KubernetesClient
    /// How long the lease is good for without being renewed, in seconds: for those who read it.
    private let durationSeconds: Int

    package init(name: String, namespace: String, client: KubernetesClient, durationSeconds: Int = 60) {
        self.name = name
        self.namespace = namespace
        self.client = client
        self.durationSeconds = durationSeconds
    }

    private static let purposeKey = "redoubt/purpose"
    private static let processKey = "redoubt/process"

    package var place: String { "the Lease \(namespace)/\(name) at \(client.server)" }

    /// The lease in the store is the guard. A control plane that is away for a while must not cost a night's backup.
    package var isAdvisory: Bool { true }

    package func create(_ lease: Lease) async throws -> ObjectVersion {
        guard let there = try await client.lease(name, namespace: namespace) else {
            let empty = LeaseObject(namespace: namespace, name: name)
            return version(of: try await client.createLease(filled(empty, lease, transitions: 0)))
        }
        guard there.holderIdentity?.isEmpty ?? true else {
            throw Failure(.alreadyExists, "take \(place): \(there.holderIdentity ?? "") holds it")
        }
        let transitions = (there.leaseTransitions ?? 0) + 1
        return version(of: try await client.replaceLease(filled(there, lease, transitions: transitions)))
    }

    package func read() async throws -> SeatedLease? {
        guard let there = try await client.lease(name, namespace: namespace),
            let holder = there.holderIdentity, !holder.isEmpty
        else { return nil }
        // Which process it is cannot be told from here: a pod of that name on another machine is another process.
        let process = ProcessIdentity(
            host: there.annotations[Self.processKey] ?? "unknown",
            boot: "",
            pid: 0,
            started: "unknown"
        )
        let lease = Lease(
            holder: holder,
            purpose: there.annotations[Self.purposeKey] ?? "another program",
            process: process,
            acquiredAt: there.acquireTime.flatMap(Timestamp.init) ?? .now()
        )
        return SeatedLease(lease: lease, version: version(of: there))
    }

    package func replace(_ version: ObjectVersion, with lease: Lease) async throws -> ObjectVersion {
        let there = try await client.lease(name, namespace: namespace)
        guard let there, there.resourceVersion == version.tag else {
            throw Failure(.alreadyExists, "replace \(place): it changed, or is gone")
        }
        let isTakeOver = there.holderIdentity != lease.holder
        let transitions = (there.leaseTransitions ?? 0) + (isTakeOver ? 1 : 0)
        let renewed = filled(there, lease, transitions: transitions)
        do {
            return self.version(of: try await client.replaceLease(renewed))
        } catch let failure as Failure where failure.code == .noSuchObject {
            throw Failure(.alreadyExists, "replace \(place): it is gone", cause: failure)
        }
    }

    /// The object stays, without a holder: removing it would take one more right.
    package func release(_ version: ObjectVersion) async throws {
        guard var there = try await client.lease(name, namespace: namespace), there.resourceVersion == version.tag
        else {
            return
        }
        there.holderIdentity = ""
        there.renewTime = Timestamp.now().microTime
        _ = try await client.replaceLease(there)
    }

    private func version(of lease: LeaseObject) -> ObjectVersion { ObjectVersion(tag: lease.resourceVersion ?? "") }

    /// The object with what we say; what others wrote into it stays.
    private func filled(_ object: LeaseObject, _ lease: Lease, transitions: Int) -> LeaseObject {
        var filled = object
        filled.holderIdentity = lease.holder
        filled.leaseDurationSeconds = durationSeconds
        filled.acquireTime = lease.acquiredAt.microTime
        filled.renewTime = Timestamp.now().microTime
        filled.leaseTransitions = transitions
        filled.annotations[Self.purposeKey] = lease.purpose
        filled.annotations[Self.processKey] = lease.process.host
        return filled
    }
}

extension Timestamp {
    /// As Kubernetes writes a MicroTime: `2026-11-22T15:30:00.000000Z`.
    fileprivate var microTime: String { description.dropLast() + ".000000Z" }
}
