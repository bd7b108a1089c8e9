// SPDX-License-Identifier: Apache-2.0

import Failures
import Logging
import RedisProtocol

/// What a member said of itself right before its snapshot was asked for.
struct MemberSample: Sendable {
    let info: ServerInfo
    /// The clock of the server before the request, in seconds since 1970.
    let requestedAtSeconds: Int64
}

/// How a member is looked at before and after its snapshot, the same for every source.
struct MemberExamination: Sendable {
    let endpoint: RedisEndpoint
    let fitness: MemberFitness
    /// How long to wait for a member that loads its dataset, in seconds.
    let loadingWaitSecondsMax: Double
    let pollMilliseconds: Int
    let logger: Logger

    /// The name of the member in messages.
    var member: String { endpoint.description }

    /// Looks at the member, waiting a bounded time while it loads.
    /// - Throws: what `MemberFitness` finds.
    func before(_ connection: RedisConnection) async throws -> MemberSample {
        let clock = ContinuousClock()
        let deadline = clock.now.advanced(by: .seconds(loadingWaitSecondsMax))
        while true {
            let info = try await connection.info()
            guard let unfitness = fitness.unfitness(of: info, member: member) else {
                return MemberSample(info: info, requestedAtSeconds: try await connection.time() / 1_000_000)
            }
            guard unfitness.code == .memberLoading, clock.now < deadline else { throw unfitness }
            logger.debug("waiting for a member that is not ready", metadata: ["member": "\(member)"])
            try await clock.sleep(for: .milliseconds(pollMilliseconds))
        }
    }

    /// Looks at the member again, over a connection of its own.
    /// - Throws: `.memberChanged`, and what `MemberFitness` finds.
    func after(_ sample: MemberSample) async throws {
        let info = try await withRedisConnection(endpoint) { try await $0.info() }
        switch fitness.change(from: sample.info, to: info, member: member) {
        case .none: break
        case .warning(let text): logger.warning("\(text)")
        case .failure(let failure): throw failure
        }
    }
}
