// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import FoundationEssentials
import Kubernetes

/// The members as pods of a StatefulSet: found through the API server; or, with --replicas and --service, by the
/// names that its headless Service gives them, and then no right in the cluster is needed (kubernetes.io,
/// "StatefulSets", stable network ID).
struct StatefulSetOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "StatefulSet whose pods are the members, instead of --endpoint. They are found through the API server; "
                + "with --replicas and --service by DNS, without any right.",
            valueName: "name"
        )
    )
    var statefulset: String?

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("Its namespace. Otherwise that of this pod, where it is known.", valueName: "name")
    )
    var namespace: String?

    @Option(
        help: ArgumentHelp(
            "Context of the kubeconfig. In a pod its service account is used, unless this or --kubeconfig is given.",
            valueName: "name"
        )
    )
    var context: String?

    @Option(
        help: ArgumentHelp("The kubeconfig. Otherwise KUBECONFIG, or ~/.kube/config.", valueName: "file")
    )
    var kubeconfig: String?

    @Option(
        help: ArgumentHelp(
            "The server's container in its pods. Otherwise the one that has --port, or the first.",
            valueName: "name"
        )
    )
    var container: String?

    @Option(
        help: ArgumentHelp(
            "Through the API server: how long pods that are missing or pending are waited for (default: 30s).",
            valueName: "time"
        ),
        transform: TimeSpan.orSeconds
    )
    var waitReady = TimeSpan(seconds: 30)

    @Option(help: ArgumentHelp("By DNS: how many pods it has.", valueName: "count"))
    var replicas: Int?

    @Option(help: ArgumentHelp("By DNS: its headless Service, which names the pods.", valueName: "name"))
    var service: String?

    @Option(help: ArgumentHelp("By DNS: the ordinal of its first pod (spec.ordinals.start).", valueName: "number"))
    var firstOrdinal = 0

    @Option(help: ArgumentHelp("The port of the servers in its pods.", valueName: "port"))
    var port: UInt16 = 6379

    @Flag(help: "Speak TLS with its pods.")
    var tls = false

    @Option(
        help: ArgumentHelp(
            "The domain of the cluster, as cluster.local, for the names of its pods. Otherwise they end in .svc.",
            valueName: "domain"
        )
    )
    var clusterDomain: String?

    /// No StatefulSet has more pods than a Service can name in one answer.
    private static let replicasMax = 10_000

    func validate() throws {
        guard let statefulset else {
            guard !tls else {
                throw ValidationError("--tls is for the pods of --statefulset: write rediss:// in --endpoint")
            }
            guard replicas == nil, service == nil, context == nil, kubeconfig == nil, container == nil else {
                throw ValidationError(
                    "--replicas, --service, --context, --kubeconfig and --container need --statefulset"
                )
            }
            return
        }
        guard (replicas == nil) == (service == nil) else {
            throw ValidationError("--replicas and --service need each other: without them the API server is asked")
        }
        if !usesAPI {
            guard context == nil, kubeconfig == nil, container == nil else {
                throw ValidationError(
                    "with --replicas and --service the API server is not asked: leave out --context, --kubeconfig and "
                        + "--container"
                )
            }
        } else if firstOrdinal != 0 {
            throw ValidationError("--first-ordinal needs --replicas and --service")
        }
        guard (1...Self.replicasMax).contains(replicas ?? 1), (0...Self.replicasMax).contains(firstOrdinal) else {
            throw ValidationError("--replicas is 1 to \(Self.replicasMax), --first-ordinal 0 to \(Self.replicasMax)")
        }
        try waitReady.require("--wait-ready", from: TimeSpan(seconds: 0), to: Self.waitReadyMax)
        if !usesAPI, clusterDomain != nil, knownNamespace == nil {
            throw ValidationError("--cluster-domain needs --namespace")
        }
        let labels = [statefulset] + [service, namespace, container].compactMap(\.self)
        guard labels.allSatisfy(Self.isLabel), clusterDomain?.split(separator: ".").allSatisfy(Self.isLabel) != false
        else {
            throw ValidationError("a name of Kubernetes has 1 to 63 of a-z 0-9 - and begins and ends with none of -")
        }
    }

    /// A day.
    private static let waitReadyMax = TimeSpan(seconds: 86_400)

    /// Whether the pods are found through the API server.
    var usesAPI: Bool { statefulset != nil && replicas == nil }

    /// Where the API server is found.
    func settings(_ environment: [String: String]) -> KubernetesSettings {
        KubernetesSettings(kubeconfig: kubeconfig, context: context, namespace: namespace, environment: environment)
    }

    /// RFC 1123, section 2.1; Kubernetes allows lower case only.
    private static func isLabel(_ text: some StringProtocol) -> Bool {
        let bytes = text.utf8
        let isAllowed = bytes.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
        }
        return (1...63).contains(bytes.count) && isAllowed && text.first != "-" && text.last != "-"
    }

    /// The names of its pods by DNS, in the order of their ordinals; none without a StatefulSet.
    var podNames: [String] {
        guard let statefulset, let replicas else { return [] }
        return (firstOrdinal..<firstOrdinal + replicas).map { "\(statefulset)-\($0)" }
    }

    /// The URLs of its pods by DNS, in the order of their ordinals; none without a StatefulSet.
    func endpoints() -> [String] {
        guard let service else { return [] }
        var domain = service
        // Without a namespace, the resolver of the pod looks in its own.
        if let namespace = knownNamespace {
            domain += ".\(namespace).svc" + (clusterDomain.map { ".\($0)" } ?? "")
        }
        return podNames.map { url(host: "\($0).\(domain)") }
    }

    /// - Parameter host: a name or an address.
    func url(host: String) -> String {
        "\(tls ? "rediss" : "redis")://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    }

    /// What a backup of it is called where nothing else is said.
    var subjectName: String? {
        statefulset.map { name in (knownNamespace.map { "\($0)." } ?? "") + name }
    }

    /// What the manifest says of where the members came from.
    var source: Manifest.Source {
        guard let statefulset else { return Manifest.Source(kind: "endpoints") }
        return Manifest.Source(kind: "statefulset", namespace: knownNamespace, statefulSet: statefulset)
    }

    /// The namespace that was given, or that of the pod in which this runs, if it has a service account mounted.
    private var knownNamespace: String? {
        if let namespace { return namespace }
        let file = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
        guard let bytes = FileManager.default.contents(atPath: file) else { return nil }
        let text = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
        return Self.isLabel(text) ? text : nil
    }
}
