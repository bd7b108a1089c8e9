// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What was done to the API that a controller acts on.
package enum ControllerNews: Sendable {
    /// A StatefulSet is to have another number of pods.
    case scaled(set: String, namespace: String, from: Int, to: Int)
    case jobCreated(TestJSON)
    case jobDeleted(TestJSON)
}

extension KubernetesDouble {
    /// Runs the body beside controllers: `act` is called with what was done to the API, in tasks of its own, in any
    /// number at once. What it throws ends the body.
    package func withControllers<Value: Sendable>(
        _ act: @escaping @Sendable (ControllerNews) async throws -> Void,
        _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let (news, more) = AsyncStream.makeStream(of: ControllerNews.self)
        state.withLock { $0.controllers = more }
        defer { state.withLock { $0.controllers = nil } }
        return try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask {
                try await withThrowingDiscardingTaskGroup { acting in
                    for await each in news { acting.addTask { try await act(each) } }
                }
                return nil
            }
            group.addTask {
                defer { more.finish() }
                return try await body()
            }
            defer { group.cancelAll() }
            while let value = try await group.next() {
                if let value { return value }
            }
            throw CancellationError()
        }
    }

    /// Adds a claim that is bound.
    package func addClaim(_ name: String, namespace: String = "default") {
        put(
            .object([
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": .object([
                    "name": .text(name), "namespace": .text(namespace), "uid": .text(UUID().uuidString),
                ]),
                "status": .object(["phase": "Bound"]),
            ]),
            in: "persistentvolumeclaims",
            "\(namespace)/\(name)"
        )
    }

    /// The StatefulSet of that name.
    package func statefulSet(_ name: String, namespace: String = "default") -> TestJSON? {
        object("statefulsets", "\(namespace)/\(name)")
    }

    /// The Jobs that are there, in the order of their names.
    package var jobs: [TestJSON] {
        state.withLock { state in (state.objects["jobs"] ?? [:]).sorted { $0.key < $1.key }.map(\.value) }
    }

    /// The pods that an object controls.
    package func podNames(ofOwner uid: String) -> [String] {
        state.withLock { state in
            (state.objects["pods"] ?? [:]).values.filter {
                $0["metadata"]?["ownerReferences"]?[0]?["uid"]?.text == uid
            }.compactMap { $0["metadata"]?["name"]?.text }
        }
    }

    /// Makes the pod of a Job, as the Job controller does; it is pending. Gives its name.
    package func addPod(ofJob job: TestJSON, attempt: Int = 0) -> String {
        let namespace = job["metadata"]?["namespace"]?.text ?? ""
        let name = "\(job["metadata"]?["name"]?.text ?? "")-\(attempt)x\(UUID().uuidString.lowercased().prefix(3))"
        var spec = job["spec"]?["template"]?["spec"] ?? .object([:])
        spec.set("node0", at: "nodeName")
        let reference: TestJSON = .object([
            "apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]?["name"] ?? .null,
            "uid": job["metadata"]?["uid"] ?? .null, "controller": true,
        ])
        put(
            .object([
                "apiVersion": "v1", "kind": "Pod",
                "metadata": .object([
                    "name": .text(name), "namespace": .text(namespace), "uid": .text(UUID().uuidString.lowercased()),
                    "labels": job["spec"]?["template"]?["metadata"]?["labels"] ?? .object([:]),
                    "creationTimestamp": .text("2026-11-22T16:00:0\(attempt)Z"),
                    "ownerReferences": .array([reference]),
                ]),
                "spec": spec, "status": .object(["phase": "Pending"]),
            ]),
            in: "pods",
            "\(namespace)/\(name)"
        )
        return name
    }

    /// The pod of a Job runs.
    package func startPod(ofJob name: String, namespace: String) {
        changePod(name, namespace: namespace) { pod in
            pod.set("Running", at: "status", "phase")
            let running: TestJSON = .object(["running": .object(["startedAt": "2026-11-22T16:00:00Z"])])
            pod.set(
                .array([.object(["name": "redoubt", "restartCount": 0, "state": running])]),
                at: "status",
                "containerStatuses"
            )
        }
    }

    /// The pod of a Job has ended.
    package func endPod(ofJob name: String, namespace: String, code: Int, reason: String? = nil, message: String = "") {
        changePod(name, namespace: namespace) { pod in
            pod.set(.text(code == 0 ? "Succeeded" : "Failed"), at: "status", "phase")
            let terminated: TestJSON = .object([
                "exitCode": .number(Double(code)), "reason": .text(reason ?? (code == 0 ? "Completed" : "Error")),
                "message": .text(message),
            ])
            let status: TestJSON = .object([
                "name": "redoubt", "restartCount": 0, "state": .object(["terminated": terminated]),
            ])
            pod.set(.array([status]), at: "status", "containerStatuses")
        }
    }

    /// A Job has come to its end, as the Job controller says it.
    /// - Parameter failure: reason and message; `nil`: it is complete.
    package func endJob(_ job: TestJSON, failure: (reason: String, message: String)? = nil) {
        let key = "\(job["metadata"]?["namespace"]?.text ?? "")/\(job["metadata"]?["name"]?.text ?? "")"
        guard var now = object("jobs", key), now["metadata"]?["uid"] == job["metadata"]?["uid"] else { return }
        var condition: TestJSON = .object(["type": .text(failure == nil ? "Complete" : "Failed"), "status": "True"])
        if let failure {
            condition.set(.text(failure.reason), at: "reason")
            condition.set(.text(failure.message), at: "message")
        }
        now.set(.array([condition]), at: "status", "conditions")
        put(now, in: "jobs", key)
    }

    // MARK: Requests

    /// The subresource `scale`, read and patched.
    func scale(_ target: Target, _ body: TestJSON) -> Answer {
        state.withLock { state in
            guard var set = state.objects["statefulsets"]?[target.key] else { return missing(target.use) }
            guard target.use.verb != "patch" else {
                let asked = body["metadata"]?["resourceVersion"]?.text
                guard asked == nil || asked == set["metadata"]?["resourceVersion"]?.text else {
                    return Self.conflict(target.use)
                }
                let before = set["spec"]?["replicas"]?.int ?? 1
                let after = body["spec"]?["replicas"]?.int ?? before
                set.set(.number(Double(after)), at: "spec", "replicas")
                if before != after { set.raiseGeneration() }
                let stored = state.put(set, in: "statefulsets", target.key)
                if before != after {
                    let (name, namespace) = (target.use.name ?? "", target.use.namespace ?? "")
                    state.tell(.scaled(set: name, namespace: namespace, from: before, to: after))
                }
                return Answer(status: 200, body: Self.scale(of: stored))
            }
            return Answer(status: 200, body: Self.scale(of: set))
        }
    }

    /// In the shape of get-scale.http.
    private static func scale(of set: TestJSON) -> TestJSON {
        var spec: [String: TestJSON] = [:]
        // What is zero is left out.
        if let replicas = set["spec"]?["replicas"]?.int, replicas > 0 { spec["replicas"] = .number(Double(replicas)) }
        var scale: TestJSON = .object([
            "kind": "Scale", "apiVersion": "autoscaling/v1", "spec": .object(spec), "status": .object([:]),
        ])
        for field in ["name", "namespace", "uid", "resourceVersion"] {
            scale.set(set["metadata"]?[field], at: "metadata", field)
        }
        return scale
    }

    /// A merge patch.
    func patch(_ target: Target, _ request: SeenRequest, _ body: TestJSON) -> Answer {
        guard request.headers["content-type"] == "application/merge-patch+json" else {
            let message = "the body of the request was in an unknown format"
            return Answer(status: 415, body: Self.status(415, "UnsupportedMediaType", message))
        }
        return state.withLock { state in
            guard let old = state.objects[target.use.resource]?[target.key] else { return missing(target.use) }
            let asked = body["metadata"]?["resourceVersion"]?.text
            guard asked == nil || asked == old["metadata"]?["resourceVersion"]?.text else {
                return Self.conflict(target.use)
            }
            var object = old.merged(with: body)
            if object["spec"] != old["spec"] { object.raiseGeneration() }
            return Answer(status: 200, body: state.put(object, in: target.use.resource, target.key))
        }
    }

    func delete(_ target: Target) -> Answer {
        state.withLock { state in
            guard let object = state.remove(target.use.resource, target.key) else { return missing(target.use) }
            if target.use.resource == "jobs" {
                // Without it the pods stay.
                if target.query["propagationPolicy"] == "Background" { state.tell(.jobDeleted(object)) }
            }
            return Answer(status: 200, body: object)
        }
    }
}

extension KubernetesDouble.State {
    func tell(_ news: ControllerNews) {
        controllers?.yield(news)
    }
}

extension TestJSON {
    /// RFC 7386.
    func merged(with patch: TestJSON) -> TestJSON {
        guard let changes = patch.object else { return patch }
        var members = object ?? [:]
        for (name, value) in changes {
            members[name] = value == .null ? nil : (members[name] ?? .null).merged(with: value)
        }
        return .object(members)
    }

    mutating func raiseGeneration() {
        let generation = self["metadata"]?["generation"]?.int ?? 1
        set(.number(Double(generation + 1)), at: "metadata", "generation")
    }
}
