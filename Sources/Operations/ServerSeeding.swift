// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import Logging
import ObjectStorage
import RDB
import RedisClient
import RedisProtocol
import Synchronization

/// Gives one snapshot to one running server: the server is told to replicate this program, which answers its `PSYNC`
/// with a full synchronization whose bytes come straight from the store (redis src/replication.c, `syncWithMaster`).
///
/// The server loads it whether its append-only file is on or off, keeps keys whose time has passed, and knows its place
/// in the history afterwards. At the end it holds the snapshot and still follows this program, which is gone: it must
/// be promoted, or told whom to follow.
struct ServerSeeding: Sendable {
    let route: SeedRoute
    let catalog: Catalog
    let proof: RDBLevel?
    let meter: ProgressMeter
    let logger: Logger

    /// How long each part took, in seconds.
    struct Times: Sendable, Hashable {
        /// From the request to the last byte sent.
        let stream: Double
        /// From the last byte to the report that all is loaded.
        let load: Double
    }

    /// How often a server that does not hold the snapshot yet is asked again, and how long between.
    private static let settleTries = 50
    private static let settleInterval = Duration.milliseconds(100)
    /// How long putting a server back may take.
    private static let putBackSeconds = 5.0

    /// Finds out whether the server could come: before anything is done to any of them.
    /// - Throws: `.configuration` where the address cannot be listened on, or a certificate is missing.
    func rehearse(_ look: TargetSurvey.Look) async throws {
        try await withSeedListener(try await settings(for: look), logger: logger) { _ in }
    }

    /// - Throws: what the store, the proof or the server throws. The server is put back then: to the primary it
    ///   followed when it held data, to nobody when it held none.
    func seed(_ look: TargetSurvey.Look, as plan: RestoreServersPlan) async throws -> Times {
        let server = look.server
        let member = plan.member
        guard let snapshot = member.rdb else {
            throw Failure(.noSuchBackup, "restore \(member.member): the set holds no snapshot of it")
        }
        let step = meter.begin("restore \(server.name)", expectedBytes: snapshot.bytes)
        defer { step.end() }
        let times = try await withSeedListener(try await settings(for: look), logger: logger) { listener in
            do {
                try await follow(look, listener)
            } catch let failure as Failure where !failure.code.isTransient {
                // It was refused, and the server is as it was.
                throw failure.during("restore \(member.member) into \(server.name)")
            } catch {
                await putBack(look)
                throw error
            }
            do {
                return try await DamagedSet.explaining(plan.manifest, member, into: server.name, from: catalog) {
                    try await send(snapshot, as: plan, over: listener, progress: step)
                }
            } catch {
                await putBack(look)
                let failure = Failure(wrapping: error, attempting: "cancelled")
                throw await
                    (failure.code.meansDamage || failure.code == .interrupted
                    ? failure : failure.during("restore \(member.member) into \(server.name)")).explained(
                        by: server.pod
                    )
            }
        }
        // What holds something else is not made a primary: it stays for somebody to look at.
        try await requireHeld(snapshot, plan.header, by: server)
        return times
    }

    /// Tells the server to replicate this program.
    private func follow(_ look: TargetSurvey.Look, _ listener: SeedListener) async throws {
        try await withRedisConnection(look.server.endpoint) { connection in
            let host = route.advertisedHost ?? connection.addresses?.local ?? "127.0.0.1"
            let port = route.advertisedPort ?? listener.port
            // It is looked at once more: what was fresh may hold data by now.
            let info = try await connection.info()
            guard look.info.keyCount > 0 || info.keyCount == 0, info.runID == look.info.runID else {
                throw Failure(
                    .guardRefused,
                    "restore into \(look.server.name): it holds \(info.keyCount) keys, and held "
                        + "\(look.info.keyCount) when it was looked at; it was left as it is",
                    hint: "Look at it, and restore again; --replace gives up what it holds."
                )
            }
            listener.open()
            logger.debug("\(look.server.name) is told to replicate \(host), port \(port)")
            try await connection.replicate(host: host, port: port)
        }
    }

    private func send(
        _ snapshot: Manifest.Snapshot,
        as plan: RestoreServersPlan,
        over listener: SeedListener,
        progress: ProgressMeter.Step
    ) async throws -> Times {
        let clock = ContinuousClock()
        let begin = clock.now
        let sentAt = Mutex(begin)
        let (member, header) = (plan.member, plan.header)
        let level = proof ?? member.provenLevel
        let replica = try await listener.replica()
        try await catalog.withStoredBytes(of: member) { stored in
            let scanner = RDBScanner(level: level)
            _ = try await SnapshotPipeline.replay(
                stored,
                of: member,
                with: catalog.keyring,
                by: scanner,
                progress: progress
            ) { chunks in
                let sent: @Sendable () -> Void = { sentAt.withLock { $0 = clock.now } }
                guard let rewriting = plan.rewriting else {
                    return try await replica.load(chunks, as: header, bytes: snapshot.bytes, sent: sent)
                }
                let scanner = RDBScanner(level: level)
                _ = try await SnapshotPipeline.rewriting(chunks, of: member, as: rewriting, by: scanner) { chunks in
                    try await replica.load(chunks, as: header, bytes: nil, sent: sent)
                }
            }
        }
        let sent = sentAt.withLock(\.self)
        return Times(stream: (sent - begin) / .seconds(1), load: (clock.now - sent) / .seconds(1))
    }

    /// Where to listen for the server, and who may come.
    private func settings(for look: TargetSurvey.Look) async throws -> SeedSettings {
        let addresses = try await withRedisConnection(look.server.endpoint) { $0.addresses }
        let local = addresses?.local ?? "127.0.0.1"
        let everywhere = local.contains(":") ? "::" : "0.0.0.0"
        let own = route.advertisedHost == nil ? local : everywhere
        // A server that is spoken to over a socket is on this machine.
        let remote: Set = addresses.map { [$0.remote] } ?? ["127.0.0.1", "::1"]
        var settings = SeedSettings(host: route.listenHost ?? own, peers: remote.union(route.peers))
        settings.port = route.listenPort
        // It says where it listens, or what it was told to say (`replica-announce-port`).
        let ports = ["port", "tls-port", "replica-announce-port", "slave-announce-port"].compactMap {
            look.settings?[$0]
        }
        settings.listeningPorts = Set(
            (ports.compactMap { Int($0) } + [look.info.port.map(Int.init) ?? 0]).filter { $0 > 0 }
        )
        settings.connectSeconds = route.connectSeconds
        settings.noProgressSeconds = look.server.endpoint.deadlines.noProgressSeconds
        if look.settings?["tls-replication"] == "yes" || (look.settings == nil && route.tls != nil) {
            guard var tls = route.tls else {
                throw Failure(
                    .configuration,
                    "restore into \(look.server.name): it replicates over TLS (tls-replication yes), and there is no "
                        + "certificate to show to it",
                    hint: "Give one that its tls-ca-cert-file vouches for: --seed-cert FILE --seed-key FILE."
                )
            }
            // As the servers treat each other: one that asks nobody for a certificate may have one that no client may
            // show.
            if look.settings?["tls-auth-clients"] != "yes" { tls.skipsVerification = true }
            settings.tls = tls
        }
        return settings
    }

    /// The server counts what it holds: all of the snapshot, also what has expired since.
    private func requireHeld(
        _ snapshot: Manifest.Snapshot,
        _ header: SeedHeader,
        by server: RestoreServer
    ) async throws {
        for attempt in 1...Self.settleTries {
            let info = try await withRedisConnection(server.endpoint) { try await $0.info() }
            let held = info.keyspace.filter { $0.value.keys > 0 }.map { ("\($0.key)", UInt64($0.value.keys)) }
            let isEqual =
                Dictionary(held, uniquingKeysWith: { first, _ in first }) == snapshot.keys.filter { $0.value > 0 }
            let isThere = info.replicationID == header.replicationID && info.replicationOffset == header.offset
            if isEqual, isThere, !info.isLoading { return }
            if attempt < Self.settleTries { try await Task.sleep(for: Self.settleInterval) }
        }
        throw Failure(
            .digestMismatch,
            "count what \(server.name) holds: it is not the \(snapshot.keyCount) keys of the snapshot",
            hint: "Does anything write to it (replica-read-only no)? Stop that, and restore again."
        )
    }

    /// Leaves the server as it was, as far as it can be. A server that cannot be reached is left as it is: it follows
    /// an address at which nobody answers, and holds what it held.
    private func putBack(_ look: TargetSurvey.Look) async {
        let former = look.info.keyCount > 0 && look.info.role == .replica ? look.info.formerPrimary : nil
        var endpoint = look.server.endpoint
        endpoint.deadlines = RedisDeadlines(connectSeconds: Self.putBackSeconds, noProgressSeconds: Self.putBackSeconds)
        let hadKeys = look.info.keyCount > 0
        let failure = await withCancellationShield { [endpoint] () -> (any Error)? in
            do {
                try await withRedisConnection(endpoint) { connection in
                    let info = try await connection.info()
                    guard !info.isLoading, !hadKeys || info.keyCount > 0 else {
                        // Its replicas would take an empty primary for theirs, and lose what they hold, too (F36).
                        throw Failure(
                            .memberChanged,
                            "it dropped the data that it held, and is not made a primary"
                        )
                    }
                    if let former {
                        try await connection.replicate(host: former.host, port: former.port)
                    } else {
                        try await connection.replicateNobody()
                    }
                }
                return nil
            } catch {
                return error
            }
        }
        if let failure {
            logger.warning(
                "\(look.server.name) could not be put back, and follows an address where nobody answers: \(failure)"
            )
        }
    }
}

extension ServerInfo {
    /// Whom a replica follows.
    var formerPrimary: ServerAddress? {
        guard let primaryHost, let primaryPort else { return nil }
        return ServerAddress(host: primaryHost, port: Int(clamping: primaryPort))
    }
}
