// SPDX-License-Identifier: Apache-2.0

import Failures

/// A Job that works on one volume of a StatefulSet while no pod of it runs.
///
/// Its pod is like a pod of the set where that decides who owns files and where it may run (user, groups, node,
/// tolerations, the place of the mount), and like the program's own pod where that decides how the store is reached
/// (variables, volumes, pull secrets). It keeps the Pod Security Standard `restricted`, unless the set itself does not.
package struct VolumeJob: Sendable {
    /// The volume.
    package struct Volume: Sendable, Hashable {
        package let claim: String
        package let mount: StatefulSetBlueprint.Mount

        package init(claim: String, mount: StatefulSetBlueprint.Mount) {
            self.claim = claim
            self.mount = mount
        }
    }

    /// How the program runs in it, and what else it can reach.
    package struct Program: Sendable {
        package var image: String
        package var arguments: [String]
        /// Of ConfigMaps and Secrets, all keys of which become variables.
        package var environmentFrom: [Source] = []
        /// Claims beside the volume, as `backups:/backups`.
        package var claims: [ClaimMount] = []
        /// Single keys of Secrets, as files.
        package var secrets: [SecretMount] = []
        package var serviceAccount: String?
        /// As whom it runs where the set does not say it.
        package var user: User?
        /// Whether the ConfigMaps that the server has mounted are mounted too, for its configuration.
        package var mountsServerConfiguration = false
        /// The container that the program runs in now, whose variables and volumes it has there too.
        package var own: OwnContainer?

        package init(image: String, arguments: [String]) {
            self.image = image
            self.arguments = arguments
        }
    }

    package struct User: Sendable, Hashable {
        package let user: Int64
        package let group: Int64

        package init(user: Int64, group: Int64) {
            self.user = user
            self.group = group
        }
    }

    package enum Source: Sendable, Hashable {
        case secret(String)
        case configMap(String)
    }

    package struct ClaimMount: Sendable, Hashable {
        package let claim: String
        package let path: String

        package init(claim: String, path: String) {
            self.claim = claim
            self.path = path
        }
    }

    package struct SecretMount: Sendable, Hashable {
        package let secret: String
        package let key: String
        package let folder: String
        /// Where the file is.
        package var path: String { "\(folder)/\(key)" }

        package init(secret: String, key: String, folder: String) {
            self.secret = secret
            self.key = key
            self.folder = folder
        }
    }

    package let name: String
    package let namespace: String
    let blueprint: StatefulSetBlueprint
    let container: String?
    let labels: [String: String]
    let volume: Volume
    let program: Program
    let secondsMax: Int

    /// - Parameters:
    ///   - container: the server's container; the first one for `nil`.
    ///   - labels: of the Job and of its pods; those of the set's pods must not be among them.
    ///   - secondsMax: how long it may take, all its pods together.
    package init(
        name: String,
        of blueprint: StatefulSetBlueprint,
        container: String?,
        labels: [String: String],
        volume: Volume,
        program: Program,
        secondsMax: Int
    ) {
        self.name = name
        namespace = blueprint.set.namespace
        self.blueprint = blueprint
        self.container = container
        self.labels = labels
        self.volume = volume
        self.program = program
        self.secondsMax = secondsMax
    }
}

/// The container that this program runs in, out of its own pod.
package struct OwnContainer: Sendable {
    package let image: String
    let container: JSONValue
    let podSpec: JSONValue

    /// Its container in the pod: of several the one that has the name, or else the first.
    init?(podSpec: JSONValue, named name: String) {
        let all = podSpec["containers"]?.elements ?? []
        guard let container = all.first(where: { $0["name"]?.string == name }) ?? all.first,
            let image = container["image"]?.string
        else { return nil }
        (self.image, self.container, self.podSpec) = (image, container, podSpec)
    }
}

extension KubernetesClient {
    /// The container that this program runs in.
    /// - Parameter pod: the name of its pod, in the namespace.
    /// - Returns: `nil` when there is no such pod.
    package func ownContainer(pod: String, namespace: String) async throws -> OwnContainer? {
        try ObjectName.check("pod", pod, namespace: namespace)
        let operation = APIOperation(
            .get,
            resource: "pods",
            namespace: namespace,
            name: pod,
            attempt: "get our own pod \(namespace)/\(pod)"
        )
        do {
            let document = try await exchange.perform(operation, as: JSONValue.self)
            return OwnContainer(podSpec: document["spec"] ?? .null, named: "redoubt")
        } catch let failure as Failure where failure.code == .noSuchObject {
            return nil
        }
    }
}
