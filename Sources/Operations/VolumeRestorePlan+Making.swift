// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Kubernetes
import Logging
import RedisClient
import RedisProtocol

/// Looks at everything that a restore through the volumes needs, and touches nothing.
struct VolumeRestorePlanner: Sendable {
    let request: VolumeRestoreRequest
    let client: KubernetesClient
    let catalog: Catalog
    let logger: Logger

    func plan() async throws -> VolumeRestorePlan {
        // What is restored, and is it all of one history?
        let manifest = try await catalog.require(request.reference, name: request.name)
        guard manifest.cluster == nil else {
            throw Failure(
                .unsupported,
                "restore \(manifest.name)/\(manifest.id) through volumes: it is the backup of a cluster, whose shards "
                    + "hold different data",
                hint: "Restore each shard by itself: `redoubt restore --data-dir --member`."
            )
        }
        let member = try await openableMember(of: manifest)

        // Into which volumes, and how many pods are to come back?
        let blueprint = try await client.blueprint(request.statefulSet, namespace: request.namespace)
        let guards = VolumeRestoreGuards(blueprint: blueprint, request: request)
        let counts = try guards.counts()
        let container = try StatefulSetMembers.serverContainer(
            of: blueprint.set,
            named: request.container,
            port: request.port
        ).spec?.name
        let mount = try guards.mount(ofContainer: container)
        let volumes = (0..<counts.after).map { index in
            let ordinal = blueprint.set.firstOrdinal + index
            let pod = "\(blueprint.set.name)-\(ordinal)"
            return VolumeRestorePlan.Volume(ordinal: ordinal, pod: pod, claim: "\(mount.claimTemplate)-\(pod)")
        }
        try await requireClaims(volumes, of: blueprint.set)

        // May we do it at all? Half-way is too late to find out.
        try await requireRights(blueprint.set, volumes)

        // What do the servers say that run now: is there data, where is it, and could they load the snapshot?
        let servers = try await glance(at: blueprint.set)
        try guards.requireNoKeys(servers)
        let target = target(servers)
        let assessment = RestorePlan.assess(
            member,
            of: manifest,
            for: target,
            allowing: .init(ignoresCompatibility: request.ignoresCompatibility, replacesData: true),
            now: .now()
        )
        try assessment.requireGo(
            "\(member.member) of \(manifest.name)/\(manifest.id) into the volumes of \(request.statefulSet)"
        )
        let directory = try guards.dataDirectory(on: mount, servers)
        let files = try guards.fileArguments(servers)

        let backup = "\(manifest.name)/\(manifest.id)"
        let resumed = counts.resumed.flatMap { $0.backup == backup && $0.member == member.member ? $0 : nil }
        let requestID = request.requestID ?? resumed?.requestID ?? "volumes-\(request.runID)"
        return VolumeRestorePlan(
            blueprint: blueprint,
            container: container,
            manifest: manifest,
            member: member,
            volumes: volumes,
            mount: mount,
            dataDirectory: directory,
            replicasBefore: counts.before,
            replicasAfter: counts.after,
            isResumed: resumed != nil,
            requestID: requestID,
            servers: servers,
            remarks: remarks(manifest, servers, counts, blueprint),
            arguments: arguments(backup, member, directory, requestID) + files + versionArguments(target)
        )
    }

    /// The member that is meant, if the Jobs can open its snapshot, as far as that can be found out from here.
    private func openableMember(of manifest: Manifest) async throws -> Manifest.Member {
        let member = try MemberChoice(manifest).member(named: request.member)
        guard member.stored?.encryption != nil else { return member }
        guard request.passesKeys else {
            throw Failure(
                .cannotDecrypt,
                "restore \(member.subject) through volumes: it is encrypted, and the Jobs would have no identity",
                hint: "Put the identity into a Secret of the namespace, and name it with --identity-secret NAME/KEY."
            )
        }
        if !catalog.keyring.isEmpty { try await catalog.requireOpenable(member) }
        return member
    }

    // MARK: Kubernetes

    private func requireClaims(_ volumes: [VolumeRestorePlan.Volume], of set: StatefulSet) async throws {
        for volume in volumes {
            let claim = try await client.claim(volume.claim, namespace: set.namespace)
            guard let claim, !claim.isTerminating, claim.phase != "Lost" else {
                let state = claim.map { $0.isTerminating ? "is being deleted" : "has lost its volume" }
                throw Failure(
                    .configuration,
                    "restore \(volume.pod): its claim \(set.namespace)/\(volume.claim) \(state ?? "does not exist")",
                    hint: "The StatefulSet makes a claim when it makes the pod: scale it up once, so that it does; or "
                        + "restore fewer pods with --scale-to."
                )
            }
        }
    }

    /// Everything that a run does at the API server.
    static func questions(
        _ set: StatefulSet,
        _ volumes: [VolumeRestorePlan.Volume],
        leaseName: String?
    ) -> [AccessQuestion] {
        func ask(
            _ verb: String,
            _ group: String,
            _ resource: String,
            _ name: String? = nil,
            sub: String? = nil
        ) -> AccessQuestion {
            AccessQuestion(
                verb: verb,
                group: group,
                resource: resource,
                subresource: sub,
                name: name,
                namespace: set.namespace
            )
        }
        var questions = ["get", "patch"].map { ask($0, "apps", "statefulsets", set.name) }
        questions += ["get", "patch"].map { ask($0, "apps", "statefulsets", set.name, sub: "scale") }
        questions += ["get", "list", "watch"].map { ask($0, "", "pods") }
        questions.append(ask("create", "batch", "jobs"))
        for volume in volumes {
            let name = VolumeJobs.jobName(volume, of: set)
            questions += ["get", "delete"].map { ask($0, "batch", "jobs", name) }
        }
        guard let leaseName else { return questions }
        questions += ["get", "update"].map { ask($0, "coordination.k8s.io", "leases", leaseName) }
        return questions + [ask("create", "coordination.k8s.io", "leases")]
    }

    private func requireRights(_ set: StatefulSet, _ volumes: [VolumeRestorePlan.Volume]) async throws {
        var missing: [String] = []
        let leaseName = request.takesLease ? request.leaseName : nil
        for question in Self.questions(set, volumes, leaseName: leaseName)
        where try await !client.mayI(question).isAllowed {
            let resource = question.resource + (question.subresource.map { "/\($0)" } ?? "")
            missing.append("\(question.verb) \(resource)\(question.name.map { " \($0)" } ?? "")")
        }
        guard missing.isEmpty else {
            throw Failure(
                .permissionDenied,
                "restore the StatefulSet \(set.namespace)/\(set.name): this account may not "
                    + "\(missing.joined(separator: ", ")); nothing was touched",
                hint: "The Role in jobs/restore-set grants what is needed."
            )
        }
    }

    // MARK: Servers

    /// Asks the servers that run. One that cannot be reached is no obstacle: it may be why somebody restores.
    /// - Throws: what a person must mend first: credentials, TLS.
    private func glance(at set: StatefulSet) async throws -> [ServerGlance] {
        guard let endpoints = request.endpoints, set.replicas > 0 else { return [] }
        let found = try await StatefulSetMembers.find(
            set.name,
            in: set.namespace,
            by: client,
            container: request.container,
            port: request.port,
            clusterDomain: nil,
            waitSeconds: 0,
            logger: logger
        )
        var glances: [ServerGlance] = []
        for (member, endpoint) in zip(found.members, try endpoints(found.members)) {
            if let absence = member.pod.absence {
                glances.append(ServerGlance(pod: member.name, info: nil, configuration: [:], failure: absence))
            } else {
                glances.append(try await glance(at: member.name, endpoint))
            }
        }
        return glances
    }

    private func glance(at pod: String, _ endpoint: RedisEndpoint) async throws -> ServerGlance {
        do {
            return try await withRedisConnection(endpoint) { connection in
                var configuration: [String: String] = [:]
                for name in ["dir", "appendonly", "dbfilename", "appendfilename", "appenddirname"]
                    + RestoreTargetFacts.settingNames
                {
                    configuration.merge(try await connection.configGet(name) ?? [:]) { $1 }
                }
                return ServerGlance(
                    pod: pod,
                    info: try await connection.info(),
                    configuration: configuration,
                    failure: nil
                )
            }
        } catch let failure as Failure where [.unreachable, .timeout, .memberLoading].contains(failure.code) {
            return ServerGlance(pod: pod, info: nil, configuration: [:], failure: failure)
        } catch let failure as Failure where failure.code != .interrupted {
            throw Failure(
                failure.code,
                "ask the server in \(pod) before it is stopped",
                cause: failure,
                hint: failure.hint ?? "--no-server-check restores without asking the servers, before or after."
            )
        }
    }

    /// What was said of the server wins over what it says.
    private func target(_ servers: [ServerGlance]) -> RestoreTargetFacts {
        guard let server = servers.first(where: { $0.info != nil }), let info = server.info else {
            return request.target
        }
        var target = RestoreTargetFacts(info, settings: server.configuration)
        if let version = request.target.version {
            target.product = request.target.product
            target.version = version
        }
        // What is there is moved or refused by each Job.
        target.keysHeld = nil
        return target
    }

    // MARK: Arguments

    private func arguments(
        _ backup: String,
        _ member: Manifest.Member,
        _ directory: String,
        _ requestID: String
    ) -> [String] {
        var arguments = ["restore", backup] + request.storeArguments
        arguments += ["--member=\(member.member)", "--data-dir=\(directory)", "--request-id=\(requestID)"]
        // A set that started on empty volumes has left files without keys on them.
        arguments += request.replacesData ? ["--replace"] : ["--replace-empty", "--require-fresh"]
        arguments.append("--require-backup")
        return arguments + request.passedArguments + ["--log-format=json"]
    }

    private func versionArguments(_ target: RestoreTargetFacts) -> [String] {
        target.version.map { ["--server-version=\((target.product ?? .redis).rawValue)-\($0)"] } ?? []
    }

    private func remarks(
        _ manifest: Manifest,
        _ servers: [ServerGlance],
        _ counts: VolumeRestoreGuards.Counts,
        _ blueprint: StatefulSetBlueprint
    ) -> [String] {
        var remarks: [String] = []
        if manifest.isPartial { remarks.append("the backup is partial: some members failed") }
        for server in servers {
            if let failure = server.failure { remarks.append("\(server.pod) could not be asked: \(failure)") }
        }
        if request.endpoints == nil { remarks.append("the servers are not asked, before or after") }
        if counts.resumed != nil { remarks.append("goes on with a restore that did not come to its end") }
        if blueprint.set.replicas == 0, counts.before > 0 {
            remarks.append("a note says that it had \(counts.before) pods before an earlier restore stopped it")
        }
        return remarks
    }
}
