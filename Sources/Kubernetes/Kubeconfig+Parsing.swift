// SPDX-License-Identifier: Apache-2.0

import Failures
import Yams

extension Kubeconfig {
    /// Reads the text of a file. Does no I/O; relative paths become those of the file's folder.
    /// - Throws: `.configuration` when it is not the YAML of a kubeconfig.
    init(parsing text: String, path: String) throws {
        let reader = KubeconfigReader(path: path)
        guard let root = try reader.root(of: text) else { return }
        currentContext = try reader.text(root, "current-context")
        clusters = try reader.entries(root, "clusters", "cluster") { try reader.cluster($0, $1) }
        users = try reader.entries(root, "users", "user") { try reader.user($0, $1) }
        contexts = try reader.entries(root, "contexts", "context") { node, _ in
            Context(
                cluster: try reader.text(node, "cluster"),
                user: try reader.text(node, "user"),
                namespace: try reader.text(node, "namespace")
            )
        }
    }
}

/// Reads the nodes of one file.
private struct KubeconfigReader {
    let path: String

    /// `nil` for a file without content.
    func root(of text: String) throws -> Node? {
        let root: Node?
        do { root = try Yams.compose(yaml: text) } catch let error as YamlError {
            throw failure("it is not YAML\(Self.place(of: error))")
        } catch {
            throw failure("it is not YAML")
        }
        guard let root, !isEmpty(root) else { return nil }
        guard root.mapping != nil else { throw failure("it is no mapping at its top") }
        return root
    }

    /// Where it is wrong, without the line itself: a token may stand in it.
    private static func place(of error: YamlError) -> String {
        switch error {
        case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _):
            " (line \(mark.line))"
        default: ""
        }
    }

    /// A named list of `{name, <content>}`.
    func entries<Entry>(
        _ root: Node,
        _ list: String,
        _ content: String,
        _ make: (_ node: Node, _ name: String) throws -> Entry
    ) throws -> [String: Entry] {
        guard let node = root[list], !isEmpty(node) else { return [:] }
        guard let items = node.sequence else { throw failure("\(list) is no list") }
        var found: [String: Entry] = [:]
        for item in items {
            guard let name = try text(item, "name") else { throw failure("an entry of \(list) has no name") }
            guard found[name] == nil else { throw failure("\(list) has two entries of the name \(name)") }
            found[name] = try make(item[content] ?? Node(""), name)
        }
        return found
    }

    func cluster(_ node: Node, _ name: String) throws -> Kubeconfig.Cluster {
        let extensions = node["extensions"]?.sequence.map { Array($0) } ?? []
        let execConfig = try extensions.first { try text($0, "name") == "client.authentication.k8s.io/exec" }
        var nodesLeft = Self.execConfigNodesMax
        return Kubeconfig.Cluster(
            server: try text(node, "server"),
            tlsServerName: try text(node, "tls-server-name"),
            skipsVerification: try flag(node, "insecure-skip-tls-verify"),
            authorities: try material(node, "certificate-authority", of: "the cluster \(name)"),
            proxyURL: try text(node, "proxy-url"),
            execConfig: try execConfig?["extension"].map { try json($0, &nodesLeft) }
        )
    }

    func user(_ node: Node, _ name: String) throws -> Kubeconfig.User {
        Kubeconfig.User(
            certificate: try material(node, "client-certificate", of: "the user \(name)"),
            key: try material(node, "client-key", of: "the user \(name)"),
            token: try text(node, "token"),
            tokenFile: try text(node, "tokenFile").map(resolved),
            username: try text(node, "username"),
            password: try text(node, "password"),
            exec: try node["exec"].flatMap { isEmpty($0) ? nil : try exec($0, name) },
            authProvider: try node["auth-provider"].flatMap { isEmpty($0) ? nil : try text($0, "name") ?? "" },
            actsAs: try text(node, "as"),
            actsAsUID: try text(node, "as-uid"),
            actsAsGroups: try texts(node, "as-groups"),
            actsWithExtra: node["as-user-extra"]?.mapping?.isEmpty == false
        )
    }

    private func exec(_ node: Node, _ name: String) throws -> ExecPlugin {
        guard let command = try text(node, "command"), let version = try text(node, "apiVersion") else {
            throw failure("exec of the user \(name) lacks its command or its apiVersion")
        }
        var environment: [ExecPlugin.Variable] = []
        for item in node["env"]?.sequence.map({ Array($0) }) ?? [] {
            guard let variable = try text(item, "name") else {
                throw failure("a variable of exec of the user \(name) has no name")
            }
            environment.append(ExecPlugin.Variable(name: variable, value: try text(item, "value") ?? ""))
        }
        return ExecPlugin(
            apiVersion: version,
            // A bare name is looked for in PATH; anything else with a slash is a path.
            command: command.contains("/") ? resolved(command) : command,
            arguments: try texts(node, "args"),
            environment: environment,
            installHint: try text(node, "installHint"),
            wantsCluster: try flag(node, "provideClusterInfo"),
            interactiveMode: try text(node, "interactiveMode")
        )
    }

    // MARK: Values

    /// A scalar as it is written; `nil` when it is missing, empty or null.
    func text(_ node: Node, _ key: String) throws -> String? {
        guard let value = node[key], !isEmpty(value) else { return nil }
        guard let scalar = value.scalar else { throw failure("\(key) is no text") }
        return scalar.string
    }

    private func texts(_ node: Node, _ key: String) throws -> [String] {
        guard let value = node[key], !isEmpty(value) else { return [] }
        guard let items = value.sequence else { throw failure("\(key) is no list") }
        return try items.map { item in
            guard let scalar = item.scalar else { throw failure("\(key) is no list of texts") }
            return scalar.string
        }
    }

    private func flag(_ node: Node, _ key: String) throws -> Bool {
        guard let text = try text(node, key) else { return false }
        switch text.lowercased() {
        case "true": return true
        case "false": return false
        default: throw failure("\(key) is neither true nor false")
        }
    }

    private func material(_ node: Node, _ key: String, of owner: String) throws -> Kubeconfig.Material? {
        if let text = try text(node, "\(key)-data") {
            guard let bytes = Base64.bytes(text) else { throw failure("\(key)-data of \(owner) is not base64") }
            return .bytes(bytes)
        }
        return try text(node, key).map { .file(resolved($0)) }
    }

    /// Relative paths are relative to the folder of the file they stand in.
    private func resolved(_ other: String) -> String {
        guard !other.hasPrefix("/"), let slash = path.lastIndex(of: "/") else { return other }
        return path[...slash] + other
    }

    private func isEmpty(_ node: Node) -> Bool {
        guard let scalar = node.scalar, scalar.style == .plain || scalar.string.isEmpty else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }

    /// Aliases of YAML make a large value of a small text.
    private static let execConfigNodesMax = 10_000

    private func json(_ node: Node, _ nodesLeft: inout Int) throws -> JSONValue {
        nodesLeft -= 1
        guard nodesLeft > 0 else { throw failure("an extension has more than \(Self.execConfigNodesMax) values") }
        if let mapping = node.mapping {
            var members: [String: JSONValue] = [:]
            for (key, value) in mapping { members[key.scalar?.string ?? ""] = try json(value, &nodesLeft) }
            return .object(members)
        }
        if let sequence = node.sequence { return .array(try sequence.map { try json($0, &nodesLeft) }) }
        guard let scalar = node.scalar, scalar.style == .plain else { return .text(node.scalar?.string ?? "") }
        if ["", "~", "null"].contains(scalar.string) { return .null }
        if ["true", "false"].contains(scalar.string) { return .bool(scalar.string == "true") }
        if let value = Int64(scalar.string) { return .integer(value) }
        return .text(scalar.string)
    }

    private func failure(_ what: String) -> Failure {
        Failure(.configuration, "read the kubeconfig \(path): \(what)", hint: "`kubectl config view` reads it too.")
    }
}
