// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials

/// A program that gives credentials (`client.authentication.k8s.io`), as a kubeconfig names it, and what is said to it
/// and heard from it. Running it stands elsewhere.
struct ExecPlugin: Sendable, Equatable {
    struct Variable: Sendable, Equatable {
        var name: String
        var value: String
    }

    static let versions: Set<String> = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"]
    /// A credential that ends within this time is got anew: it must not end on its way.
    static let leewaySeconds: Int64 = 10

    var apiVersion: String
    /// A name to look for in `PATH`, or a path.
    var command: String
    var arguments: [String] = []
    var environment: [Variable] = []
    /// What the author of the kubeconfig says about how to install it.
    var installHint: String?
    var wantsCluster = false
    /// `Never`, `IfAvailable` or `Always`.
    var interactiveMode: String?

    /// For messages.
    var attempt: String { "get credentials from \(command), the exec plugin of the kubeconfig" }

    /// - Throws: `.unsupported` for a version of the protocol, or a dialogue, that cannot be had here.
    func check() throws {
        guard Self.versions.contains(apiVersion) else {
            throw Failure(
                .unsupported,
                "\(attempt): its apiVersion is \(apiVersion)",
                hint: "Update the plugin and the kubeconfig: all current ones speak client.authentication.k8s.io/v1."
            )
        }
        if interactiveMode == "Always" {
            throw Failure(
                .unsupported,
                "\(attempt): its interactiveMode is Always, and nobody is there to be asked",
                hint: "Use a user of the kubeconfig whose plugin works without questions."
            )
        }
    }

    /// What the variable `KUBERNETES_EXEC_INFO` says.
    /// - Parameter authorities: those of the cluster as PEM.
    func information(_ cluster: Kubeconfig.Cluster, authorities: [UInt8]?) throws -> String {
        var spec: [String: JSONValue] = ["interactive": .bool(false)]
        if wantsCluster {
            var told: [String: JSONValue] = ["server": .text(cluster.server ?? "")]
            told["tls-server-name"] = cluster.tlsServerName.map { .text($0) }
            told["proxy-url"] = cluster.proxyURL.map { .text($0) }
            if cluster.skipsVerification { told["insecure-skip-tls-verify"] = .bool(true) }
            told["certificate-authority-data"] = authorities.map { .text(Base64.text($0)) }
            told["config"] = cluster.execConfig
            spec["cluster"] = .object(told)
        }
        let document: JSONValue = .object([
            "apiVersion": .text(apiVersion), "kind": .text("ExecCredential"), "spec": .object(spec),
        ])
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }

    private struct Answer: Decodable {
        struct Status: Decodable {
            var token: String?
            var clientCertificateData: String?
            var clientKeyData: String?
            var expirationTimestamp: String?
        }
        var kind: String?
        var apiVersion: String?
        var status: Status?
    }

    /// Makes credentials of what the plugin printed. No message shows any of it.
    /// - Throws: `.authenticationFailed`.
    func credentials(printed output: [UInt8]) throws -> Credentials {
        let answer: Answer
        do { answer = try JSONDecoder().decode(Answer.self, from: Data(output)) } catch {
            throw refusal("what it printed is no ExecCredential: \(DecodingText.of(error))")
        }
        guard answer.kind == "ExecCredential", answer.apiVersion == apiVersion else {
            let version = Self.versions.first { $0 == answer.apiVersion } ?? "of another kind or version"
            throw refusal("it was asked for an ExecCredential of \(apiVersion), and what it printed is \(version)")
        }
        guard let status = answer.status else { throw refusal("what it printed has no status") }
        var credentials = Credentials()
        if let token = status.token, !token.isEmpty {
            guard BearerToken.isValid(token) else { throw refusal("its token has a blank or a line end in it") }
            credentials.bear(token)
        }
        switch (status.clientCertificateData ?? "", status.clientKeyData ?? "") {
        case ("", ""): break
        case (let certificate, let key) where !certificate.isEmpty && !key.isEmpty:
            credentials.identity = .init(certificate: Array(certificate.utf8), key: Array(key.utf8))
            credentials.secrets.append(key)
        default: throw refusal("what it printed has half of a certificate and its key")
        }
        guard credentials.authorization != nil || credentials.identity != nil else {
            throw refusal("what it printed has neither a token nor a certificate")
        }
        if let text = status.expirationTimestamp, !text.isEmpty {
            guard let end = KubernetesTime.seconds(rfc3339: text) else {
                throw refusal("its expirationTimestamp is no time")
            }
            credentials.staleAtSeconds = end - Self.leewaySeconds
        }
        return credentials
    }

    private func refusal(_ what: String) -> Failure {
        Failure(
            .authenticationFailed,
            "\(attempt): \(what)",
            // Its arguments are not shown: they may have a secret in them.
            hint: "Run it by hand, with the arguments that the kubeconfig has."
        )
    }
}

/// Tokens as they go into a header.
enum BearerToken {
    /// Visible ASCII alone: anything else would end the header, or begin another.
    static func isValid(_ token: String) -> Bool {
        !token.isEmpty && token.utf8.allSatisfy { (0x21...0x7e).contains($0) }
    }
}

extension Credentials {
    /// Sends the token with every request.
    mutating func bear(_ token: String) {
        authorization = "Bearer \(token)"
        secrets.append(token)
    }
}
