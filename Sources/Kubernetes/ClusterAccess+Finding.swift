// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport
import Logging

extension ClusterAccess {
    /// Finds the API server: the one of the pod that we are in, or that of a kubeconfig. Reads files; asks nobody.
    /// - Throws: `.configuration` when there is none, or when what is there cannot be used; `.unsupported`.
    static func find(_ settings: KubernetesSettings, logger: Logger) async throws -> ClusterAccess {
        if let found = try await ofServiceAccount(settings, logger: logger) { return found }
        let kubeconfig = try await kubeconfig(settings)
        return try await ClusterAccess(kubeconfig, settings, logger: logger)
    }

    // MARK: In a cluster

    /// As client-go finds it (`rest/config.go`, InClusterConfig); `nil` when we are in no pod, or something else is
    /// asked for.
    private static func ofServiceAccount(
        _ settings: KubernetesSettings,
        logger: Logger
    ) async throws -> ClusterAccess? {
        let (folder, variables) = (settings.serviceAccountFolder, settings.environment)
        guard settings.kubeconfig == nil, settings.context == nil, (variables["KUBECONFIG"] ?? "").isEmpty,
            let host = variables["KUBERNETES_SERVICE_HOST"], !host.isEmpty,
            try await SmallFile.read("\(folder)/token") != nil
        else { return nil }
        let port = variables["KUBERNETES_SERVICE_PORT"].flatMap { $0.isEmpty ? nil : $0 } ?? "443"
        var http = HTTPClientConfiguration()
        http.caBytes = try await SmallFile.read("\(folder)/ca.crt")
        if http.caBytes == nil { logger.warning("no \(folder)/ca.crt, trusting the authorities of the system") }
        let namespace = try await SmallFile.read("\(folder)/namespace").map { String(decoding: $0, as: UTF8.self) }
        return ClusterAccess(
            server: APIServer(url: try serverURL("https://\(host.contains(":") ? "[\(host)]" : host):\(port)")),
            namespace: try chosenNamespace(settings.namespace, namespace?.trimmingBlanks()),
            http: http,
            credentials: CredentialSource(bearer: .file("\(folder)/token", otherwise: nil))
        )
    }

    // MARK: A kubeconfig

    /// The one that is named, or all of `KUBECONFIG` merged, or that of the home folder.
    private static func kubeconfig(_ settings: KubernetesSettings) async throws -> Kubeconfig {
        if let path = settings.kubeconfig {
            let bytes = try await SmallFile.need(path, for: "the kubeconfig")
            return try Kubeconfig(parsing: String(decoding: bytes, as: UTF8.self), path: path)
        }
        let list = (settings.environment["KUBECONFIG"] ?? "").split(separator: ":").map(String.init)
        let home = settings.environment["HOME"].map { "\($0)/.kube/config" }
        let paths = list.isEmpty ? [home].compactMap { $0 } : list
        var merged: Kubeconfig?
        for path in paths {
            // As kubectl does, what is not there is passed over: the list may name files that are yet to be written.
            guard let bytes = try await SmallFile.read(path) else { continue }
            let next = try Kubeconfig(parsing: String(decoding: bytes, as: UTF8.self), path: path)
            if merged == nil { merged = next } else { merged?.merge(next) }
        }
        if let merged { return merged }
        let looked = paths.isEmpty ? "HOME is not set" : "there is no \(paths.joined(separator: ", no "))"
        throw Failure(
            .configuration,
            "find the API server of Kubernetes: \(looked), and \(Self.whyNotInCluster(settings))",
            hint:
                "Name a kubeconfig with --kubeconfig, or give the pod a service account "
                + "(automountServiceAccountToken: true). --replicas and --service find the members by DNS, without any "
                + "rights."
        )
    }

    private static func whyNotInCluster(_ settings: KubernetesSettings) -> String {
        if settings.context != nil { return "a context is asked for" }
        return (settings.environment["KUBERNETES_SERVICE_HOST"] ?? "").isEmpty
            ? "this is no pod (KUBERNETES_SERVICE_HOST is not set)"
            : "there is no token in \(settings.serviceAccountFolder)"
    }

    private init(_ kubeconfig: Kubeconfig, _ settings: KubernetesSettings, logger: Logger) async throws {
        let (context, cluster, user) = try kubeconfig.chosen(settings.context)
        guard let address = cluster.server else {
            let name = context.cluster ?? ""
            throw Failure(.configuration, "use the cluster \(name) of the kubeconfig: it has no server")
        }
        server = APIServer(url: try Self.serverURL(address), impersonation: try Self.impersonation(user))
        namespace = try Self.chosenNamespace(settings.namespace, context.namespace)
        http = HTTPClientConfiguration()
        http.insecureSkipVerify = cluster.skipsVerification
        http.tlsServerName = cluster.tlsServerName
        if cluster.skipsVerification { logger.warning("any certificate is believed of \(server.shown)") }
        let authorities = try await Self.bytes(cluster.authorities, "the certificate-authority")
        http.caBytes = authorities
        if let url = cluster.proxyURL { http.proxy = try Self.proxy(url) }
        let information = try user.exec?.information(cluster, authorities: authorities) ?? ""
        credentials = CredentialSource(
            bearer: try Self.bearer(user, information, settings.environment),
            certificate: user.certificate,
            key: user.key
        )
        // client-go keeps its credentials to itself then; whoever has such a server wants them sent, and should know.
        if server.url.hasPrefix("http://"), !credentials.isEmpty {
            logger.warning("credentials go to \(server.shown) in the clear: it is not https")
        }
        guard (user.certificate == nil) == (user.key == nil) else {
            let what = "it has only one of client-certificate and client-key"
            throw Failure(.configuration, "use the user \(context.user ?? "") of the kubeconfig: \(what)")
        }
    }

    private static func bytes(_ material: Kubeconfig.Material?, _ purpose: String) async throws -> [UInt8]? {
        guard let material else { return nil }
        return try await CredentialSource.bytes(material, purpose)
    }

    private static func chosenNamespace(_ asked: String?, _ found: String?) throws -> String {
        let name = [asked, found].compactMap { $0 }.first { !$0.isEmpty } ?? "default"
        try ObjectName.check(namespace: name)
        return name
    }

    /// In client-go's order: what is written in the kubeconfig, then a plugin.
    private static func bearer(
        _ user: Kubeconfig.User,
        _ information: String,
        _ environment: [String: String]
    ) throws -> CredentialSource.Bearer {
        if let provider = user.authProvider {
            throw Failure(
                .unsupported,
                "use the auth-provider \(provider) of the kubeconfig: no current client knows it any more",
                hint: "Write the kubeconfig anew with the tools of your cloud: they put an exec plugin in its place."
            )
        }
        if let file = user.tokenFile { return .file(file, otherwise: user.token) }
        if let token = user.token { return .token(token) }
        if let username = user.username { return .basic(username: username, password: user.password ?? "") }
        guard let plugin = user.exec else { return .none }
        try plugin.check()
        return .exec(plugin, environment: environment, information: information)
    }

    /// A user who acts as another one: to leave that out would be to work with other rights.
    private static func impersonation(_ user: Kubeconfig.User) throws -> [(name: String, value: String)] {
        guard !user.actsWithExtra, user.actsAs != nil || (user.actsAsGroups.isEmpty && user.actsAsUID == nil) else {
            throw Failure(
                .unsupported,
                "use the user of the kubeconfig: as-user-extra, or as-groups or as-uid without as",
                hint: "Use a user of the kubeconfig that has the rights itself."
            )
        }
        var headers: [(name: String, value: String)] = []
        if let name = user.actsAs { headers.append(("Impersonate-User", name)) }
        if let uid = user.actsAsUID { headers.append(("Impersonate-Uid", uid)) }
        return headers + user.actsAsGroups.map { ("Impersonate-Group", $0) }
    }
}
