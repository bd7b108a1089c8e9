// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Logging
import ObjectStorage
import RedisClient
import RedisProtocol

/// Finds out beforehand whether a backup would work here, with these rights: at each member, and at the store.
///
/// Nothing is saved and nothing is changed; the store gets one small object, which is removed again.
package struct Check: Sendable {
    /// One thing that was looked at.
    package struct Finding: Sendable {
        package enum Verdict: String, Sendable, Codable {
            case good
            /// A backup works, but something should be known.
            case warning
            /// A backup would fail.
            case bad
        }

        /// The member or the store.
        package let subject: String
        /// What was looked at: `connection`, `fitness`, `right +psync`, …
        package let item: String
        package let verdict: Verdict
        package let detail: String
        /// What to do about it.
        package let hint: String?
        /// What a bad finding means for the exit code.
        package let code: Failure.Code?

        package init(_ subject: String, _ item: String, _ verdict: Verdict, _ detail: String, hint: String? = nil) {
            self.subject = subject
            self.item = item
            self.verdict = verdict
            self.detail = detail
            self.hint = hint
            code = nil
        }

        package init(_ subject: String, _ item: String, failed failure: Failure) {
            self.subject = subject
            self.item = item
            verdict = .bad
            detail = failure.description
            hint = failure.hint
            code = failure.code
        }
    }

    let logger: Logger

    package init(logger: Logger) {
        self.logger = logger
    }

    /// Looks at one member.
    package func run(_ member: BackupMember) async -> [Finding] {
        do {
            if let absence = member.pod?.absence { throw absence }
            return try await withRedisConnection(member.endpoint) { connection in
                let info = try await connection.info()
                var findings = [Self.connection(member, info), Self.fitness(member, info)]
                findings += Self.persistence(member, info, try await connection.configGet("*"))
                findings += Self.memory(member, info)
                findings.append(Self.clock(member, atMicroseconds: try await connection.time()))
                for command in member.source.commands + Self.clusterCommands(info) {
                    findings.append(try await right(to: command, member, connection, info))
                }
                if info.role == .primary { findings.append(try await sentinel(member, connection)) }
                return findings
            }
        } catch {
            let failure = Failure(wrapping: error, attempting: "ask \(member.name)")
            return [Finding(member.name, "connection", failed: failure)]
        }
    }

    private static func connection(_ member: BackupMember, _ info: ServerInfo) -> Finding {
        let version = "\(info.product.rawValue) \(info.versionText ?? "of an unknown version")"
        return Finding(
            member.name,
            "connection",
            .good,
            "\(member.endpoint) is \(version), \(info.role?.rawValue ?? "?")"
        )
    }

    private static func fitness(_ member: BackupMember, _ info: ServerInfo) -> Finding {
        if let failure = member.fitness.unfitness(of: info, member: member.name) {
            return Finding(member.name, "fitness", failed: failure)
        }
        return Finding(member.name, "fitness", .good, "it can be backed up now: \(info.keyCount) keys")
    }

    /// Whether the user may run a command, without running it: `ACL DRYRUN` where that is allowed (7.0 and later),
    /// else the command itself in a form that only tells about the right.
    private func right(
        to command: [String],
        _ member: BackupMember,
        _ connection: RedisConnection,
        _ info: ServerInfo
    ) async throws -> Finding {
        let item = "right to \(command[0] == "CLUSTER" ? command.joined(separator: " ") : command[0])"
        let user = member.endpoint.credentials?.user ?? "default"
        let reply = try await connection.reply(to: RESPCommand(["ACL", "DRYRUN", user] + command))
        if reply.text == "OK" { return Finding(member.name, item, .good, "user \(user) may") }
        if let text = reply.text {
            return Finding(
                member.name,
                item,
                failed: Failure(
                    .permissionDenied,
                    "\(member.endpoint) says of user \(user): \(text)",
                    hint: "Type on the server: ACL SETUSER \(user) +\(Self.right(of: command))"
                )
            )
        }
        guard let harmless = Self.harmlessForm(of: command, info) else {
            return Finding(member.name, item, .warning, "cannot be found out without running it")
        }
        let error = try await connection.reply(to: RESPCommand(harmless)).error
        if error?.kind == "NOPERM" {
            return Finding(
                member.name,
                item,
                failed: Failure(
                    .permissionDenied,
                    "\(member.endpoint) answered: \(error?.description ?? "")",
                    hint: "Type on the server: ACL SETUSER \(user) +\(Self.right(of: command))"
                )
            )
        }
        return Finding(member.name, item, .good, "user \(user) may")
    }

    /// What a node of a cluster is asked too.
    private static func clusterCommands(_ info: ServerInfo) -> [[String]] {
        guard info.mode == .cluster else { return [] }
        let isNewValkey = info.product == .valkey && info.version.map { $0 >= ServerVersion(9, 0, 0) } == true
        return [["CLUSTER", "NODES"]] + (isNewValkey ? [["CLUSTER", "GETSLOTMIGRATIONS"]] : [])
    }

    /// The right as `ACL SETUSER` takes it.
    private static func right(of command: [String]) -> String {
        (command[0] == "CLUSTER" ? command.joined(separator: "|") : command[0]).lowercased()
    }

    /// Since 7.0 an offset that is no number is refused before anything is synchronized (replication.c,
    /// `syncCommand`).
    private static func harmlessForm(of command: [String], _ info: ServerInfo) -> [String]? {
        switch command[0] {
        case "REPLCONF", "CLUSTER", "LASTSAVE": return command
        case "PSYNC": return info.version.map { $0 >= ServerVersion(7, 0, 0) } == true ? ["PSYNC", "?", "none"] : nil
        default: return nil
        }
    }

    private func sentinel(_ member: BackupMember, _ connection: RedisConnection) async throws -> Finding {
        switch try await connection.isWatchedBySentinel() {
        case true?:
            return Finding(
                member.name,
                "sentinel",
                .warning,
                "Sentinel watches this primary: a backup leaves it out",
                hint: "Its replicas are backed up; --from-watched-primary takes it all the same."
            )
        case false?: return Finding(member.name, "sentinel", .good, "no Sentinel watches it")
        case nil:
            return Finding(
                member.name,
                "sentinel",
                .warning,
                "cannot be found out: the right to CLIENT LIST is missing"
            )
        }
    }
}
