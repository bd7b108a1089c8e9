// SPDX-License-Identifier: Apache-2.0

import Failures
import Foundation
import Kubernetes
import TestParts
import Testing

/// How the server is found and whom it believes, over TLS and in a pod.
@Suite(.timeLimit(.minutes(2))) struct AccessTests {
    @Test func aPodFindsItsServerAndItsNamespace() async throws {
        let material = try await TLSMaterial.shared()
        try await withKubernetesAPI(tls: material) { api in
            try api.addStatefulSet("redis", namespace: "cache")
            try await withTemporaryFolder { folder in
                let clock = TurnedClock()
                let settings = KubernetesSettings(
                    environment: ["KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "\(api.port)"],
                    serviceAccountFolder: try api.serviceAccountFolder(in: folder, namespace: "cache")
                )
                try await withKubernetesClient(settings, logger: quiet, clock: clock.clock) { client in
                    #expect(client.namespace == "cache")
                    #expect(client.server == api.url)
                    _ = try await client.statefulSet("redis")
                    // The kubelet writes another token into the file; the old one is refused before the minute is over.
                    try api.rotateToken()
                    _ = try await client.statefulSet("redis")
                    try api.rotateToken(rewritingFiles: false)
                    let failure = await failure(.authenticationFailed) { _ = try await client.statefulSet("redis") }
                    #expect(failure?.description.contains(api.token) == false)
                }
                #expect(api.requests.count == 5)
            }
        }
    }

    @Test func aTokenFileIsReadAgainAfterAMinute() async throws {
        try await withRedisAPI { api in
            let clock = TurnedClock()
            try await withTemporaryFolder { folder in
                let settings = KubernetesSettings(kubeconfig: try api.kubeconfig(in: folder), environment: [:])
                try await withKubernetesClient(settings, logger: quiet, clock: clock.clock) { client in
                    _ = try await client.statefulSet("redis")
                    try api.rotateToken()
                    clock.seconds.change { $0 += 60 }
                    _ = try await client.statefulSet("redis")
                    // Nothing was refused.
                    #expect(api.requests.count == 2)
                }
            }
        }
    }

    @Test(arguments: [("fd00::1", "https://[fd00::1]:443"), ("10.96.0.1", "https://10.96.0.1:443")])
    func theAddressOfTheServiceBecomesAURL(_ host: String, _ url: String) async throws {
        try await withTemporaryFolder { folder in
            try Data("t".utf8).write(to: folder.appendingPathComponent("token"))
            let settings = KubernetesSettings(
                environment: ["KUBERNETES_SERVICE_HOST": host],
                serviceAccountFolder: folder.path
            )
            try await withClient(settings) { client in
                #expect(client.server == url)
                #expect(client.namespace == "default")
            }
        }
    }

    @Test func aKubeconfigOrAContextWinsOverThePod() async throws {
        try await withTemporaryFolder { folder in
            try Data("t".utf8).write(to: folder.appendingPathComponent("token"))
            let path = try kubeconfig(in: folder, server: "https://outside")
            let environment = ["KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBECONFIG": path]
            let settings = KubernetesSettings(environment: environment, serviceAccountFolder: folder.path)
            try await withClient(settings) { #expect($0.server == "https://outside") }
            var named = settings
            (named.kubeconfig, named.environment["KUBECONFIG"]) = (path, nil)
            try await withClient(named) { #expect($0.server == "https://outside") }
            var chosen = settings
            (chosen.context, chosen.environment["KUBECONFIG"]) = ("main", nil)
            let failure = await failure(.configuration) { [chosen] in try await withClient(chosen) { _ in } }
            #expect(failure?.message.contains("a context is asked for") == true)
        }
    }

    @Test func aPodWithoutATokenIsToldHowToGetOne() async throws {
        try await withTemporaryFolder { folder in
            let settings = KubernetesSettings(
                environment: ["KUBERNETES_SERVICE_HOST": "10.0.0.1"],
                serviceAccountFolder: folder.path
            )
            let failure = await failure(.configuration) { try await withClient(settings) { _ in } }
            #expect(failure?.message.contains("there is no token in \(folder.path)") == true)
            #expect(failure?.hint?.contains("automountServiceAccountToken: true") == true)
            #expect(failure?.hint?.contains("--replicas and --service") == true)
        }
    }

    @Test func theAuthorityMayStandInTheKubeconfigInFoldedLines() async throws {
        let material = try await TLSMaterial.shared()
        try await withKubernetesAPI(tls: material) { api in
            try api.addStatefulSet("redis")
            try await withTemporaryFolder { folder in
                let authority = try Data(contentsOf: URL(fileURLWithPath: material.authority))
                let folded = authority.base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
                let lines = folded.split(separator: "\n").map { "  \($0)" }
                let path = try kubeconfig(
                    in: folder,
                    server: api.url,
                    cluster: ["certificate-authority-data: |"] + lines,
                    user: ["token: \(api.token)"]
                )
                try await withClient(KubernetesSettings(kubeconfig: path, environment: [:])) { client in
                    _ = try await client.statefulSet("redis")
                }
            }
        }
    }

    @Test func aServerOfAnotherAuthorityIsNotBelieved() async throws {
        let material = try await TLSMaterial.shared()
        try await withKubernetesAPI(tls: material) { api in
            try api.addStatefulSet("redis")
            try await withTemporaryFolder { folder in
                let user = ["token: \(api.token)"]
                let wrong = try kubeconfig(
                    in: folder,
                    server: api.url,
                    cluster: ["certificate-authority: \(material.otherAuthority)"],
                    user: user
                )
                try await withClient(KubernetesSettings(kubeconfig: wrong, environment: [:])) { client in
                    let failure = await failure(.tlsFailed) { _ = try await client.statefulSet("redis") }
                    #expect(failure?.hint?.contains("certificate-authority") == true)
                }
                let blind = try kubeconfig(
                    in: folder,
                    server: api.url,
                    cluster: ["insecure-skip-tls-verify: true"],
                    user: user
                )
                try await withClient(KubernetesSettings(kubeconfig: blind, environment: [:])) { client in
                    _ = try await client.statefulSet("redis")
                }
            }
        }
    }

    @Test func theCertificateMayBeOfAnotherName() async throws {
        let material = try await TLSMaterial.shared().flawed(.wrongHost)
        try await withKubernetesAPI(tls: material) { api in
            try api.addStatefulSet("redis")
            try await withTemporaryFolder { folder in
                for (name, code) in [("wrong.example", nil), ("other.example", Failure.Code.tlsFailed)] {
                    let path = try kubeconfig(
                        in: folder,
                        server: api.url,
                        cluster: ["certificate-authority: \(material.authority)", "tls-server-name: \(name)"],
                        user: ["token: \(api.token)"]
                    )
                    try await withClient(KubernetesSettings(kubeconfig: path, environment: [:])) { client in
                        guard let code else {
                            _ = try await client.statefulSet("redis")
                            return
                        }
                        let failure = await failure(code) { _ = try await client.statefulSet("redis") }
                        #expect(failure?.message.contains(api.url) == true)
                    }
                }
            }
        }
    }

    @Test(arguments: [true, false])
    func aCertificateProvesWhoWeAre(asFiles: Bool) async throws {
        let material = try await TLSMaterial.shared()
        try await withKubernetesAPI(tls: material, clientAuthority: material.authority) { api in
            try api.addStatefulSet("redis")
            try await withTemporaryFolder { folder in
                func base64(_ path: String) throws -> String {
                    try Data(contentsOf: URL(fileURLWithPath: path)).base64EncodedString()
                }
                let user =
                    asFiles
                    ? ["client-certificate: \(material.clientCertificate)", "client-key: \(material.clientKey)"]
                    : [
                        "client-certificate-data: \(try base64(material.clientCertificate))",
                        "client-key-data: \(try base64(material.clientKey))",
                    ]
                let cluster = ["certificate-authority: \(material.authority)"]
                let path = try kubeconfig(in: folder, server: api.url, cluster: cluster, user: user)
                try await withClient(KubernetesSettings(kubeconfig: path, environment: [:])) { client in
                    _ = try await client.statefulSet("redis")
                }
                let nobody = try kubeconfig(in: folder, server: api.url, cluster: cluster)
                try await withClient(KubernetesSettings(kubeconfig: nobody, environment: [:])) { client in
                    _ = await #expect(throws: Failure.self) { try await client.statefulSet("redis") }
                }
                let half = try kubeconfig(in: folder, server: api.url, cluster: cluster, user: [user[0]])
                _ = await failure(.configuration) {
                    try await withClient(KubernetesSettings(kubeconfig: half, environment: [:])) { _ in }
                }
            }
        }
    }

    @Test func whatTheServerRepeatsOfATokenIsNotShown() async throws {
        let body = #"{"kind":"Status","status":"Failure","message":"bad token hush-token","code":403}"#
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("403 Forbidden", body: body)
        } body: { server in
            try await withTemporaryFolder { folder in
                let path = try kubeconfig(in: folder, server: server.url, user: ["token: hush-token"])
                try await withClient(KubernetesSettings(kubeconfig: path, environment: [:])) { client in
                    let failure = await failure(.permissionDenied) { _ = try await client.version() }
                    #expect(failure?.message.hasSuffix("the server answered 403: bad token ***") == true)
                    #expect(failure.map { "\(String(reflecting: $0))" }?.contains("hush") == false)
                }
            }
        }
    }
}
