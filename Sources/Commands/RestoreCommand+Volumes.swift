// SPDX-License-Identifier: Apache-2.0

import Catalog
import DataDirectory
import Failures
import Kubernetes
import ObjectStorage
import Operations

extension RestoreCommand {
    /// Restores a StatefulSet through its volumes: shows the plan, asks, does it, and tells the cluster.
    func restoreVolumes(_ session: Session) async throws -> ExitCode {
        guard let name = servers.set.statefulset else {
            throw Failure(.usage, "restore: which StatefulSet is not said")
        }
        let settings = servers.set.settings(session.environment)
        return try await withKubernetesClient(settings, logger: session.logger) { client in
            let request = try await volumeRequest(name, client, session)
            let keyring = try await identity.keyring(session)
            return try await source.store.withStore(at: source.from, session) { store in
                let restore = RestoreVolumes(
                    request,
                    by: client,
                    from: Catalog(store: store, keyring: keyring),
                    logger: session.logger
                )
                let plan = try await restore.plan()
                let text = VolumePlanText(plan, replaces: replace)
                if dryRun {
                    try session.result(text.text + "\nnothing was done (--dry-run)", text.document)
                    return .done
                }
                Console.talk(text.text)
                if !yes {
                    try await Confirmation.ask(
                        [],
                        question: "stop the pods of \(plan.set.name) and restore their volumes"
                    )
                }
                return try await run(restore, plan, client, session)
            }
        }
    }

    private func run(
        _ restore: RestoreVolumes,
        _ plan: VolumeRestorePlan,
        _ client: KubernetesClient,
        _ session: Session
    ) async throws -> ExitCode {
        let events = RunEvents(
            on: plan.set,
            by: client,
            instance: session.environment["POD_NAME"] ?? ProcessIdentity.current().host,
            logger: session.logger
        )
        do {
            let outcome = try await restore.run(plan)
            RunFacts.note { $0.restored(outcome) }
            let text = VolumeRestoreText(outcome)
            try session.result(text.text, text.document, verdict: text.verdict)
            await events.tell(.restored(text.verdict), redact: Redaction.apply(to:))
            return .done
        } catch {
            let failure = Failure(wrapping: error, attempting: "restore \(plan.set.name)")
            // Within the few seconds of a run that is ended, the pods come first.
            if failure.code != .interrupted { await events.tell(.restoreFailed(failure), redact: Redaction.apply(to:)) }
            throw error
        }
    }

    private func volumeRequest(
        _ name: String,
        _ client: KubernetesClient,
        _ session: Session
    ) async throws -> VolumeRestoreRequest {
        let own = try await ownContainer(client, session)
        let owner = try owner.map(FileOwner.init(parsing:))
        var request = VolumeRestoreRequest(
            statefulSet: name,
            namespace: client.namespace,
            reference: try BackupReference(backup),
            name: source.name ?? "\(client.namespace).\(name)",
            program: try volumes.program(own: own, owner: owner, mountsConfiguration: serverConfig != nil),
            leaseName: TellingOptions.leaseName(ofSet: name),
            runID: session.runID
        )
        request.member = member
        request.replacesData = replace
        request.container = servers.set.container
        request.port = Int(servers.set.port)
        request.claimTemplate = volumes.claimTemplate
        request.dataDirectory = dataDir
        request.replicasAfter = volumes.scaleTo
        request.requestID = requestID
        request.target = try serverVersion.map(RestoreTargetFacts.init(parsing:)) ?? RestoreTargetFacts()
        request.ignoresCompatibility = ignoreCompatibility
        if case .object? = try? StoreLocation(parsing: source.from) {
            throw Failure(
                .usage,
                "restore through volumes from a pre-signed URL: Jobs would show it to everybody who may look at them",
                hint: "Copy the object into a store first: redoubt copy --from URL --to s3://bucket/prefix."
            )
        }
        request.storeArguments = ["--from=\(source.from)"] + source.store.arguments
        let keys = try volumes.keyArguments(identity, isOwnKnown: own != nil)
        request.passedArguments = passedArguments + keys
        request.passesKeys = !keys.isEmpty
        request.namesFiles = serverConfig != nil
        request.waits = volumes.waits
        if !volumes.noServerCheck {
            request.endpoints = { members in try servers.endpoints(of: members, session) }
        }
        return request
    }

    /// What the Jobs are told as it was said here.
    private var passedArguments: [String] {
        var arguments: [String] = []
        if let serverConfig { arguments.append("--server-config=\(serverConfig)") }
        if let appendonly { arguments.append("--appendonly=\(appendonly.rawValue)") }
        if ignoreCompatibility { arguments.append("--ignore-compatibility") }
        if let level = proof.proof { arguments.append("--proof=\(level.rawValue)") }
        return arguments
    }

    /// The container that we run in, where the downward API says which pod it is, and it is in the same namespace: what
    /// it refers to is not there in another.
    private func ownContainer(_ client: KubernetesClient, _ session: Session) async throws -> OwnContainer? {
        guard let pod = session.environment["POD_NAME"], !pod.isEmpty,
            session.environment["POD_NAMESPACE"] == client.namespace
        else { return nil }
        return try await client.ownContainer(pod: pod, namespace: client.namespace)
    }
}
