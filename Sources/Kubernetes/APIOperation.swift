// SPDX-License-Identifier: Apache-2.0

import HTTPTransport

/// One request to the API, before it has a server and credentials.
struct APIOperation: Sendable {
    /// As RBAC names them.
    enum Verb: String, Sendable {
        case get
        case list
        case watch
        case create
        case update
        /// A merge patch (RFC 7386) alone.
        case patch
        case delete

        var method: String {
            switch self {
            case .get, .list, .watch: "GET"
            case .create: "POST"
            case .update: "PUT"
            case .patch: "PATCH"
            case .delete: "DELETE"
            }
        }

        /// What kind of body goes with it.
        var contentType: String { self == .patch ? "application/merge-patch+json" : "application/json" }
    }

    let verb: Verb
    /// Empty for `v1`.
    let group: String
    /// Empty for `/version`.
    let resource: String
    let subresource: String?
    let namespace: String?
    /// One object alone.
    let name: String?
    let path: String
    var query: [(name: String, value: String)] = []
    var body: [UInt8] = []
    /// For messages: `list the pods of the StatefulSet default/redis`.
    let attempt: String
    /// How large the answer may be.
    var answerBytesMax = APILimits.objectBytesMax
    /// Whether it may be sent again when nobody knows whether it was carried out.
    var isRepeatable: Bool
    /// How long nothing may move.
    var noProgressSeconds = APILimits.noProgressSeconds

    init(
        _ verb: Verb,
        group: String = "",
        version: String = "v1",
        resource: String,
        namespace: String? = nil,
        name: String? = nil,
        subresource: String? = nil,
        attempt: String
    ) {
        self.verb = verb
        self.group = group
        self.resource = resource
        self.subresource = subresource
        self.namespace = namespace
        self.name = name
        self.attempt = attempt
        let root = group.isEmpty ? "/api/\(version)" : "/apis/\(group)/\(version)"
        let place = namespace.map { "/namespaces/\(PercentEncoding.component($0))" } ?? ""
        let object = name.map { "/\(PercentEncoding.component($0))" } ?? ""
        path = root + place + "/\(resource)" + object + (subresource.map { "/\($0)" } ?? "")
        isRepeatable = verb.method == "GET"
    }

    /// A path that is no resource.
    init(getting path: String, attempt: String) {
        (verb, group, resource, subresource, namespace, name) = (.get, "", "", nil, nil, nil)
        (self.path, self.attempt, isRepeatable) = (path, attempt, true)
    }

    /// Path and query.
    var target: String {
        guard !query.isEmpty else { return path }
        let pairs = query.map { "\($0.name)=\(PercentEncoding.component($0.value))" }
        return "\(path)?\(pairs.joined(separator: "&"))"
    }

    /// What to ask `kubectl auth can-i`.
    var permission: String {
        guard !resource.isEmpty else { return "\(verb) \(path)" }
        let whole = resource + (group.isEmpty ? "" : ".\(group)")
        let sub = subresource.map { " --subresource=\($0)" } ?? ""
        // A Role may grant one name alone; then the answer for all of them is no.
        return "\(verb) \(whole)\(name.map { "/\($0)" } ?? "")\(sub)" + (namespace.map { " -n \($0)" } ?? "")
    }
}

/// What bounds memory and time.
enum APILimits {
    /// An object is at most 1.5 MiB in etcd.
    static let objectBytesMax = 4 << 20
    static let pageBytesMax = 16 << 20
    static let pagePods = 500
    static let pagesMax = 200
    /// How often a list is begun anew because its continuation expired.
    static let listRestartsMax = 3
    static let noProgressSeconds = 30
    static let connectSeconds = 10
    static let triesMax = 5
    /// All waits of one operation together.
    static let waitSecondsMax = 60.0
    static let retryAfterSecondsMax = 30.0
}
