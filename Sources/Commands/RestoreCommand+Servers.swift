// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Operations
import RedisClient

extension RestoreCommand {
    /// Restores into servers that run.
    func intoServers(_ session: Session) async throws -> ExitCode {
        try await servers.withServers(session) { found in
            let request = try request(found, session)
            let outcome = try await source.store.withStore(at: source.from, session) { store in
                let restore = RestoreServers(
                    request,
                    from: Catalog(store: store),
                    meter: session.meter,
                    logger: session.logger,
                    confirm: confirm
                )
                return try await session.progress.show { try await restore.run() }
            }
            let report = RestoreServersReport(outcome, isDryRun: dryRun)
            try session.result(report.text(outcome), report, verdict: report.sentence)
            if dryRun { try outcome.plan.requireGo() }
            return outcome.isPartial ? .partial : .done
        }
    }

    /// One fresh server is restored without a question.
    private func confirm(_ plan: RestoreServersPlan) async throws {
        let losesData = plan.targets.contains { target in
            if case .holdsData = target.state { return target.needsSnapshot }
            return false
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
            servers: try found.servers.map { try server($0, isAlone: found.servers.count == 1) }
        )
        request.name = source.name ?? (servers.set.statefulset == nil ? nil : found.subjectName)
        request.member = member
        request.primary = serving.primary
        request.rejoins = try rejoined(session)
        request.route = serving.route(servers)
        request.parallel = serving.parallel
        request.proof = proof.proof
        request.settleSeconds = serving.settleTimeout
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
        return try server(.init(name: endpoint.memberName, endpoint: endpoint, pod: nil), isAlone: false)
    }

    private func server(_ found: FoundServers.Server, isAlone: Bool) throws -> RestoreServer {
        switch found.endpoint.url.address {
        case .tcp(let host, let port):
            let address = ServerAddress(host: found.pod?.domainName ?? host, port: port)
            return RestoreServer(name: found.name, endpoint: found.endpoint, address: address, pod: found.pod)
        case .unix(let path):
            guard isAlone else {
                throw Failure(
                    .usage,
                    "restore into \(path): others cannot follow a server, or be followed, by its socket",
                    hint: "Give its address with --endpoint redis://HOST:PORT."
                )
            }
            let address = ServerAddress(host: "127.0.0.1", port: 0)
            return RestoreServer(name: found.name, endpoint: found.endpoint, address: address)
        }
    }
}
