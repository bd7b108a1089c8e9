// SPDX-License-Identifier: Apache-2.0

import Failures

/// What one kubeconfig says, or several that were merged. Paths in it are absolute, or relative to the current folder.
struct Kubeconfig: Sendable, Equatable {
    var clusters: [String: Cluster] = [:]
    var users: [String: User] = [:]
    var contexts: [String: Context] = [:]
    var currentContext: String?

    struct Cluster: Sendable, Equatable {
        var server: String?
        var tlsServerName: String?
        var skipsVerification = false
        var authorities: Material?
        var proxyURL: String?
        /// What an exec plugin is given about the cluster, unread.
        var execConfig: JSONValue?
    }

    struct User: Sendable, Equatable {
        var certificate: Material?
        var key: Material?
        var token: String?
        var tokenFile: String?
        var username: String?
        var password: String?
        var exec: ExecPlugin?
        /// The name of an `auth-provider`, which no current client knows any more.
        var authProvider: String?
        var actsAs: String?
        var actsAsUID: String?
        var actsAsGroups: [String] = []
        var actsWithExtra = false
    }

    struct Context: Sendable, Equatable {
        var cluster: String?
        var user: String?
        var namespace: String?
    }

    /// Bytes that stand in the file, or in a file of their own. Data wins over a file, as in kubectl.
    enum Material: Sendable, Equatable {
        case bytes([UInt8])
        case file(String)
    }

    /// Takes over what this one lacks: of each entry, and of the current context, the first file that has it wins.
    mutating func merge(_ later: Kubeconfig) {
        clusters.merge(later.clusters) { first, _ in first }
        users.merge(later.users) { first, _ in first }
        contexts.merge(later.contexts) { first, _ in first }
        currentContext = currentContext ?? later.currentContext
    }

    /// What to use: the named context, or the current one, with its cluster and its user.
    /// - Throws: `.configuration` when one of them is not there.
    func chosen(_ name: String?) throws -> (context: Context, cluster: Cluster, user: User) {
        guard let name = name ?? currentContext else {
            throw Failure(
                .configuration,
                "choose a context of the kubeconfig: it has no current one, \(known)",
                hint: "Name one with --context."
            )
        }
        guard let context = contexts[name] else {
            throw Failure(
                .configuration,
                "use the context \(name) of the kubeconfig: there is none of that name, \(known)",
                hint: "`kubectl config get-contexts` lists them."
            )
        }
        guard let clusterName = context.cluster, let cluster = clusters[clusterName] else {
            let cluster = context.cluster.map { "its cluster \($0) is not in it" } ?? "it names no cluster"
            throw Failure(.configuration, "use the context \(name) of the kubeconfig: \(cluster)")
        }
        guard let userName = context.user else { return (context, cluster, User()) }
        guard let user = users[userName] else {
            let what = "its user \(userName) is not in it"
            throw Failure(.configuration, "use the context \(name) of the kubeconfig: \(what)")
        }
        return (context, cluster, user)
    }

    private static let shownNamesMax = 20

    private var known: String {
        let names = contexts.keys.sorted()
        if names.isEmpty { return "and no contexts at all" }
        let more = names.count > Self.shownNamesMax ? " and \(names.count - Self.shownNamesMax) more" : ""
        return "it knows \(names.prefix(Self.shownNamesMax).joined(separator: ", "))\(more)"
    }
}
