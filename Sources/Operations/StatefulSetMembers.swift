// SPDX-License-Identifier: Apache-2.0

import Failures
import Kubernetes
import Logging

/// The pods of a StatefulSet as the API server knows them.
package struct StatefulSetMembers: Sendable {
    /// One pod that should be there.
    package struct Member: Sendable {
        package let name: String
        /// Its address; without one, the name that its headless Service gives it.
        package let host: String
        /// The name that its headless Service gives it, where the set has one: what a certificate is for.
        package let domainName: String?
        package let pod: BackupMember.Pod
    }

    package let set: StatefulSet
    package let members: [Member]

    /// Finds the pods of a set, and waits for those that are not ready to be spoken to.
    ///
    /// Every ordinal that the set should have is a member: one that is missing is a member that fails, not one less.
    /// - Parameters:
    ///   - container: the server's container; the one with `port`, or the first one, when `nil`.
    ///   - waitSeconds: how long pods that are missing or pending are waited for.
    /// - Throws: `.configuration` when there is no such set or container; what the API server answers.
    package static func find(
        _ name: String,
        in namespace: String,
        by client: KubernetesClient,
        container: String?,
        port: Int,
        clusterDomain: String?,
        waitSeconds: Int,
        logger: Logger
    ) async throws -> StatefulSetMembers {
        let set = try await client.statefulSet(name, namespace: namespace)
        let container = try serverContainer(of: set, named: container, port: port)
        let spec = container.spec
        var pods = try await client.pods(of: set)
        if waitSeconds > 0, !isReady(pods, of: set, spec) {
            logger.notice("waiting up to \(waitSeconds) s for pods of \(namespace)/\(name) that are not ready")
            let latest = Latest(pods)
            do {
                try await client.watchPods(of: set, timeoutSeconds: waitSeconds) { pods in
                    await latest.set(pods)
                    return isReady(pods, of: set, spec)
                }
            } catch let failure as Failure where failure.code != .interrupted {
                // Those that are there are backed up all the same.
                logger.warning("cannot wait for pods that are not ready: \(failure)")
            }
            pods = await latest.pods
        }
        let known = Dictionary(pods.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let members = set.podNames.map { podName in
            member(podName, known[podName], of: set, container, clusterDomain, client)
        }
        return StatefulSetMembers(set: set, members: members)
    }

    /// The pods as they were seen last.
    private actor Latest {
        private(set) var pods: [Pod]

        init(_ pods: [Pod]) {
            self.pods = pods
        }

        func set(_ pods: [Pod]) {
            self.pods = pods
        }
    }

    private static func isReady(_ pods: [Pod], of set: StatefulSet, _ spec: ContainerSpec?) -> Bool {
        let ready = Set(pods.filter { $0.trouble(ofContainer: spec?.name) == nil }.map(\.name))
        return ready.isSuperset(of: set.podNames)
    }

    /// The container that the server runs in.
    struct ServerContainer: Sendable {
        let spec: ContainerSpec?
        /// Of several containers none of which names the port, the first may be a sidecar.
        var isGuess = false
    }

    static func serverContainer(of set: StatefulSet, named name: String?, port: Int) throws -> ServerContainer {
        if let name {
            guard let found = set.containers.first(where: { $0.name == name }) else {
                throw Failure(
                    .configuration,
                    "find the container \(name) in the StatefulSet \(set.namespace)/\(set.name): there is none",
                    hint: "Give one of these with --container: \(set.containers.map(\.name).joined(separator: ", "))."
                )
            }
            return ServerContainer(spec: found)
        }
        if let found = set.containers.first(where: { $0.ports.contains(port) }) { return ServerContainer(spec: found) }
        return ServerContainer(spec: set.containers.first, isGuess: set.containers.count > 1)
    }

    private static func member(
        _ name: String,
        _ pod: Pod?,
        of set: StatefulSet,
        _ server: ServerContainer,
        _ clusterDomain: String?,
        _ client: KubernetesClient
    ) -> Member {
        let spec = server.spec
        let domain = "\(set.namespace).svc" + (clusterDomain.map { ".\($0)" } ?? "")
        let domainName = set.serviceName.map { "\(name).\($0).\(domain)" }
        let trouble = pod.map { $0.trouble(ofContainer: spec?.name) } ?? "does not exist"
        let absence = trouble.map { trouble in
            Failure(
                .unreachable,
                "speak to the pod \(set.namespace)/\(name): \(trouble)",
                hint: "`kubectl describe pod -n \(set.namespace) \(name)` says more."
            )
        }
        let container = pod?.containers.first { $0.spec.name == spec?.name }
        return Member(
            name: name,
            host: pod?.ip ?? domainName ?? name,
            domainName: domainName,
            pod: BackupMember.Pod(
                node: pod?.node,
                memoryLimitBytes: server.isGuess ? nil : container?.spec.memoryLimitBytes ?? spec?.memoryLimitBytes,
                domainName: domainName,
                absence: absence,
                trouble: { await change(of: pod, name, spec, in: set, by: client) }
            )
        )
    }

    /// What happened to a pod since it was looked at, in words that follow «its pod».
    private static func change(
        of before: Pod?,
        _ name: String,
        _ spec: ContainerSpec?,
        in set: StatefulSet,
        by client: KubernetesClient
    ) async -> String? {
        let after: Pod
        do {
            guard let pod = try await client.pod(name, namespace: set.namespace) else { return "does not exist" }
            after = pod
        } catch {
            return nil
        }
        if let trouble = after.trouble(ofContainer: spec?.name) { return trouble }
        guard let before else { return nil }
        if before.uid != after.uid { return "was replaced by a new one meanwhile" }
        for container in after.containers {
            let old = before.containers.first { $0.spec.name == container.spec.name }
            guard let old, container.restartCount > old.restartCount else { continue }
            let exit = container.lastExit.map { ", exit code \($0.code)\($0.reason.map { " (\($0))" } ?? "")" } ?? ""
            return "restarted its container \(container.spec.name) meanwhile\(exit)"
        }
        return nil
    }
}
