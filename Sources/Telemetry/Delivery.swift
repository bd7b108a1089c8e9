// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// Small requests that tell others how a run went. Nothing depends on them: each is tried twice, within a few seconds,
/// and what comes of it is told to whoever asked.
package struct Delivery: Sendable {
    private let client: HTTPClient
    private let deadline: ContinuousClock.Instant

    /// How long one try may take.
    private static let tryDuration = Duration.seconds(2)
    private static let pause = Duration.milliseconds(200)
    private static let triesMax = 2
    private static let answerBytesMax = 64 << 10

    package init(over client: HTTPClient, until deadline: ContinuousClock.Instant) {
        self.client = client
        self.deadline = deadline
    }

    /// - Throws: a `Failure` that names the place without path and query, where secrets may stand; `.timeout` when it
    ///   takes too long.
    package func send(_ request: HTTPRequest, to place: String) async throws {
        var request = request
        request.deadlines = HTTPDeadlines(connectSeconds: 2, noProgressSeconds: 2)
        for attempt in 1... {
            do {
                let response = try await within(deadline) { [request] in
                    try await client.send(request, bodyBytesMax: Self.answerBytesMax)
                }
                guard !(200...299).contains(response.head.status) else { return }
                throw refusal(response, place)
            } catch {
                try Task.checkCancellation()
                let failure = (error as? Failure) ?? Failure(.unclassified, "send", cause: error)
                guard failure.code.isTransient, attempt < Self.triesMax, .now + Self.pause < deadline else {
                    throw Failure(failure.code, "tell \(place): \(Self.reason(failure))")
                }
                try await Task.sleep(for: Self.pause)
            }
        }
    }

    /// A message of the transport names the path, where a secret may stand.
    private static func reason(_ failure: Failure) -> String {
        switch failure.code {
        case .timeout: "no answer in time"
        case .unreachable: unreachable(failure.message)
        case .tlsFailed: "its certificate cannot be verified, or TLS cannot be agreed on"
        case .protocolViolation, .storeUnavailable, .permissionDenied, .configuration: failure.message
        default: failure.code.rawValue
        }
    }

    /// By the words of libcurl, none of which are shown.
    private static func unreachable(_ message: String) -> String {
        if message.contains("Could not resolve host") { return "its name does not resolve to an address" }
        if message.contains("Could not resolve proxy") { return "the name of the proxy does not resolve to an address" }
        let isBegun = !["Failed to connect", "Couldn't connect", "Could not connect"].contains { message.contains($0) }
        return isBegun ? "the connection broke" : "it cannot be reached: nobody listens there, or no way leads there"
    }

    private func refusal(_ response: HTTPResponse, _ place: String) -> Failure {
        let status = response.head.status
        switch status {
        case 300...399: return Failure(.configuration, "it answered \(status): redirects are not followed")
        case 429, 500...599: return Failure(.storeUnavailable, "it answered \(status)")
        default: return Failure(.permissionDenied, "it answered \(status)")
        }
    }

    private func within<Result: Sendable>(
        _ deadline: ContinuousClock.Instant,
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let end = min(deadline, .now + Self.tryDuration)
        return try await withThrowingTaskGroup(of: Result.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await Task.sleep(until: end, clock: .continuous)
                throw Failure(.timeout, "no answer in time")
            }
            defer { group.cancelAll() }
            guard let result = try await group.next() else { throw CancellationError() }
            return result
        }
    }
}

/// Where something is sent, as it may be shown: scheme, host and port. The path of such a URL is often the secret.
package struct DeliveryURL: Sendable, Hashable {
    /// Without user information and fragment; path and query as they were given.
    let text: String
    /// `https://hc.example`
    package let place: String
    /// `user:password`, decoded.
    package let credentials: String?

    /// `nil` unless it is `http` or `https`, with a host.
    package init?(_ text: String) {
        guard let mark = text.firstRange(of: "://"), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            return nil
        }
        let scheme = text[..<mark.lowerBound].lowercased()
        let plain = text[mark.upperBound...].prefix { $0 != "#" }
        let authority = plain.prefix { $0 != "/" && $0 != "?" }
        let rest = plain[authority.endIndex...]
        let at = authority.lastIndex(of: "@")
        let host = at.map { authority[authority.index(after: $0)...] } ?? authority
        guard ["http", "https"].contains(scheme), !host.isEmpty, !host.hasPrefix(":") else { return nil }
        credentials = at.flatMap { PercentEncoding.decode(authority[..<$0]) }
        place = "\(scheme)://\(host)"
        self.text = place + (rest.hasPrefix("/") ? "" : "/") + rest
    }

    /// The password of it, for whoever strikes secrets out of messages.
    package var password: String? {
        guard let credentials, let colon = credentials.firstIndex(of: ":") else { return nil }
        return String(credentials[credentials.index(after: colon)...])
    }

    /// The same with more segments at the end of its path, and more in its query.
    package func appending(_ segments: [String], query: String? = nil) -> String {
        let parts = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var path = String(parts[0])
        while path.hasSuffix("/") { path.removeLast() }
        path += segments.map { "/" + $0 }.joined()
        if segments.isEmpty, path == place { path += "/" }
        let queries = [parts.count > 1 ? String(parts[1]) : nil, query].compactMap { $0 }.filter { !$0.isEmpty }
        return path + (queries.isEmpty ? "" : "?" + queries.joined(separator: "&"))
    }

    /// The header that proves who asks, where the URL says it.
    package var authorization: [(name: String, value: String)] {
        guard let credentials else { return [] }
        return [("Authorization", "Basic " + Base64Text.encode(Array(credentials.utf8)))]
    }
}
