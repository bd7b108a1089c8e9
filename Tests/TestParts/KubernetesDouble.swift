// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// Plays the API server of Kubernetes on a loopback port, as far as redoubt asks it: StatefulSets, Pods, Leases, Events
/// and access reviews, with paging, watches, versions and the words of a real 1.33.
///
/// Everybody must show the token, which `rotateToken` changes. What is in it is changed by the functions below, also
/// while somebody watches.
/// - Parameters:
///   - tls: serve over TLS with this material; plain HTTP without.
///   - clientAuthority: over TLS, ask for a certificate of this authority (a path), and ask for no token then.
@discardableResult
package func withKubernetesAPI<Value: Sendable>(
    tls: TLSMaterial? = nil,
    clientAuthority: String? = nil,
    _ body: (KubernetesDouble) async throws -> Value
) async throws -> Value {
    let double = KubernetesDouble(tls: tls, asksForToken: clientAuthority == nil)
    return try await withByteServer(tls: tls.map { ServerTLS(material: $0, clientAuthority: clientAuthority) }) {
        connection,
        _ in
        while let request = try await connection.readRequest() {
            guard try await double.serve(request, on: connection) else { return }
        }
    } _: { port in
        double.start(port: port)
        defer { double.endWatches() }
        return try await body(double)
    }
}

package final class KubernetesDouble: Sendable {
    /// One thing that was done to the API, as RBAC names it.
    package struct Use: Sendable, Hashable, CustomStringConvertible {
        package let verb: String
        package let group: String
        package let resource: String
        package let subresource: String?
        /// `nil` for a whole collection, and for what is created.
        package let name: String?
        package let namespace: String?

        package var description: String {
            let whole = "\(verb) \(resource)\(subresource.map { "/\($0)" } ?? "")\(group.isEmpty ? "" : ".\(group)")"
            return whole + (name.map { " \($0)" } ?? "")
        }
    }

    /// What goes wrong with a request instead of its answer.
    package enum Fault: Sendable {
        /// A Status of this code.
        case status(Int, retryAfter: Int? = nil)
        /// Not the answer of an API server.
        case page(Int, String)
        /// The connection breaks before the answer.
        case reset
        /// The request is carried out, and the connection breaks before the answer.
        case lostAnswer
        /// The connection ends in the middle of the body.
        case truncatedBody
        /// A body of the right length that stops being JSON in its middle.
        case truncatedJSON
        /// A watch breaks off in the middle of the event after these.
        case dropWatch(afterEvents: Int)
        /// A watch ends as it does when its time is over.
        case endWatch(afterEvents: Int)
        /// A watch ends with an event of the type ERROR.
        case failWatch(code: Int, afterEvents: Int)
    }

    struct Injection {
        let fault: Fault
        let prefix: String
        let part: String
        var times: Int
    }

    struct Change {
        let version: Int
        let type: String
        let kind: String
        let object: TestJSON
    }

    struct State {
        var port = 0
        var version = 1000
        var token = "first-token-of-the-double"
        var tokenFiles: [URL] = []
        var asksForToken = true
        /// By resource, then by `namespace/name`.
        var objects: [String: [String: TestJSON]] = [:]
        var history: [Change] = []
        /// Watches and continuations of older versions are told 410.
        var oldestVersion = 0
        var forbidden: Set<String> = []
        var injections: [Injection] = []
        var uses: [Use] = []
        var requests: [String] = []
        var watchers: [Int: AsyncStream<Void>.Continuation] = [:]
        var watchersMade = 0
        var pageMax = Int.max
        /// Where the controllers of a test hear what they are to act on.
        var controllers: AsyncStream<ControllerNews>.Continuation?
    }

    let tls: TLSMaterial?
    let state: Mutex<State>

    init(tls: TLSMaterial?, asksForToken: Bool) {
        self.tls = tls
        var state = State()
        state.asksForToken = asksForToken
        self.state = Mutex(state)
    }

    func start(port: Int) { state.withLock { $0.port = port } }

    package var port: Int { state.withLock { $0.port } }
    package var url: String { "\(tls == nil ? "http" : "https")://127.0.0.1:\(port)" }
    /// The token that is accepted now.
    package var token: String { state.withLock { $0.token } }
    /// Everything that was done, once each.
    package var verbsUsed: Set<Use> { state.withLock { Set($0.uses) } }
    /// The same in the order in which it was done.
    package var uses: [Use] { state.withLock { $0.uses } }
    /// `GET /api/v1/…?…`, in the order in which they came, also those that were refused.
    package var requests: [String] { state.withLock { $0.requests } }
    /// The Events that were created, in no order.
    package var events: [TestJSON] { state.withLock { Array(($0.objects["events"] ?? [:]).values) } }
    /// How many watches are open now.
    package var watchCount: Int { state.withLock { $0.watchers.count } }

    // MARK: Faults

    /// The next requests that begin with `prefix` (`GET /api/v1/namespaces/default/pods`) and have `part` in them meet
    /// this fault; those injected first come first.
    package func inject(_ fault: Fault, on prefix: String, containing part: String = "", times: Int = 1) {
        let injection = Injection(fault: fault, prefix: prefix, part: part, times: times)
        state.withLock { $0.injections.append(injection) }
    }

    /// From now on this is answered with 403: `forbid(verb: "list", resource: "pods")`, `"statefulsets/scale"`.
    package func forbid(verb: String, resource: String) {
        state.withLock { _ = $0.forbidden.insert("\(verb) \(resource)") }
    }

    package func allow(verb: String, resource: String) {
        state.withLock { _ = $0.forbidden.remove("\(verb) \(resource)") }
    }

    /// Pages have at most so many items, whatever is asked for.
    package func limitPages(to count: Int) {
        state.withLock { $0.pageMax = count }
    }

    /// Forgets all versions before now: watches and continuations that go on from them are told 410.
    package func forgetHistory() {
        state.withLock { state in
            state.version += 1
            state.oldestVersion = state.version
            state.history = []
        }
    }

    /// Tells all watches how far they have come.
    package func sendBookmark() {
        state.withLock { state in
            state.version += 1
            let metadata: TestJSON = .object(["resourceVersion": .text("\(state.version)")])
            let object: TestJSON = .object(["kind": "Pod", "apiVersion": "v1", "metadata": metadata])
            state.history.append(Change(version: state.version, type: "BOOKMARK", kind: "pods", object: object))
            state.notify()
        }
    }

    // MARK: Access

    /// Another token is accepted from now on, and no longer this one.
    /// - Parameter rewritingFiles: the files that this double wrote have the new one then, as the kubelet does it.
    @discardableResult
    package func rotateToken(rewritingFiles: Bool = true) throws -> String {
        let (token, files) = state.withLock { state in
            state.version += 1
            state.token = "token-\(state.version)-of-the-double"
            return (state.token, state.tokenFiles)
        }
        for file in rewritingFiles ? files : [] { try Data(token.utf8).write(to: file) }
        return token
    }

    /// Writes a kubeconfig for this server, with its token in a file of its own; gives the path.
    package func kubeconfig(in folder: URL, namespace: String? = nil) throws -> String {
        let file = folder.appendingPathComponent("token")
        try writeToken(to: file)
        return try kubeconfig(in: folder, user: "tokenFile: \(file.path)", namespace: namespace)
    }

    /// The same with what the user says, and what else the cluster says, as YAML in one line each.
    package func kubeconfig(
        in folder: URL,
        user: String,
        cluster: String = "",
        server: String? = nil,
        namespace: String? = nil
    ) throws -> String {
        let authority = tls.map { "certificate-authority: \($0.authority)" } ?? ""
        let text = """
            apiVersion: v1
            kind: Config
            current-context: double
            clusters:
            - name: double
              cluster:
                server: \(server ?? url)
                \(authority)
                \(cluster)
            users:
            - name: double
              user:
                \(user)
            contexts:
            - name: double
              context: {cluster: double, user: double\(namespace.map { ", namespace: \($0)" } ?? "")}
            """
        let file = folder.appendingPathComponent("kubeconfig")
        try Data(text.utf8).write(to: file)
        return file.path
    }

    /// Writes what a pod finds of its service account; gives the folder. Of use over TLS alone: with
    /// `KUBERNETES_SERVICE_HOST` 127.0.0.1 and `KUBERNETES_SERVICE_PORT` `port`.
    package func serviceAccountFolder(in folder: URL, namespace: String = "default") throws -> String {
        try writeToken(to: folder.appendingPathComponent("token"))
        try Data(namespace.utf8).write(to: folder.appendingPathComponent("namespace"))
        if let tls {
            let authority = try Data(contentsOf: URL(fileURLWithPath: tls.authority))
            try authority.write(to: folder.appendingPathComponent("ca.crt"))
        }
        return folder.path
    }

    private func writeToken(to file: URL) throws {
        try Data(token.utf8).write(to: file)
        state.withLock { $0.tokenFiles.append(file) }
    }
}
