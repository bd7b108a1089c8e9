// SPDX-License-Identifier: Apache-2.0

import Foundation

extension KubernetesDouble {
    /// Adds a StatefulSet of the shape that a real server has; gives its uid.
    @discardableResult
    package func addStatefulSet(
        _ name: String,
        namespace: String = "default",
        replicas: Int = 3,
        firstOrdinal: Int? = nil,
        serviceName: String? = nil,
        port: Int = 6379,
        labels: [String: String]? = nil
    ) throws -> String {
        var set = try Self.recorded("get-statefulset.http")
        let labels = (labels ?? ["app": name]).mapValues { TestJSON.text($0) }
        let uid = UUID().uuidString.lowercased()
        set.set(.text(name), at: "metadata", "name")
        set.set(.text(namespace), at: "metadata", "namespace")
        set.set(.text(uid), at: "metadata", "uid")
        set.set(.number(Double(replicas)), at: "spec", "replicas")
        set.set(.text(serviceName ?? name), at: "spec", "serviceName")
        set.set(.object(labels), at: "spec", "selector", "matchLabels")
        set.set(.object(labels), at: "spec", "template", "metadata", "labels")
        if let firstOrdinal { set.set(.number(Double(firstOrdinal)), at: "spec", "ordinals", "start") }
        let port: TestJSON = .object(["containerPort": .number(Double(port)), "protocol": "TCP"])
        var container = set["spec"]?["template"]?["spec"]?["containers"]?[0] ?? .object([:])
        container.set(.array([port]), at: "ports")
        set.set(.array([container]), at: "spec", "template", "spec", "containers")
        put(set, in: "statefulsets", "\(namespace)/\(name)")
        return uid
    }

    /// Adds a pod that runs and is ready, of the shape that a real server has.
    /// - Parameters:
    ///   - set: the StatefulSet that owns it; by itself, that which its name begins with.
    ///   - memoryLimit: a quantity, `128Mi`.
    package func addPod(
        _ name: String,
        namespace: String = "default",
        ip: String = "127.0.0.1",
        port: Int = 6379,
        node: String = "node0",
        set setName: String? = nil,
        memoryLimit: String? = nil
    ) throws {
        var pod = try Self.recorded("list-pods.http")["items"]?[0] ?? .object([:])
        let pieces = name.split(separator: "-")
        let owner = setName ?? pieces.dropLast().joined(separator: "-")
        let set = state.withLock { $0.objects["statefulsets"]?["\(namespace)/\(owner)"] }
        var labels = set?["spec"]?["selector"]?["matchLabels"]?.object ?? ["app": .text(owner)]
        labels["statefulset.kubernetes.io/pod-name"] = .text(name)
        labels["apps.kubernetes.io/pod-index"] = .text(String(pieces.last ?? ""))
        pod.set("Pod", at: "kind")
        pod.set("v1", at: "apiVersion")
        pod.set(.text(name), at: "metadata", "name")
        pod.set(.text(namespace), at: "metadata", "namespace")
        pod.set(.text(UUID().uuidString.lowercased()), at: "metadata", "uid")
        pod.set(.object(labels), at: "metadata", "labels")
        let uid = set?["metadata"]?["uid"] ?? .text(UUID().uuidString.lowercased())
        let reference: TestJSON = .object([
            "apiVersion": "apps/v1", "kind": "StatefulSet", "name": .text(owner), "uid": uid, "controller": true,
            "blockOwnerDeletion": true,
        ])
        pod.set(.array([reference]), at: "metadata", "ownerReferences")
        pod.set(.text(node), at: "spec", "nodeName")
        pod.set(.text(ip), at: "status", "podIP")
        pod.set(.array([.object(["ip": .text(ip)])]), at: "status", "podIPs")
        var container = pod["spec"]?["containers"]?[0] ?? .object([:])
        let declared: TestJSON = .object(["containerPort": .number(Double(port)), "protocol": "TCP"])
        container.set(.array([declared]), at: "ports")
        if let memoryLimit { container.set(.text(memoryLimit), at: "resources", "limits", "memory") }
        pod.set(.array([container]), at: "spec", "containers")
        put(pod, in: "pods", "\(namespace)/\(name)")
    }

    /// Changes a pod; whoever watches is told.
    package func changePod(_ name: String, namespace: String = "default", _ change: (inout TestJSON) -> Void) {
        guard var pod = object("pods", "\(namespace)/\(name)") else { return }
        change(&pod)
        put(pod, in: "pods", "\(namespace)/\(name)")
    }

    /// Changes a StatefulSet.
    package func changeStatefulSet(_ name: String, namespace: String = "default", _ change: (inout TestJSON) -> Void) {
        guard var set = object("statefulsets", "\(namespace)/\(name)") else { return }
        change(&set)
        put(set, in: "statefulsets", "\(namespace)/\(name)")
    }

    package func deletePod(_ name: String, namespace: String = "default") {
        state.withLock { _ = $0.remove("pods", "\(namespace)/\(name)") }
    }

    /// The Lease of that name.
    package func lease(_ name: String, namespace: String = "default") -> TestJSON? {
        object("leases", "\(namespace)/\(name)")
    }

    /// Makes or changes a Lease, as somebody else does.
    package func changeLease(_ name: String, namespace: String = "default", _ change: (inout TestJSON) -> Void) {
        let metadata: TestJSON = .object(["name": .text(name), "namespace": .text(namespace)])
        let fresh: TestJSON = .object([
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": .object([:]),
        ])
        var lease = object("leases", "\(namespace)/\(name)") ?? fresh
        change(&lease)
        put(lease, in: "leases", "\(namespace)/\(name)")
    }

    package func deleteLease(_ name: String, namespace: String = "default") {
        state.withLock { $0.objects["leases"]?["\(namespace)/\(name)"] = nil }
    }

    package func object(_ kind: String, _ key: String) -> TestJSON? {
        state.withLock { $0.objects[kind]?[key] }
    }

    func put(_ object: TestJSON, in kind: String, _ key: String) {
        state.withLock { _ = $0.put(object, in: kind, key) }
    }

    /// What a real server answered, without its headers.
    package static func recorded(_ name: String) throws -> TestJSON {
        if let known = recordings.value[name] { return known }
        let folder = Parts.testsFolder.appendingPathComponent("KubernetesTests/Fixtures")
        let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
        guard let end = text.range(of: "\r\n\r\n") ?? text.range(of: "\n\n") else {
            throw PartMissing(description: "\(name) has no head")
        }
        let recorded = try TestJSON(parsing: String(text[end.upperBound...]))
        recordings.change { $0[name] = recorded }
        return recorded
    }

    /// Reading one takes long enough to be done once.
    private static let recordings = Shared<[String: TestJSON]>([:])
}

extension KubernetesDouble.State {
    /// Stores an object under a new version, and tells the watches.
    mutating func put(_ object: TestJSON, in kind: String, _ key: String) -> TestJSON {
        version += 1
        var object = object
        object.set(.text("\(version)"), at: "metadata", "resourceVersion")
        let isNew = objects[kind]?[key] == nil
        objects[kind, default: [:]][key] = object
        history.append(.init(version: version, type: isNew ? "ADDED" : "MODIFIED", kind: kind, object: object))
        notify()
        return object
    }

    /// Removes an object, and tells the watches.
    mutating func remove(_ kind: String, _ key: String) -> TestJSON? {
        guard var object = objects[kind]?.removeValue(forKey: key) else { return nil }
        version += 1
        object.set(.text("\(version)"), at: "metadata", "resourceVersion")
        history.append(.init(version: version, type: "DELETED", kind: kind, object: object))
        notify()
        return object
    }

    func notify() {
        for watcher in watchers.values { watcher.yield() }
    }
}

extension TestJSON {
    /// Sets the value at a path of members, which are made where they are missing; `nil` removes it.
    package mutating func set(_ value: TestJSON?, at path: String...) {
        set(value, path[...])
    }

    private mutating func set(_ value: TestJSON?, _ path: ArraySlice<String>) {
        guard let first = path.first else { return }
        var members = object ?? [:]
        if path.count == 1 {
            members[first] = value
        } else {
            var member = members[first] ?? .object([:])
            member.set(value, path.dropFirst())
            members[first] = member
        }
        self = .object(members)
    }
}
