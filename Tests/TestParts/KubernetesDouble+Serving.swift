// SPDX-License-Identifier: Apache-2.0

import Foundation

extension KubernetesDouble {
    struct Answer {
        let status: Int
        let body: TestJSON
        var headers: [String] = []
    }

    /// What a request is about.
    struct Target {
        let use: Use
        let query: [String: String]
        var key: String { "\(use.namespace ?? "")/\(use.name ?? "")" }
    }

    /// - Returns: whether the connection may be used on.
    func serve(_ request: SeenRequest, on connection: ByteChannel) async throws -> Bool {
        let line = "\(request.method) \(request.target)"
        state.withLock { $0.requests.append(line) }
        let fault = takeFault(line)
        switch fault {
        case .reset?:
            await connection.reset()
            return false
        case .status(let code, let retryAfter)?:
            let headers = retryAfter.map { ["Retry-After: \($0)"] } ?? []
            let reason = [410: "Expired", 429: "TooManyRequests", 500: "InternalError"][code] ?? "Injected"
            let body = Self.status(code, reason, "an injected answer of \(code)")
            try await send(Answer(status: code, body: body, headers: headers), on: connection)
            return true
        case .page(let code, let text)?:
            try await connection.write(ScriptedHTTP.response("\(code) Injected", body: text))
            return true
        default: break
        }
        let target = Self.target(of: request)
        if let refusal = refusal(of: request, target) {
            try await send(refusal, on: connection)
            return true
        }
        if let target, target.use.verb == "watch" { return try await watch(target, fault, on: connection) }
        return try await send(answer(to: request, target), damagedBy: fault, on: connection)
    }

    private func takeFault(_ line: String) -> Fault? {
        state.withLock { state in
            let place = state.injections.firstIndex {
                line.hasPrefix($0.prefix) && ($0.part.isEmpty || line.contains($0.part))
            }
            guard let place else { return nil }
            let fault = state.injections[place].fault
            state.injections[place].times -= 1
            if state.injections[place].times <= 0 { state.injections.remove(at: place) }
            return fault
        }
    }

    private func refusal(of request: SeenRequest, _ target: Target?) -> Answer? {
        state.withLock { state in
            if state.asksForToken, request.headers["authorization"] != "Bearer \(state.token)" {
                return Answer(status: 401, body: Self.status(401, "Unauthorized", "Unauthorized"))
            }
            guard let use = target?.use else { return nil }
            state.uses.append(use)
            guard state.forbids(use.verb, use.resource, use.subresource) else { return nil }
            let message =
                "\(use.resource) is forbidden: User \"system:serviceaccount:default:redoubt\" cannot \(use.verb) "
                + "resource \"\(use.resource)\" in API group \"\(use.group)\" in the namespace "
                + "\"\(use.namespace ?? "")\""
            return Answer(status: 403, body: Self.status(403, "Forbidden", message))
        }
    }

    // MARK: Answers

    private func answer(to request: SeenRequest, _ target: Target?) -> Answer {
        if request.target == "/version", let version = try? Self.recorded("version.http") {
            return Answer(status: 200, body: version)
        }
        guard let target else {
            return Answer(status: 404, body: Self.status(404, "NotFound", "the server could not find the resource"))
        }
        let body = (try? TestJSON(parsing: String(decoding: request.body, as: UTF8.self))) ?? .null
        if target.use.subresource == "scale" { return scale(target, body) }
        switch (target.use.verb, target.use.resource) {
        case ("get", _):
            return object(target.use.resource, target.key).map { Answer(status: 200, body: $0) } ?? missing(target.use)
        case ("list", _): return list(target)
        case ("create", "selfsubjectaccessreviews"): return review(body)
        case ("create", _): return create(target.use, body)
        case ("update", _): return replace(target, body)
        case ("patch", _): return patch(target, request, body)
        case ("delete", _): return delete(target)
        default: return Answer(status: 405, body: Self.status(405, "MethodNotAllowed", "not played by the double"))
        }
    }

    func missing(_ use: Use) -> Answer {
        let whole = use.resource + (use.group.isEmpty ? "" : ".\(use.group)")
        return Answer(status: 404, body: Self.status(404, "NotFound", "\(whole) \"\(use.name ?? "")\" not found"))
    }

    private func create(_ use: Use, _ body: TestJSON) -> Answer {
        state.withLock { state in
            var object = body
            let uid = UUID().uuidString.lowercased()
            if let prefix = body["metadata"]?["generateName"]?.text {
                object.set(.text(prefix + uid.prefix(5)), at: "metadata", "name")
            }
            object.set(.text(uid), at: "metadata", "uid")
            object.set(.text(use.namespace ?? ""), at: "metadata", "namespace")
            let name = object["metadata"]?["name"]?.text ?? ""
            let key = "\(use.namespace ?? "")/\(name)"
            guard state.objects[use.resource]?[key] == nil else {
                let message = "\(use.resource).\(use.group) \"\(name)\" already exists"
                return Answer(status: 409, body: Self.status(409, "AlreadyExists", message))
            }
            if body["metadata"]?["resourceVersion"] != nil {
                let message = "resourceVersion should not be set on objects to be created"
                return Answer(status: 400, body: Self.status(400, "BadRequest", message))
            }
            let made = state.put(object, in: use.resource, key)
            if use.resource == "jobs" { state.tell(.jobCreated(made)) }
            return Answer(status: 201, body: made)
        }
    }

    private func replace(_ target: Target, _ body: TestJSON) -> Answer {
        state.withLock { state in
            guard let old = state.objects[target.use.resource]?[target.key] else { return missing(target.use) }
            let (ours, theirs) = (body["metadata"]?["resourceVersion"]?.text, old["metadata"]?["resourceVersion"]?.text)
            guard ours == nil || ours == theirs else { return Self.conflict(target.use) }
            var object = body
            object.set(old["metadata"]?["uid"], at: "metadata", "uid")
            return Answer(status: 200, body: state.put(object, in: target.use.resource, target.key))
        }
    }

    static func conflict(_ use: Use) -> Answer {
        let message =
            "Operation cannot be fulfilled on \(use.resource).\(use.group) \"\(use.name ?? "")\": the object has been "
            + "modified; please apply your changes to the latest version and try again"
        return Answer(status: 409, body: status(409, "Conflict", message))
    }

    private func review(_ body: TestJSON) -> Answer {
        let asked = body["spec"]?["resourceAttributes"]
        let (verb, resource) = (asked?["verb"]?.text ?? "", asked?["resource"]?.text ?? "")
        let isForbidden = state.withLock { $0.forbids(verb, resource, asked?["subresource"]?.text) }
        var answer = body
        answer.set(.object(["allowed": .bool(!isForbidden)]), at: "status")
        if !isForbidden { answer.set("RBAC: allowed by RoleBinding \"redoubt/default\"", at: "status", "reason") }
        return Answer(status: 201, body: answer)
    }

    private func list(_ target: Target) -> Answer {
        state.withLock { state in
            let matching = (state.objects[target.use.resource] ?? [:]).filter { key, object in
                key.hasPrefix("\(target.use.namespace ?? "")/")
                    && Self.fits(object, target.query["labelSelector"] ?? "")
            }.sorted { $0.key < $1.key }
            var version = state.version
            var rest = matching[...]
            if let token = target.query["continue"] {
                let parts = token.split(separator: " ", maxSplits: 1).map(String.init)
                version = Int(parts.first ?? "") ?? 0
                guard version >= state.oldestVersion else {
                    let message = "The provided continue parameter is too old to display a consistent list result."
                    return Answer(status: 410, body: Self.status(410, "Expired", message))
                }
                rest = rest.drop { $0.key <= parts.last ?? "" }
            }
            let limit = min(target.query["limit"].flatMap { Int($0) } ?? Int.max, state.pageMax)
            let page = rest.prefix(limit)
            var metadata: [String: TestJSON] = ["resourceVersion": .text("\(version)")]
            if page.count < rest.count, let last = page.last {
                metadata["continue"] = .text("\(version) \(last.key)")
                metadata["remainingItemCount"] = .number(Double(rest.count - page.count))
            }
            return Answer(
                status: 200,
                body: .object([
                    "kind": "PodList", "apiVersion": "v1", "metadata": .object(metadata),
                    "items": .array(page.map(\.value)),
                ])
            )
        }
    }

    // MARK: Bytes

    static func status(_ code: Int, _ reason: String, _ message: String) -> TestJSON {
        .object([
            "kind": "Status", "apiVersion": "v1", "metadata": .object([:]), "status": "Failure",
            "message": .text(message), "reason": .text(reason), "code": .number(Double(code)),
        ])
    }

    static func bytes(of json: TestJSON) throws -> [UInt8] {
        Array(try JSONEncoder().encode(json))
    }

    static func head(_ status: Int, _ headers: [String]) -> String {
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.timeZone = TimeZone(secondsFromGMT: 0)
        format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
        let date = format.string(from: Date())
        let all = ["Content-Type: application/json", "Date: \(date)"] + headers
        return "HTTP/1.1 \(status) Played\r\n\(all.joined(separator: "\r\n"))\r\n\r\n"
    }

    private func send(_ answer: Answer, on connection: ByteChannel) async throws {
        _ = try await send(answer, damagedBy: nil, on: connection)
    }

    private func send(_ answer: Answer, damagedBy fault: Fault?, on connection: ByteChannel) async throws -> Bool {
        var body = try Self.bytes(of: answer.body)
        if case .lostAnswer? = fault {
            await connection.reset()
            return false
        }
        if case .truncatedJSON? = fault { body = Array(body.prefix(body.count / 2)) }
        let head = Self.head(answer.status, answer.headers + ["Content-Length: \(body.count)"])
        if case .truncatedBody? = fault {
            try await connection.write(Array(head.utf8) + body.prefix(body.count / 2))
            return false
        }
        try await connection.write(Array(head.utf8) + body)
        return true
    }
}

extension KubernetesDouble.State {
    fileprivate func forbids(_ verb: String, _ resource: String, _ subresource: String?) -> Bool {
        forbidden.contains("\(verb) \(resource)\(subresource.map { "/\($0)" } ?? "")")
    }
}
