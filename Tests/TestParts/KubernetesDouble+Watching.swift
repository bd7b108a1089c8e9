// SPDX-License-Identifier: Apache-2.0

import Foundation

extension KubernetesDouble {
    /// Ends all watches, as the server does when it goes down.
    package func endWatches() {
        let watchers = state.withLock { state in
            defer { state.watchers = [:] }
            return state.watchers.values
        }
        for watcher in watchers { watcher.finish() }
    }

    /// - Returns: whether the connection may be used on.
    func watch(_ target: Target, _ fault: Fault?, on connection: ByteChannel) async throws -> Bool {
        let (changes, more) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let id = state.withLock { state in
            state.watchersMade += 1
            state.watchers[state.watchersMade] = more
            return state.watchersMade
        }
        defer { state.withLock { $0.watchers[id] = nil } }
        more.yield()
        try await connection.write(Self.head(200, ["Transfer-Encoding: chunked"]))
        let seconds = target.query["timeoutSeconds"].flatMap { Int($0) } ?? 600
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await Task.sleep(for: .seconds(seconds))
                more.finish()
            }
            defer { group.cancelAll() }
            var version = target.query["resourceVersion"].flatMap { Int($0) } ?? 0
            var count = 0
            for await _ in changes {
                if state.withLock({ version < $0.oldestVersion }) {
                    try await tell("ERROR", Self.status(410, "Expired", "too old resource version"), on: connection)
                    break
                }
                for change in changesAfter(version, target) {
                    if let ending = try await end(fault, count, change, on: connection) { return ending }
                    try await tell(change.type, change.object, on: connection)
                    (version, count) = (change.version, count + 1)
                }
                if let ending = try await end(fault, count, nil, on: connection) { return ending }
            }
            try await connection.write("0\r\n\r\n")
            return true
        }
    }

    private func changesAfter(_ version: Int, _ target: Target) -> [Change] {
        state.withLock { state in
            state.history.filter { change in
                guard change.version > version, change.kind == target.use.resource else { return false }
                if change.type == "BOOKMARK" { return true }
                return change.object["metadata"]?["namespace"]?.text == target.use.namespace
                    && Self.fits(change.object, target.query["labelSelector"] ?? "")
            }
        }
    }

    /// Ends a watch as its fault says, if it is due.
    /// - Parameter change: the next event, of which half is sent before the watch is dropped.
    private func end(
        _ fault: Fault?,
        _ count: Int,
        _ change: Change?,
        on connection: ByteChannel
    ) async throws -> Bool? {
        switch fault {
        case .dropWatch(let after)? where count >= after:
            if let change {
                let line = try Self.line(change.type, change.object)
                try await connection.write("\(String(line.count, radix: 16))\r\n")
                try await connection.write(Array(line.prefix(line.count / 2)))
            }
            return false
        case .endWatch(let after)? where count >= after:
            try await connection.write("0\r\n\r\n")
            return true
        case .failWatch(let code, let after)? where count >= after:
            try await tell("ERROR", Self.status(code, "Injected", "an injected error of \(code)"), on: connection)
            try await connection.write("0\r\n\r\n")
            return true
        default: return nil
        }
    }

    private static func line(_ type: String, _ object: TestJSON) throws -> [UInt8] {
        try bytes(of: .object(["type": .text(type), "object": object])) + [UInt8(ascii: "\n")]
    }

    private func tell(_ type: String, _ object: TestJSON, on connection: ByteChannel) async throws {
        let line = try Self.line(type, object)
        try await connection.write(Array("\(String(line.count, radix: 16))\r\n".utf8) + line + Array("\r\n".utf8))
    }

    // MARK: Requests

    /// `nil` for what is no resource.
    static func target(of request: SeenRequest) -> Target? {
        guard let url = URLComponents(string: request.target) else { return nil }
        var query: [String: String] = [:]
        for item in url.queryItems ?? [] { query[item.name] = item.value ?? "" }
        var parts = url.path.split(separator: "/").map(String.init)[...]
        let root = parts.popFirst()
        guard root == "api" || root == "apis" else { return nil }
        let group = root == "apis" ? parts.popFirst() ?? "" : ""
        parts = parts.dropFirst()
        var namespace: String?
        if parts.first == "namespaces", parts.count > 2 {
            namespace = parts.dropFirst().first
            parts = parts.dropFirst(2)
        }
        guard let resource = parts.popFirst() else { return nil }
        let (name, subresource) = (parts.popFirst(), parts.popFirst())
        let verb =
            switch request.method {
            case "POST": "create"
            case "PUT": "update"
            case "PATCH": "patch"
            case "DELETE": "delete"
            default: name != nil ? "get" : query["watch"] == nil ? "list" : "watch"
            }
        let use = Use(
            verb: verb,
            group: group,
            resource: resource,
            subresource: subresource,
            name: name,
            namespace: namespace
        )
        return Target(use: use, query: query)
    }

    /// Whether the labels of an object fit a selector: `a=b`, `a in (b,c)`, `a notin (b)`, `a`, `!a`.
    static func fits(_ object: TestJSON, _ selector: String) -> Bool {
        let labels = object["metadata"]?["labels"]?.object ?? [:]
        return requirements(selector).allSatisfy { requirement in
            let words = requirement.split(separator: " ", maxSplits: 2).map(String.init)
            let value = labels[words.first ?? ""]?.text
            if words.count == 3 {
                let values = words[2].dropFirst().dropLast().split(separator: ",").map(String.init)
                let isOne = value.map { values.contains($0) } ?? false
                return words[1] == "in" ? isOne : !isOne
            }
            if requirement.hasPrefix("!") { return labels[String(requirement.dropFirst())] == nil }
            let sides = requirement.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
            if sides.count == 2 { return labels[sides[0]]?.text == sides[1] }
            return labels[requirement] != nil
        }
    }

    /// The parts between commas that stand in no parentheses.
    private static func requirements(_ selector: String) -> [String] {
        var (parts, depth) = ([""], 0)
        for character in selector {
            if character == "(" { depth += 1 }
            if character == ")" { depth -= 1 }
            if character == ",", depth == 0 { parts.append("") } else { parts[parts.count - 1].append(character) }
        }
        return parts.filter { !$0.isEmpty }
    }
}
