// SPDX-License-Identifier: Apache-2.0

import Failures
import RedisProtocol

extension Failure {
    /// What an error reply to a command means for whoever runs this program.
    init(_ error: RESPError, replyTo command: RESPCommand, from endpoint: RedisEndpoint) {
        let user = endpoint.credentials?.user ?? "default"
        // An error of AUTH may quote its arguments: `unknown command 'AUTH', with args beginning with: 'secret'`.
        let words = command.name == "AUTH" ? error.kind : error.description
        let login = command.name == "AUTH" ? endpoint.credentials.map { " (\($0.summary))" } : nil
        let said = "\(endpoint) answered \(command)\(login ?? "") with: \(words)"
        switch error.kind {
        case "NOAUTH":
            self.init(
                .authenticationFailed,
                said,
                hint: "Give the password in REDISCLI_AUTH or in a file with --password-file."
            )
        case "WRONGPASS":
            self.init(
                .authenticationFailed,
                said,
                hint: "Compare the user name and the password with `ACL LIST` on the server; "
                    + "in the URL of a server, a password has a colon before it."
            )
        case "NOPERM":
            self.init(.permissionDenied, said, hint: Self.permissionHint(error, command: command, user: user))
        case "DENIED":
            self.init(
                .permissionDenied,
                said,
                hint: "The server is in protected mode: give its default user a password, or bind it on purpose."
            )
        case "LOADING":
            self.init(.memberLoading, said, hint: "Try again when the server has loaded its dataset.")
        case "MASTERDOWN", "NOMASTERLINK":
            self.init(
                .replicaLinkDown,
                said,
                hint: "Look at `INFO replication` there: its primary must be reachable, and its link up."
            )
        case "OOM":
            self.init(.noSpace, said, hint: "Raise maxmemory on the server, or make room there.")
        case "READONLY":
            self.init(.configuration, said, hint: "The server is a replica: name its primary.")
        case "MISCONF":
            self.init(.saveFailed, said, hint: "The last save of the server failed; its log says why.")
        case "BUSY", "TRYAGAIN", "CLUSTERDOWN":
            self.init(.unreachable, said)
        default:
            self.init(plain: error, said: said, replyTo: command)
        }
    }

    /// Errors that only their text tells apart.
    private init(plain error: RESPError, said: String, replyTo command: RESPCommand) {
        let text = error.description.lowercased()
        if command.name == "AUTH" {
            self.init(
                .authenticationFailed,
                said,
                hint: "Compare the user name and the password with those of the server; "
                    + "one that asks for no password accepts none, and one before 6.0 knows no users."
            )
        } else if text.contains("max number of clients") {
            self.init(.unreachable, said, hint: "Raise `maxclients` on the server, or try again later.")
        } else if text.contains("unknown command") || text.contains("unknown subcommand") {
            self.init(
                .unsupported,
                said,
                hint: "The server does not know \(command), or it was renamed with `rename-command`."
            )
        } else {
            self.init(.unclassified, said)
        }
    }

    private static func permissionHint(_ error: RESPError, command: RESPCommand, user: String) -> String {
        let right =
            if error.message.contains("channel") {
                "allchannels"
            } else {
                // `No permissions to access a key`: only a restore of keys touches any.
                error.message.contains("access") && error.message.contains("key") ? "~*" : "+\(command.right)"
            }
        return "Type on the server: ACL SETUSER \(user) \(right)"
    }
}
