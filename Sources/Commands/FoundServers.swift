// SPDX-License-Identifier: Apache-2.0

import Catalog
import Kubernetes
import Operations
import RedisClient

/// The servers that the options name, wherever they were found.
struct FoundServers: Sendable {
    /// One server.
    struct Server: Sendable {
        let name: String
        let endpoint: RedisEndpoint
        /// What Kubernetes knows of it, where that was asked.
        let pod: BackupMember.Pod?
    }

    let servers: [Server]
    /// What a backup of them is called where nothing else is said.
    let subjectName: String
    /// What the manifest says of where they came from.
    let source: Manifest.Source
    /// The API server and what it said, where it was asked.
    let cluster: ClusterAccess?
}

/// The API server through which the members were found.
struct ClusterAccess: Sendable {
    let client: KubernetesClient
    let set: StatefulSet
}

extension ServerOptions {
    /// Finds the servers, and runs `body` while the API server can be asked about them.
    func withServers<Result: Sendable>(
        _ session: Session,
        _ body: @escaping @Sendable (FoundServers) async throws -> Result
    ) async throws -> Result {
        guard set.usesAPI, let name = set.statefulset else {
            return try await body(try named(session))
        }
        return try await withKubernetesClient(set.settings(session.environment), logger: session.logger) { client in
            let found = try await StatefulSetMembers.find(
                name,
                in: client.namespace,
                by: client,
                container: set.container,
                port: Int(set.port),
                clusterDomain: set.clusterDomain,
                waitSeconds: Int(set.waitReady.seconds),
                logger: session.logger
            )
            let endpoints = try endpoints(of: found.members, session)
            return try await body(
                FoundServers(
                    servers: zip(found.members, endpoints).map { member, endpoint in
                        FoundServers.Server(name: member.name, endpoint: endpoint, pod: member.pod)
                    },
                    subjectName: "\(found.set.namespace).\(found.set.name)",
                    source: Manifest.Source(
                        kind: "statefulset",
                        namespace: found.set.namespace,
                        statefulSet: found.set.name
                    ),
                    cluster: ClusterAccess(client: client, set: found.set)
                )
            )
        }
    }

    /// The servers that the options name themselves: by URL, or by DNS.
    private func named(_ session: Session) throws -> FoundServers {
        let endpoints = try endpoints(session)
        let names = set.podNames.isEmpty ? uniqueMemberNames(endpoints) : set.podNames
        return FoundServers(
            servers: zip(names, endpoints).map { FoundServers.Server(name: $0, endpoint: $1, pod: nil) },
            subjectName: set.subjectName ?? endpoints.first?.subjectName ?? "",
            source: set.source,
            cluster: nil
        )
    }
}
