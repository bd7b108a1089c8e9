// SPDX-License-Identifier: Apache-2.0

/// A StatefulSet, as far as its members are concerned.
package struct StatefulSet: Sendable, Hashable {
    package let namespace: String
    package let name: String
    package let uid: String
    /// How many pods there should be; at most `replicasMax`.
    package let replicas: Int
    /// The ordinal of the first pod (`spec.ordinals.start`); usually 0.
    package let firstOrdinal: Int
    /// The headless service that gives the pods their names in DNS.
    package let serviceName: String?
    /// Which pods may be its own, as a query writes it: `app=redis,tier in (cache)`.
    package let selector: String
    /// What the template of its pods says.
    package let containers: [ContainerSpec]

    /// More than this is refused: nobody has it, and each of them costs a name.
    package static let replicasMax = 10_000

    package init(
        namespace: String,
        name: String,
        uid: String,
        replicas: Int,
        firstOrdinal: Int = 0,
        serviceName: String? = nil,
        selector: String = "",
        containers: [ContainerSpec] = []
    ) {
        self.namespace = namespace
        self.name = name
        self.uid = uid
        self.replicas = replicas
        self.firstOrdinal = firstOrdinal
        self.serviceName = serviceName
        self.selector = selector
        self.containers = containers
    }

    /// The names that its pods have or will have, in the order of their ordinals.
    package var podNames: [String] {
        (0..<max(0, min(replicas, Self.replicasMax))).map { "\(name)-\(firstOrdinal + $0)" }
    }
}

/// A container as the template of a pod has it.
package struct ContainerSpec: Sendable, Hashable {
    package let name: String
    /// The ports that it declares; it may listen on others.
    package let ports: [Int]
    /// `nil`: no limit, or one that cannot be read.
    package let memoryLimitBytes: Int64?

    package init(name: String, ports: [Int] = [], memoryLimitBytes: Int64? = nil) {
        self.name = name
        self.ports = ports
        self.memoryLimitBytes = memoryLimitBytes
    }
}
