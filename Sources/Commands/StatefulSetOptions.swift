// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import FoundationEssentials

/// The members as pods of a StatefulSet, found by the names that its headless Service gives them: no right in the
/// cluster is needed (kubernetes.io, "StatefulSets", stable network ID).
struct StatefulSetOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "StatefulSet whose pods are the members, instead of --endpoint. Needs --replicas and --service.",
            valueName: "name"
        )
    )
    var statefulset: String?

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("Its namespace. Otherwise that of this pod, where it is known.", valueName: "name")
    )
    var namespace: String?

    @Option(help: ArgumentHelp("How many pods it has.", valueName: "count"))
    var replicas: Int?

    @Option(help: ArgumentHelp("Its headless Service, which names the pods.", valueName: "name"))
    var service: String?

    @Option(help: ArgumentHelp("The ordinal of its first pod (spec.ordinals.start).", valueName: "number"))
    var firstOrdinal = 0

    @Option(help: ArgumentHelp("The port of the servers in its pods.", valueName: "port"))
    var port: UInt16 = 6379

    @Flag(help: "Speak TLS with its pods.")
    var tls = false

    @Option(
        help: ArgumentHelp(
            "The domain of the cluster, as cluster.local. Otherwise the names end in .svc, and the resolver adds it.",
            valueName: "domain"
        )
    )
    var clusterDomain: String?

    /// No StatefulSet has more pods than a Service can name in one answer.
    private static let replicasMax = 10_000

    func validate() throws {
        guard let statefulset else {
            guard replicas == nil, service == nil else {
                throw ValidationError("--replicas and --service need --statefulset")
            }
            return
        }
        guard let replicas, let service else {
            throw ValidationError("--statefulset finds pods by DNS: give --replicas and --service too")
        }
        guard (1...Self.replicasMax).contains(replicas), (0...Self.replicasMax).contains(firstOrdinal) else {
            throw ValidationError("--replicas is 1 to \(Self.replicasMax), --first-ordinal 0 to \(Self.replicasMax)")
        }
        if clusterDomain != nil, knownNamespace == nil {
            throw ValidationError("--cluster-domain needs --namespace")
        }
        let labels = [statefulset, service] + [namespace].compactMap(\.self)
        guard labels.allSatisfy(Self.isLabel), clusterDomain?.split(separator: ".").allSatisfy(Self.isLabel) != false
        else {
            throw ValidationError("a name of Kubernetes has 1 to 63 of a-z 0-9 - and begins and ends with none of -")
        }
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

    /// The names of its pods, in the order of their ordinals; none without a StatefulSet.
    var podNames: [String] {
        guard let statefulset, let replicas else { return [] }
        return (firstOrdinal..<firstOrdinal + replicas).map { "\(statefulset)-\($0)" }
    }

    /// The URLs of its pods, in the order of their ordinals; none without a StatefulSet.
    func endpoints() -> [String] {
        guard let service else { return [] }
        var domain = service
        // Without a namespace, the resolver of the pod looks in its own.
        if let namespace = knownNamespace {
            domain += ".\(namespace).svc" + (clusterDomain.map { ".\($0)" } ?? "")
        }
        return podNames.map { "\(tls ? "rediss" : "redis")://\($0).\(domain):\(port)" }
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
