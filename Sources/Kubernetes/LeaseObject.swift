// SPDX-License-Identifier: Apache-2.0

/// A Lease of `coordination.k8s.io/v1`: who holds it, since when, and until when it is worth anything.
///
/// Times are text as Kubernetes writes it, RFC 3339 with microseconds (`2026-11-22T16:00:00.000000Z`).
package struct LeaseObject: Sendable, Hashable {
    package var namespace: String
    package var name: String
    /// What it is compared with when it is replaced; `nil` in one that is to be created.
    package var resourceVersion: String?
    package var holderIdentity: String?
    package var leaseDurationSeconds: Int?
    package var acquireTime: String?
    package var renewTime: String?
    /// How often it changed hands.
    package var leaseTransitions: Int?
    package var annotations: [String: String]
    /// What others wrote into it (labels, owners), which replacing it must not lose.
    var others = Others()

    package init(
        namespace: String,
        name: String,
        resourceVersion: String? = nil,
        holderIdentity: String? = nil,
        leaseDurationSeconds: Int? = nil,
        acquireTime: String? = nil,
        renewTime: String? = nil,
        leaseTransitions: Int? = nil,
        annotations: [String: String] = [:]
    ) {
        self.namespace = namespace
        self.name = name
        self.resourceVersion = resourceVersion
        self.holderIdentity = holderIdentity
        self.leaseDurationSeconds = leaseDurationSeconds
        self.acquireTime = acquireTime
        self.renewTime = renewTime
        self.leaseTransitions = leaseTransitions
        self.annotations = annotations
    }

    /// The object as it was read. Not part of what makes two leases equal.
    struct Others: Sendable, Hashable {
        var document = JSONValue.object([:])

        static func == (left: Others, right: Others) -> Bool { true }
        func hash(into hasher: inout Hasher) {}
    }
}
