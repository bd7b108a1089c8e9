// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import Failures
import Operations
import RedisClient

extension RestoreCommand {
    /// What is about a folder says nothing about servers that run, and must not be taken for done.
    func validateServers() throws {
        let given = [
            ("--guard", holding.guard), ("--peer", !holding.peer.isEmpty), ("--require-fresh", requireFresh),
            ("--replace-empty", replaceEmpty), ("--server-config", serverConfig != nil),
            ("--server-version", serverVersion != nil), ("--appendonly", appendonly != nil),
            ("--request-id", requestID != nil), ("--owner", owner != nil),
        ].filter(\.1).map(\.0)
        guard given.isEmpty || clustering.cluster else {
            throw ValidationError("\(given.joined(separator: ", ")): only with --data-dir, not with servers that run")
        }
    }

    /// Restores into servers that run.
    func intoServers(_ session: Session) async throws -> ExitCode {
        try await servers.withServers(session) { found in
            let request = try request(found, session)
            let keyring = try await identity.keyring(session)
            let outcome = try await source.store.withStore(at: source.from, session) { store in
                let restore = RestoreServers(
                    request,
                    from: Catalog(store: store, keyring: keyring),
                    meter: session.meter,
                    logger: session.logger,
                    confirm: confirm
                )
                return try await session.progress.show { try await restore.run() }
            }
            RunFacts.note { $0.restored(outcome) }
            let report = RestoreServersReport(outcome, isDryRun: dryRun)
            try session.result(report.text(outcome), report, verdict: report.sentence)
            if dryRun { try outcome.plan.requireGo() }
            return outcome.isPartial ? .partial : .done
        }
    }

    /// One fresh server is restored without a question.
    private func confirm(_ plan: RestoreServersPlan) async throws {
        let losesData = plan.targets.contains { target in
            target.needsSnapshot && target.look.info.keyCount > 0
        }
        guard !yes, plan.targets.count > 1 || losesData else { return }
        try await Confirmation.ask(
            plan.lines,
            question: "restore \(plan.manifest.name)/\(plan.manifest.id) into \(plan.targets.count) servers"
        )
    }

    private func request(_ found: FoundServers, _ session: Session) throws -> RestoreServersRequest {
        var request = RestoreServersRequest(
            reference: try BackupReference(backup),
            servers: try found.servers.map { server in
                var target = try RestoreServer(
                    server.name,
                    server.endpoint,
                    server.pod,
                    isAlone: found.servers.count == 1
                )
                target.memoryLimitBytes = plan.memoryLimitBytes
                return target
            }
        )
        request.name = source.name ?? (servers.set.statefulset == nil ? nil : found.subjectName)
        request.member = member
        request.primary = serving.primary
        request.rejoins = try rejoined(session)
        request.route = route.route(servers)
        request.parallel = serving.parallel
        request.proof = proof.proof
        request.settleSeconds = serving.settleTimeout.inSeconds
        request.expiries = ttl.ttl
        request.replaces = replace
        request.detaches = serving.detach
        request.ignoresSentinel = serving.ignoreSentinel
        request.allowsEmptyPrimary = serving.allowEmptyPrimary
        request.ignoresObstacles = ignoreCompatibility
        request.isDryRun = dryRun
        return request
    }

    private func rejoined(_ session: Session) throws -> RestoreServer? {
        guard let endpoint = try servers.endpoints(serving.rejoin.map { [$0] } ?? [], session).first else { return nil }
        return try RestoreServer(endpoint.memberName, endpoint, isAlone: false)
    }
}

extension RestoreServer {
    /// A server as the options name it.
    /// - Parameter isAlone: whether no other has to reach it.
    /// - Throws: `.usage` where others would have to reach it by its socket.
    init(_ name: String, _ endpoint: RedisEndpoint, _ pod: BackupMember.Pod? = nil, isAlone: Bool) throws {
        switch endpoint.url.address {
        case .tcp(let host, let port):
            let address = ServerAddress(host: pod?.domainName ?? host, port: port)
            self.init(name: name, endpoint: endpoint, address: address, pod: pod)
        case .unix(let path):
            guard isAlone else {
                throw Failure(
                    .usage,
                    "restore into \(path): others cannot follow a server, or be followed, by its socket",
                    hint: "Give its address with --endpoint redis://HOST:PORT."
                )
            }
            self.init(name: name, endpoint: endpoint, address: ServerAddress(host: "127.0.0.1", port: 0), pod: pod)
        }
    }
}
