// SPDX-License-Identifier: Apache-2.0

extension Wire {
    struct Pod: Decodable {
        struct Spec: Decodable {
            var nodeName: String?
            var containers: [Container]?
        }
        struct Condition: Decodable {
            var type: String
            var status: String
            var reason: String?
            var message: String?
        }
        struct Status: Decodable {
            var phase: String?
            var podIP: String?
            var reason: String?
            var message: String?
            var conditions: [Condition]?
            var initContainerStatuses: [ContainerStatus]?
            var containerStatuses: [ContainerStatus]?
        }
        var metadata: Metadata
        var spec: Spec?
        var status: Status?
    }

    struct ContainerStatus: Decodable {
        struct Waiting: Decodable {
            var reason: String?
        }
        struct Running: Decodable {}
        struct Terminated: Decodable {
            var exitCode: Int
            var reason: String?
            var message: String?
        }
        struct State: Decodable {
            var waiting: Waiting?
            var running: Running?
            var terminated: Terminated?
        }
        var name: String
        var restartCount: Int?
        var state: State?
        var lastState: State?
    }

    struct PodList: Decodable {
        var metadata: ListMetadata?
        var items: [Pod]?
    }
}

extension Pod {
    /// Messages of Kubernetes are shown up to this length, in characters: that of a scheduler has a part for each node.
    private static let remarkLengthMax = 200

    /// - Throws: `Malformed` when it has no name, no namespace or no uid.
    init(_ wire: Wire.Pod) throws(Malformed) {
        let metadata = wire.metadata
        guard let name = metadata.name, let namespace = metadata.namespace, let uid = metadata.uid else {
            throw Malformed("a pod without a name, a namespace or a uid")
        }
        let status = wire.status
        let states = Dictionary((status?.containerStatuses ?? []).map { ($0.name, $0) }) { first, _ in first }
        self.init(
            namespace: namespace,
            name: name,
            uid: uid,
            ordinal: Self.ordinal(of: name, metadata),
            node: wire.spec?.nodeName.flatMap { $0.isEmpty ? nil : $0 },
            ip: status?.podIP.flatMap { $0.isEmpty ? nil : $0 },
            phase: status?.phase ?? "Pending",
            isReady: (status?.conditions ?? []).contains { $0.type == "Ready" && $0.status == "True" },
            isTerminating: metadata.deletionTimestamp != nil,
            containers: (wire.spec?.containers ?? []).map { Container(spec: $0.spec, status: states[$0.name]) },
            remark: Self.remark(status),
            controllerUID: (metadata.ownerReferences ?? []).first { $0.controller ?? false }?.uid,
            createdAt: metadata.creationTimestamp
        )
    }

    /// The label has it since Kubernetes 1.28, the name always. A pod of a Deployment may end in digits too.
    private static func ordinal(of name: String, _ metadata: Wire.Metadata) -> Int? {
        guard (metadata.ownerReferences ?? []).contains(where: { $0.kind == "StatefulSet" }) else { return nil }
        if let label = metadata.labels?["apps.kubernetes.io/pod-index"] { return Int(label) }
        guard let last = name.split(separator: "-").last, last.allSatisfy({ $0.isASCII && $0.isNumber }) else {
            return nil
        }
        return Int(last)
    }

    private static func remark(_ status: Wire.Pod.Status?) -> String? {
        guard let status, status.phase != "Running" else { return nil }
        let words = [status.reason, status.message].compactMap { $0 }.filter { !$0.isEmpty }
        if !words.isEmpty { return shortened(words.joined(separator: ": ")) }
        if let scheduled = status.conditions?.first(where: { $0.type == "PodScheduled" && $0.status == "False" }) {
            return (scheduled.message ?? scheduled.reason).map(shortened)
        }
        for each in status.initContainerStatuses ?? [] {
            if let reason = each.state?.waiting?.reason, reason != "PodInitializing" {
                return "its init container \(each.name) waits: \(reason)"
            }
            if let ended = each.state?.terminated, ended.exitCode != 0 {
                return "its init container \(each.name) has failed (exit \(ended.exitCode))"
            }
        }
        return nil
    }

    private static func shortened(_ text: String) -> String {
        let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
        let whole = line.hasSuffix(".") ? String(line.dropLast()) : line
        return whole.count <= remarkLengthMax ? whole : "\(whole.prefix(remarkLengthMax))…"
    }
}

extension Container {
    fileprivate init(spec: ContainerSpec, status: Wire.ContainerStatus?) {
        let ended = status?.state?.terminated ?? status?.lastState?.terminated
        self.init(
            spec: spec,
            restartCount: status?.restartCount ?? 0,
            isRunning: status?.state?.running != nil,
            waitingReason: status?.state?.waiting.map { $0.reason ?? "for no reason given" },
            lastExit: ended.map { ContainerExit(code: $0.exitCode, reason: $0.reason, message: $0.message) }
        )
    }
}
