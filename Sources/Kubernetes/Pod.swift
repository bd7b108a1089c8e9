// SPDX-License-Identifier: Apache-2.0

/// A pod, as far as whoever wants to speak to it is concerned.
package struct Pod: Sendable, Hashable {
    package let namespace: String
    package let name: String
    package let uid: String
    /// Its number in its StatefulSet; `nil` when it belongs to none.
    package let ordinal: Int?
    package let node: String?
    /// `nil` until it is on a node and has a network.
    package let ip: String?
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    package let phase: String
    package let isReady: Bool
    /// It was told to end, and has not ended yet.
    package let isTerminating: Bool
    /// In the order of its specification; the first is the main one, as `kubectl` takes it.
    package let containers: [Container]
    /// What Kubernetes says about why it is not running: a condition, a reason, an init container.
    package let remark: String?
    /// The uid of the object that controls it: its StatefulSet, its Job.
    package let controllerUID: String?
    /// RFC 3339, in whole seconds: later ones are greater.
    package let createdAt: String?

    package init(
        namespace: String,
        name: String,
        uid: String,
        ordinal: Int? = nil,
        node: String? = nil,
        ip: String? = nil,
        phase: String = "Running",
        isReady: Bool = true,
        isTerminating: Bool = false,
        containers: [Container] = [],
        remark: String? = nil,
        controllerUID: String? = nil,
        createdAt: String? = nil
    ) {
        self.namespace = namespace
        self.name = name
        self.uid = uid
        self.ordinal = ordinal
        self.node = node
        self.ip = ip
        self.phase = phase
        self.isReady = isReady
        self.isTerminating = isTerminating
        self.containers = containers
        self.remark = remark
        self.controllerUID = controllerUID
        self.createdAt = createdAt
    }

    /// Why it cannot be spoken to now, as the end of a sentence that begins with its name; `nil` when it runs and has
    /// an address. Whether it is ready does not matter: a server that loads its data is spoken to as well.
    package var trouble: String? { trouble(ofContainer: nil) }

    /// The same, with an eye on one of its containers. `nil` is the first: a sidecar that fails is no trouble.
    package func trouble(ofContainer name: String?) -> String? {
        if isTerminating { return "is being deleted" }
        let container = name.map { name in containers.first { $0.name == name } } ?? containers.first
        let after = remark.map { ": \($0)" } ?? ""
        switch phase {
        case "Pending":
            if remark == nil, let container, container.waitingReason != nil { return container.trouble }
            return "is pending\(after)"
        case "Succeeded": return "has ended\(after)"
        case "Failed": return "has failed\(after)"
        case "Unknown": return "is not heard of\(after)"
        default: break
        }
        if let trouble = container?.trouble { return trouble }
        return (ip ?? "").isEmpty ? "has no address yet" : nil
    }
}

/// A container of a pod, and how it is doing.
package struct Container: Sendable, Hashable {
    package let spec: ContainerSpec
    package let restartCount: Int
    package let isRunning: Bool
    /// `CrashLoopBackOff`, `ImagePullBackOff`, `ContainerCreating` …; `nil` when it does not wait.
    package let waitingReason: String?
    /// How it ended when it last did.
    package let lastExit: ContainerExit?

    package var name: String { spec.name }

    package init(
        spec: ContainerSpec,
        restartCount: Int = 0,
        isRunning: Bool = true,
        waitingReason: String? = nil,
        lastExit: ContainerExit? = nil
    ) {
        self.spec = spec
        self.restartCount = restartCount
        self.isRunning = isRunning
        self.waitingReason = waitingReason
        self.lastExit = lastExit
    }

    /// As `Pod.trouble`, of this container alone.
    var trouble: String? {
        if isRunning { return nil }
        let exit = lastExit.map { "exit \($0.code)\($0.reason.map { ", \($0)" } ?? "")" }
        if let waitingReason {
            return "its container \(name) waits: \(waitingReason)" + (exit.map { " (last \($0))" } ?? "")
        }
        return exit.map { "its container \(name) has ended (\($0))" } ?? "its container \(name) does not run"
    }
}

/// How a container ended.
package struct ContainerExit: Sendable, Hashable {
    package let code: Int
    /// `OOMKilled`, `Error`, `Completed` …
    package let reason: String?
    /// Its termination message.
    package let message: String?

    package init(code: Int, reason: String? = nil, message: String? = nil) {
        self.code = code
        self.reason = reason
        self.message = message
    }
}
