// SPDX-License-Identifier: Apache-2.0

/// A StatefulSet with all that whoever stops it and works on its volumes must know of it.
package struct StatefulSetBlueprint: Sendable {
    package let set: StatefulSet
    /// Changes with every change of its specification, scaling too, and with nothing else.
    package let generation: Int64
    package let annotations: [String: String]
    /// The names of its claim templates: the claims of a pod are called `<template>-<pod>`.
    package let claimTemplates: [String]
    /// Whether its claims, and with them the data, are deleted when it is scaled down
    /// (`persistentVolumeClaimRetentionPolicy.whenScaled`).
    package let deletesClaimsWhenScaled: Bool
    /// What it is compared with when it is patched.
    let resourceVersion: String?
    /// The `spec` of its pods.
    let podSpec: JSONValue

    /// A folder of a container that is on a claim.
    package struct Mount: Sendable, Hashable {
        package let claimTemplate: String
        package let path: String
        let subPath: String?

        package init(claimTemplate: String, path: String, subPath: String? = nil) {
            self.claimTemplate = claimTemplate
            self.path = path
            self.subPath = subPath
        }
    }

    /// Where a container has the claims of its pod, in the order of its `volumeMounts`.
    package func claimMounts(ofContainer name: String?) -> [Mount] {
        let mounts = container(name)?["volumeMounts"]?.elements ?? []
        return mounts.compactMap { mount in
            guard let volume = mount["name"]?.string, let path = mount["mountPath"]?.string,
                claimTemplates.contains(volume)
            else { return nil }
            return Mount(claimTemplate: volume, path: path, subPath: mount["subPath"]?.string)
        }
    }

    /// The container of that name; the first one for `nil`.
    func container(_ name: String?) -> JSONValue? {
        let containers = podSpec["containers"]?.elements ?? []
        guard let name else { return containers.first }
        return containers.first { $0["name"]?.string == name }
    }
}

extension StatefulSetBlueprint {
    /// - Throws: `Malformed`.
    init(_ document: JSONValue, set: StatefulSet) throws(Malformed) {
        let (metadata, spec) = (document["metadata"], document["spec"])
        guard let generation = metadata?["generation"]?.int, let podSpec = spec?["template"]?["spec"] else {
            throw Malformed("a StatefulSet without a generation or a template")
        }
        self.set = set
        self.generation = Int64(generation)
        annotations = (metadata?["annotations"]?.members ?? [:]).compactMapValues(\.string)
        claimTemplates = (spec?["volumeClaimTemplates"]?.elements ?? []).compactMap { $0["metadata"]?["name"]?.string }
        deletesClaimsWhenScaled = spec?["persistentVolumeClaimRetentionPolicy"]?["whenScaled"]?.string == "Delete"
        resourceVersion = metadata?["resourceVersion"]?.string
        self.podSpec = podSpec
    }
}

/// A claim of a volume.
package struct VolumeClaim: Sendable, Hashable {
    package let name: String
    /// `Bound`, `Pending` or `Lost`.
    package let phase: String
    package let isTerminating: Bool
}

/// How many pods a StatefulSet should have, and as of which version.
package struct SetScale: Sendable, Hashable {
    package let replicas: Int
    let uid: String
    let resourceVersion: String
}
