// SPDX-License-Identifier: Apache-2.0

import Failures

extension KubernetesClient {
    /// The pods that a StatefulSet owns, in the order of their ordinals: those that are there, whatever their state.
    package func pods(of set: StatefulSet) async throws -> [Pod] {
        try await pods(of: try PodGroup(of: set))
    }

    /// The pods of a group: those that are there, whatever their state.
    package func pods(of group: PodGroup) async throws -> [Pod] {
        try await listPods(of: group).pods
    }

    /// The same, with the version of the list, from which a watch goes on.
    func listPods(of group: PodGroup) async throws -> PodBook {
        var restarts = 0
        while true {
            do { return try await readPages(of: group) } catch is ResourceExpired {
                // The pages before are of a state that the server has forgotten.
                restarts += 1
                guard restarts <= APILimits.listRestartsMax else {
                    throw Failure(
                        .unreachable,
                        "\(exchange.name(Self.listing(group))): it expired \(restarts) times while it was read",
                        hint: "The API server forgets lists too soon: try again."
                    )
                }
                exchange.logger.debug("a list of pods expired, reading it anew")
            }
        }
    }

    private func readPages(of group: PodGroup) async throws -> PodBook {
        var book = PodBook(ownerUID: group.ownerUID)
        var token: String?
        for _ in 0..<APILimits.pagesMax {
            var operation = Self.listing(group)
            operation.query.append(("limit", "\(APILimits.pagePods)"))
            if let token { operation.query.append(("continue", token)) }
            let page = try await exchange.perform(operation, as: Wire.PodList.self)
            try exchange.understood(operation) {
                for wire in page.items ?? [] {
                    try book.note(wire)
                }
            }
            book.version = page.metadata?.resourceVersion
            token = page.metadata?.continue.flatMap { $0.isEmpty ? nil : $0 }
            if token == nil { return book }
        }
        throw Failure(
            .protocolViolation,
            "\(exchange.name(Self.listing(group))): it has no end after \(APILimits.pagesMax) pages"
        )
    }

    private static func listing(_ group: PodGroup) -> APIOperation {
        var operation = APIOperation(
            .list,
            resource: "pods",
            namespace: group.namespace,
            attempt: "list the pods of \(group.shown)"
        )
        operation.answerBytesMax = APILimits.pageBytesMax
        if !group.selector.isEmpty { operation.query.append(("labelSelector", group.selector)) }
        return operation
    }
}

/// Pods that are looked at together.
package struct PodGroup: Sendable, Hashable {
    package let namespace: String
    /// As a query writes it: `app=redis,tier in (cache)`.
    package let selector: String
    /// Only what this object owns; `nil`: whatever the selector fits.
    let ownerUID: String?
    /// Whose they are, for messages: `the StatefulSet default/redis`.
    let shown: String

    /// - Throws: `.configuration` when the set has a name that is none.
    package init(of set: StatefulSet) throws {
        try ObjectName.check("StatefulSet", set.name, namespace: set.namespace)
        namespace = set.namespace
        selector = set.selector
        ownerUID = set.uid
        shown = "the StatefulSet \(set.namespace)/\(set.name)"
    }

    /// - Parameter shown: whose they are, for messages.
    package init(namespace: String, selector: String, shown: String) {
        self.namespace = namespace
        self.selector = selector
        ownerUID = nil
        self.shown = shown
    }
}

/// The pods of one group as they are known, and as of which version.
struct PodBook: Sendable {
    private let ownerUID: String?
    private var known: [String: Pod] = [:]
    /// From which a watch goes on; `nil` when the server told none.
    var version: String?

    init(ownerUID: String?) {
        self.ownerUID = ownerUID
    }

    /// In the order of their ordinals.
    var pods: [Pod] {
        known.values.sorted { ($0.ordinal ?? .max, $0.name) < ($1.ordinal ?? .max, $1.name) }
    }

    /// Takes a pod up from a list, if it is of the group: a selector may fit others too.
    mutating func note(_ wire: Wire.Pod) throws(Malformed) {
        let pod = try Pod(wire)
        note(pod, owners: (wire.metadata.ownerReferences ?? []).map(\.uid))
    }

    private mutating func note(_ pod: Pod, owners: [String]) {
        known[pod.name] = ownerUID.map(owners.contains) ?? true ? pod : nil
    }

    /// Takes an event of a watch up.
    /// - Throws: `ResourceExpired` when the server has forgotten what the watch would go on from; `WatchError` for any
    ///   other error that it tells.
    mutating func apply(_ event: WatchEvent) throws {
        switch event {
        case .present(let pod, let owners, let version):
            note(pod, owners: owners)
            self.version = version ?? self.version
        case .deleted(let pod, let version):
            // Its successor has the same name, and comes with an event of its own.
            if known[pod.name]?.uid == pod.uid { known[pod.name] = nil }
            self.version = version ?? self.version
        case .bookmark(let version): self.version = version
        case .error(let status) where status.code == 410: throw ResourceExpired()
        case .error(let status): throw WatchError(status: status)
        }
    }
}

/// An error that the server tells in the middle of a watch.
struct WatchError: Error {
    let status: APIStatus
}
