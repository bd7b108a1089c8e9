// SPDX-License-Identifier: Apache-2.0

extension LeaseObject {
    /// - Throws: `Malformed` when it has no name, or a field is of another type.
    init(_ document: JSONValue) throws(Malformed) {
        let (metadata, spec) = (document.members["metadata"]?.members ?? [:], document.members["spec"]?.members ?? [:])
        guard let name = metadata["name"]?.string, let namespace = metadata["namespace"]?.string else {
            throw Malformed("a Lease without a name or a namespace")
        }
        self.init(
            namespace: namespace,
            name: name,
            resourceVersion: metadata["resourceVersion"]?.string,
            holderIdentity: spec["holderIdentity"]?.string,
            leaseDurationSeconds: spec["leaseDurationSeconds"]?.int,
            acquireTime: spec["acquireTime"]?.string,
            renewTime: spec["renewTime"]?.string,
            leaseTransitions: spec["leaseTransitions"]?.int,
            annotations: (metadata["annotations"]?.members ?? [:]).compactMapValues(\.string)
        )
        others = Others(document: document)
    }

    /// The object to send: what was read of it, with what is ours put over it.
    var document: JSONValue {
        var document = others.document.members
        document["apiVersion"] = .text("coordination.k8s.io/v1")
        document["kind"] = .text("Lease")
        var metadata = document["metadata"]?.members ?? [:]
        metadata["name"] = .text(name)
        metadata["namespace"] = .text(namespace)
        metadata["resourceVersion"] = resourceVersion.map { .text($0) }
        metadata["annotations"] = annotations.isEmpty ? nil : .object(annotations.mapValues { .text($0) })
        // Who manages which field is the server's to say.
        metadata["managedFields"] = nil
        document["metadata"] = .object(metadata)
        var spec = document["spec"]?.members ?? [:]
        spec["holderIdentity"] = holderIdentity.map { .text($0) }
        spec["leaseDurationSeconds"] = leaseDurationSeconds.map { .integer(Int64($0)) }
        spec["acquireTime"] = acquireTime.map { .text($0) }
        spec["renewTime"] = renewTime.map { .text($0) }
        spec["leaseTransitions"] = leaseTransitions.map { .integer(Int64($0)) }
        document["spec"] = .object(spec)
        return .object(document)
    }
}
