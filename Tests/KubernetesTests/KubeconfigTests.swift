// SPDX-License-Identifier: Apache-2.0

import Failures
import Foundation
import Kubernetes
import TestParts
import Testing

@Suite(.timeLimit(.minutes(2))) struct KubeconfigTests {
    /// Where `settings` lead: server and namespace. Nothing is asked of the server.
    private static func place(_ settings: KubernetesSettings) async throws -> [String] {
        try await withClient(settings) { [$0.server, $0.namespace] }
    }

    private static func write(_ text: String, _ name: String, in folder: URL) throws -> String {
        let file = folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(),
            withIntermediateDirectories: true
        )
        try Data(text.utf8).write(to: file)
        return file.path
    }

    @Test func theFileThatIsNamedIsTheOnlyOne() async throws {
        try await withTemporaryFolder { folder in
            let named = try kubeconfig(in: folder, name: "named", server: "https://named", namespace: "ns1")
            let other = try kubeconfig(in: folder, name: "other", server: "https://other")
            let environment = ["KUBECONFIG": other, "HOME": folder.path]
            #expect(
                try await Self.place(KubernetesSettings(kubeconfig: named, environment: environment))
                    == ["https://named", "ns1"]
            )
            #expect(
                try await Self.place(KubernetesSettings(kubeconfig: named, namespace: "ns2", environment: environment))
                    == ["https://named", "ns2"]
            )
            #expect(try await Self.place(KubernetesSettings(environment: environment)) == ["https://other", "default"])
            let missing = KubernetesSettings(kubeconfig: "\(folder.path)/missing", environment: environment)
            let failure = await failure(.configuration) { _ = try await Self.place(missing) }
            #expect(failure?.message == "read the kubeconfig from \(folder.path)/missing: there is no such file")
        }
    }

    @Test func theFileOfTheHomeFolderIsTheLastResort() async throws {
        try await withTemporaryFolder { folder in
            let home = folder.appendingPathComponent(".kube")
            try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
            _ = try kubeconfig(in: home, name: "config", server: "https://home")
            for list in [nil, "", "\(folder.path)/missing"] {
                var environment = ["HOME": folder.path]
                environment["KUBECONFIG"] = list
                let settings = KubernetesSettings(environment: environment)
                if list?.isEmpty ?? true {
                    #expect(try await Self.place(settings) == ["https://home", "default"])
                } else {
                    let failure = await failure(.configuration) { _ = try await Self.place(settings) }
                    #expect(failure?.message.contains("there is no \(folder.path)/missing") == true)
                    #expect(failure?.hint?.contains("--replicas and --service") == true)
                }
            }
        }
    }

    /// What kubectl 1.37 makes of the same files: `kubectl config view --minify`.
    @Test func theFirstFileThatHasAnEntryWins() async throws {
        try await withTemporaryFolder { folder in
            let first = try Self.write(
                """
                clusters:
                - {name: a, cluster: {server: "https://a-of-first"}}
                contexts:
                - {name: x, context: {cluster: b, user: u}}
                """,
                "first",
                in: folder
            )
            let second = try Self.write(
                """
                current-context: x
                clusters:
                - {name: a, cluster: {server: "https://a-of-second"}}
                - {name: b, cluster: {server: "https://b-of-second"}}
                contexts:
                - {name: x, context: {cluster: a}}
                - {name: k, context: {cluster: a, namespace: ns-y}}
                users:
                - {name: u, user: {}}
                """,
                "second",
                in: folder
            )
            let third = try Self.write("current-context: k\n", "third", in: folder)
            let empty = try Self.write("", "empty", in: folder)
            func place(_ list: [String], _ context: String? = nil) async throws -> [String] {
                let environment = ["KUBECONFIG": list.joined(separator: ":")]
                return try await Self.place(KubernetesSettings(context: context, environment: environment))
            }
            let missing = "\(folder.path)/missing"
            #expect(try await place([first, second]) == ["https://b-of-second", "default"])
            #expect(try await place([missing, first, "", empty, second, third]) == ["https://b-of-second", "default"])
            #expect(try await place([third, second, first]) == ["https://a-of-second", "ns-y"])
            #expect(try await place([first, second], "k") == ["https://a-of-first", "ns-y"])
            #expect(try await place([second, first], "k") == ["https://a-of-second", "ns-y"])
        }
    }

    @Test func aContextThatIsNotThereIsAnsweredWithThoseThatAre() async throws {
        try await withTemporaryFolder { folder in
            let path = try kubeconfig(in: folder, server: "https://host", context: "prod")
            let settings = KubernetesSettings(kubeconfig: path, context: "staging", environment: [:])
            let failure = await failure(.configuration) { _ = try await Self.place(settings) }
            #expect(
                failure?.message
                    == "use the context staging of the kubeconfig: there is none of that name, it knows prod"
            )
        }
    }

    @Test(arguments: [
        ("contexts: []", "it has no current one"),
        ("current-context: a\ncontexts: [{name: a, context: {cluster: c}}]", "its cluster c is not in it"),
        (
            "current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n"
                + "clusters: [{name: c, cluster: {server: https://h}}]", "its user u is not in it"
        ),
        (
            "current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\nclusters: [{name: c, cluster: {}}]",
            "it has no server"
        ),
        ("a: [", "it is not YAML"), ("- a", "it is no mapping"), ("clusters: 1", "clusters is no list"),
        ("clusters: [{cluster: {}}]", "an entry of clusters has no name"),
        ("clusters: [{name: a}, {name: a}]", "two entries of the name a"),
        (
            "clusters: [{name: a, cluster: {certificate-authority-data: '%%'}}]",
            "certificate-authority-data of the cluster a is not base64"
        ),
        ("clusters: [{name: a, cluster: {insecure-skip-tls-verify: maybe}}]", "neither true nor false"),
        ("users: [{name: a, user: {exec: {args: [a]}}}]", "exec of the user a lacks its command"),
        (String(repeating: "[", count: 100_000), "it is not YAML"),
        (
            "a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
                + "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
                + "clusters: [{name: a, cluster: {extensions: [{name: client.authentication.k8s.io/exec, "
                + "extension: *d}]}}]",
            "an extension has more than 10000 values"
        ),
    ])
    func whatIsNoKubeconfigIsRefused(_ text: String, _ what: String) async throws {
        try await withTemporaryFolder { folder in
            let path = try Self.write(text, "config", in: folder)
            let settings = KubernetesSettings(kubeconfig: path, environment: [:])
            let failure = await failure(.configuration) { _ = try await Self.place(settings) }
            #expect(failure?.message.contains(what) == true, "\(failure?.message ?? "")")
        }
    }

    @Test(arguments: [
        "host:6443", "ftp://host", "https://", "https://user:hush@host", "https://host?token=hush", "https://ho st",
    ])
    func aServerThatIsNoneIsRefused(_ server: String) async throws {
        try await withTemporaryFolder { folder in
            let path = try kubeconfig(in: folder, server: "\"\(server)\"")
            let settings = KubernetesSettings(kubeconfig: path, environment: [:])
            let failure = await failure(.configuration) { _ = try await Self.place(settings) }
            #expect(failure.map { "\($0)\($0.hint ?? "")" }?.contains("hush") == false)
        }
    }

    @Test(arguments: [
        ["auth-provider: {name: gcp}"], ["as-groups: [admins]"], ["as: jane", "as-user-extra: {a: [b]}"],
        ["exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: get-token}"],
        ["exec: {apiVersion: client.authentication.k8s.io/v1, command: get-token, interactiveMode: Always}"],
    ])
    func whatCannotBeDoneHereIsRefused(_ user: [String]) async throws {
        try await withTemporaryFolder { folder in
            let path = try kubeconfig(in: folder, server: "https://host", user: user)
            let settings = KubernetesSettings(kubeconfig: path, environment: [:])
            let failure = await failure(.unsupported) { _ = try await Self.place(settings) }
            #expect(failure?.hint != nil)
        }
    }

    @Test(arguments: [
        (["token: abc"], "Bearer abc"), (["token: 12345"], "Bearer 12345"), (["token: \"\""], nil),
        (["username: jane", "password: s3cret"], "Basic amFuZTpzM2NyZXQ="),
        (["token: abc", "exec: {apiVersion: client.authentication.k8s.io/v1, command: /nonexistent}"], "Bearer abc"),
        (["tokenFile: missing", "token: abc"], "Bearer abc"), (["tokenFile: sub/token"], "Bearer from-the-file"),
        (["tokenFile: sub/token", "token: abc"], "Bearer from-the-file"),
    ])
    func credentialsAreSent(_ user: [String], _ header: String?) async throws {
        let seen = try await Self.headers(user)
        #expect(seen["authorization"] == header)
    }

    @Test func anotherUserIsImpersonated() async throws {
        let seen = try await Self.headers(["as: jane", "as-uid: u-1", "as-groups: [admins]"])
        #expect(seen["impersonate-user"] == "jane")
        #expect(seen["impersonate-uid"] == "u-1")
        #expect(seen["impersonate-group"] == "admins")
    }

    @Test(arguments: [["token: \"a b\""], ["token: \"a\\nb\""], ["tokenFile: missing"], ["tokenFile: empty"]])
    func aTokenThatIsNoneIsRefused(_ user: [String]) async throws {
        _ = await failure(.configuration) { _ = try await Self.headers(user) }
    }

    /// What a server sees of a user of the kubeconfig.
    private static func headers(_ user: [String]) async throws -> [String: String] {
        let version = try recording("version.http")
        return try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("200 OK", body: version.body)
        } body: { server in
            try await withTemporaryFolder { folder in
                _ = try write(" from-the-file \n", "sub/token", in: folder)
                _ = try write("\n", "empty", in: folder)
                let path = try kubeconfig(in: folder, server: server.url, user: user)
                return try await withClient(KubernetesSettings(kubeconfig: path, environment: [:])) { client in
                    _ = try await client.version()
                    return server.requests.first?.headers ?? [:]
                }
            }
        }
    }

    @Test func aServerMayHaveAPath() async throws {
        let version = try recording("version.http")
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("200 OK", body: version.body)
        } body: { server in
            try await withTemporaryFolder { folder in
                let path = try kubeconfig(in: folder, server: "\(server.url)/k8s/clusters/c-1/")
                try await withClient(KubernetesSettings(kubeconfig: path, environment: [:])) {
                    _ = try await $0.version()
                }
                #expect(server.requests.map(\.target) == ["/k8s/clusters/c-1/version"])
            }
        }
    }

    @Test func requestsGoThroughTheProxyOfTheCluster() async throws {
        let version = try recording("version.http")
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("200 OK", body: version.body)
        } body: { proxy in
            try await withTemporaryFolder { folder in
                let cluster = ["proxy-url: http://127.0.0.1:\(proxy.port)"]
                let path = try kubeconfig(in: folder, server: "http://nowhere.invalid", cluster: cluster)
                try await withClient(KubernetesSettings(kubeconfig: path, environment: [:])) {
                    _ = try await $0.version()
                }
                #expect(proxy.requests.map(\.target) == ["http://nowhere.invalid/version"])
                let other = try kubeconfig(
                    in: folder,
                    server: "http://nowhere.invalid",
                    cluster: ["proxy-url: ftp://u:hush@h"]
                )
                let failure = await failure(.configuration) {
                    _ = try await Self.place(KubernetesSettings(kubeconfig: other, environment: [:]))
                }
                #expect(failure?.description.contains("hush") == false)
            }
        }
    }
}
