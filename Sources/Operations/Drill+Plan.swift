// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import RedisClient
import RedisProtocol

extension Drill {
    /// What a drill would do.
    package struct Plan: Sendable {
        package let manifest: Manifest
        package let members: [Manifest.Member]
        package let server: Server
        /// What the largest of the snapshots needs in the work directory, and what is free there; `nil` where nothing
        /// is written there.
        package let room: Room?

        /// The server: `redis`, its version, and where it is.
        package struct Server: Sendable {
            package let product: String
            package let version: String
            package let place: String
            package let isAppendOnly: Bool
            /// Whether it ran before the drill, and runs after it.
            package let isForeign: Bool
            package var title: String { "\(product) \(version)" }
        }

        package struct Room: Sendable {
            package let neededBytes: Int64
            package let freeBytes: Int64
        }
    }

    /// What would be done, and whether it could be. Nothing is changed.
    /// - Throws: `.noSuchBackup`, `.cannotDecrypt`; `.guardRefused` when the server could not load a snapshot, or when
    ///   one that runs holds data; `.noSpace`, `.configuration`.
    package func plan(_ manifest: Manifest) async throws -> Plan {
        let members = try request.choice.members(of: manifest)
        for member in members { try await catalog.requireOpenable(member) }
        switch request.target {
        case .program(let program):
            for member in members { try requireGo(member, of: manifest, for: try program.facts(), in: program.title) }
            let needed = (members.map { $0.rdb?.bytes ?? 0 }.max() ?? 0) + Self.spareBytes
            let free = try await freeBytes(in: request.workDirectory)
            guard free >= needed else {
                throw Failure(
                    .noSpace,
                    "restore into \(request.workDirectory): \(free) bytes are free, \(needed) are needed",
                    hint: "Give a folder with more room with --work-dir."
                )
            }
            return Plan(
                manifest: manifest,
                members: members,
                server: .init(
                    product: program.product.rawValue,
                    version: program.version ?? "unknown",
                    place: program.path,
                    isAppendOnly: request.appendOnly,
                    isForeign: false
                ),
                room: .init(neededBytes: needed, freeBytes: free)
            )
        case .running(let server):
            guard members.count == 1 else {
                throw Failure(
                    .usage,
                    "drill \(members.count) members in \(server.name): one server holds one of them",
                    hint: "Choose one with --member: \(members.map(\.member).joined(separator: ", "))."
                )
            }
            guard let look = try await TargetSurvey.take(of: [server]).looks.first else {
                throw Failure(.unclassified, "look at \(server.name): nothing was seen")
            }
            let isAlone = look.info.role == .primary && (look.info.connectedReplicaCount ?? 0) == 0
            guard look.info.keyCount == 0, isAlone else {
                let reason = isAlone ? "it holds \(look.info.keyCount) keys" : "it is one of a replicated set"
                throw Failure(
                    .guardRefused,
                    "drill in \(server.name): \(reason), and a drill fills only an empty server that is alone",
                    hint: "Start the server anew, empty, or leave --endpoint out: then one is started for the drill."
                )
            }
            for member in members { try requireGo(member, of: manifest, for: look.facts, in: server.name) }
            let (product, version) = (look.info.product.rawValue, look.info.versionText ?? "unknown")
            return Plan(
                manifest: manifest,
                members: members,
                server: .init(
                    product: product,
                    version: version,
                    place: server.endpoint.description,
                    isAppendOnly: look.facts.isAppendOnly ?? false,
                    isForeign: true
                ),
                room: nil
            )
        }
    }

    private func requireGo(
        _ member: Manifest.Member,
        of manifest: Manifest,
        for facts: RestoreTargetFacts,
        in server: String
    ) throws {
        let plan = RestorePlan.assess(
            member,
            of: manifest,
            for: facts,
            allowing: .init(ignoresCompatibility: request.ignoresObstacles),
            now: .now()
        )
        try plan.requireGo("\(member.member) of \(manifest.name)/\(manifest.id) into \(server)")
    }
}
