// SPDX-License-Identifier: Apache-2.0

/// What several kinds of objects have in common, as JSON has it. Only what is used is read; the rest may be anything.
enum Wire {
    struct Metadata: Decodable {
        var name: String?
        var namespace: String?
        var uid: String?
        var resourceVersion: String?
        var creationTimestamp: String?
        var deletionTimestamp: String?
        var labels: [String: String]?
        var annotations: [String: String]?
        var ownerReferences: [Owner]?
    }

    struct Owner: Decodable {
        var kind: String
        var uid: String
        var controller: Bool?
    }

    struct ListMetadata: Decodable {
        var resourceVersion: String?
        var `continue`: String?
    }

    struct Container: Decodable {
        struct Port: Decodable {
            var containerPort: Int
        }
        struct Resources: Decodable {
            var limits: [String: Amount]?
        }
        var name: String
        var ports: [Port]?
        var resources: Resources?

        var spec: ContainerSpec {
            ContainerSpec(
                name: name,
                ports: (ports ?? []).map(\.containerPort),
                memoryLimitBytes: resources?.limits?["memory"].flatMap { Quantity.bytes($0.text) }
            )
        }
    }

    /// A quantity, which may be written as a number too.
    struct Amount: Decodable {
        let text: String

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let text = try? container.decode(String.self) {
                self.text = text
            } else {
                text = String(try container.decode(Int64.self))
            }
        }
    }

    struct StatefulSet: Decodable {
        struct Spec: Decodable {
            struct Ordinals: Decodable {
                var start: Int?
            }
            struct Template: Decodable {
                struct Spec: Decodable {
                    var containers: [Container]?
                }
                var spec: Spec?
            }
            var replicas: Int?
            var ordinals: Ordinals?
            var serviceName: String?
            var selector: LabelSelector?
            var template: Template?
        }
        var metadata: Metadata
        var spec: Spec
    }

    struct Version: Decodable {
        var gitVersion: String
    }

    struct AccessReview: Decodable {
        struct Status: Decodable {
            var allowed: Bool
            var denied: Bool?
            var reason: String?
            var evaluationError: String?
        }
        var status: Status
    }
}

extension StatefulSet {
    /// - Throws: `Malformed` when something is missing, or a number is none that can be.
    init(_ wire: Wire.StatefulSet) throws(Malformed) {
        guard let name = wire.metadata.name, let namespace = wire.metadata.namespace, let uid = wire.metadata.uid else {
            throw Malformed("a StatefulSet without a name, a namespace or a uid")
        }
        // The API server fills both in; what is not there means these.
        let (replicas, first) = (wire.spec.replicas ?? 1, wire.spec.ordinals?.start ?? 0)
        guard (0...Self.replicasMax).contains(replicas), (0...Int(Int32.max)).contains(first) else {
            throw Malformed("a StatefulSet of \(replicas) replicas from ordinal \(first) on")
        }
        guard let selector = (wire.spec.selector ?? LabelSelector()).text else {
            throw Malformed("a selector with an operator that is not known")
        }
        let service = wire.spec.serviceName.flatMap { $0.isEmpty ? nil : $0 }
        self.init(
            namespace: namespace,
            name: name,
            uid: uid,
            replicas: replicas,
            firstOrdinal: first,
            serviceName: service,
            selector: selector,
            containers: (wire.spec.template?.spec?.containers ?? []).map(\.spec)
        )
    }
}

/// JSON that is well-formed and not what it should be.
package struct Malformed: Error {
    /// What is wrong with it: the end of a sentence, without its values.
    package let reason: String

    package init(_ reason: String) {
        self.reason = reason
    }
}
