// SPDX-License-Identifier: Apache-2.0

import Failures
import Foundation
import HTTPTransport
import Kubernetes
import Logging
import TestParts
import Testing

/// A clock that tests turn, and on which nobody really waits.
struct TurnedClock: Sendable {
    let seconds = Shared<Int64>(1_800_000_000)
    /// How long was waited for, in seconds.
    let waits = Shared<[Double]>([])
    /// When this returns, the time of an exec plugin is over; without it, it never is.
    var pluginTime: (@Sendable () async throws -> Void)?

    var clock: RequestClock {
        RequestClock(
            secondsSince1970: { [seconds] in seconds.value },
            sleep: { [waits, pluginTime] duration in
                if duration == .seconds(60) {
                    if let pluginTime { return try await pluginTime() }
                    return try await Task.sleep(for: .seconds(600))
                }
                let seconds = Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
                waits.change { $0.append(seconds) }
                try Task.checkCancellation()
                await Task.yield()
            },
            chance: { 0.5 }
        )
    }
}

let quiet = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }

/// A client of the double, by a kubeconfig with its token in a file.
@discardableResult
func withClient<Value: Sendable>(
    of api: KubernetesDouble,
    clock: TurnedClock = TurnedClock(),
    _ body: @Sendable (KubernetesClient) async throws -> Value
) async throws -> Value {
    try await withTemporaryFolder { folder in
        let settings = KubernetesSettings(kubeconfig: try api.kubeconfig(in: folder), environment: [:])
        return try await withKubernetesClient(settings, logger: quiet, clock: clock.clock, body)
    }
}

/// A client of the server that `settings` lead to.
func withClient<Value: Sendable>(
    _ settings: KubernetesSettings,
    _ body: @Sendable (KubernetesClient) async throws -> Value
) async throws -> Value {
    try await withKubernetesClient(settings, logger: quiet, clock: TurnedClock().clock, body)
}

/// A double with the StatefulSet `default/redis` and its pods.
func withRedisAPI<Value: Sendable>(
    pods: Int = 3,
    _ body: (KubernetesDouble) async throws -> Value
) async throws -> Value {
    try await withKubernetesAPI { api in
        try api.addStatefulSet("redis", replicas: pods)
        for ordinal in 0..<pods { try api.addPod("redis-\(ordinal)", ip: "10.0.0.\(ordinal + 1)") }
        return try await body(api)
    }
}

/// What a real server answered: its status, and its body.
func recording(_ name: String) throws -> (status: Int, body: String) {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/\(name)")
    let text = try String(contentsOf: file, encoding: .utf8)
    let end = try #require(text.range(of: "\r\n\r\n") ?? text.range(of: "\n\n"))
    let words = text[..<end.lowerBound].split(separator: " ")
    return (try #require(Int(words[1])), String(text[end.upperBound...]))
}

/// A server that gives one answer to everything.
func withAnswer<Value: Sendable>(
    _ status: Int,
    _ body: String,
    headers: [String] = [],
    _ use: @Sendable (KubernetesClient, ScriptedHTTP) async throws -> Value
) async throws -> Value {
    try await withScriptedHTTP { _, _ in
        ScriptedHTTP.response("\(status) Recorded", headers: ["Content-Type: application/json"] + headers, body: body)
    } body: { server in
        try await withTemporaryFolder { folder in
            let path = try kubeconfig(in: folder, server: server.url)
            return try await withClient(KubernetesSettings(kubeconfig: path, environment: [:])) {
                try await use($0, server)
            }
        }
    }
}

/// Writes a kubeconfig of one context; what the user and the cluster say are lines of YAML.
func kubeconfig(
    in folder: URL,
    name: String = "kubeconfig",
    server: String,
    cluster: [String] = [],
    user: [String] = [],
    context: String = "main",
    namespace: String? = nil
) throws -> String {
    let text = """
        current-context: \(context)
        clusters:
        - name: c-\(context)
          cluster:
            server: \(server)
        \(cluster.map { "    \($0)\n" }.joined())
        users:
        - name: u-\(context)
          user:
            ignored: true
        \(user.map { "    \($0)\n" }.joined())
        contexts:
        - name: \(context)
          context: {cluster: c-\(context), user: u-\(context)\(namespace.map { ", namespace: \($0)" } ?? "")}
        """
    let file = folder.appendingPathComponent(name)
    try Data(text.utf8).write(to: file)
    return file.path
}

/// The failure that `body` ends with.
func failure(
    _ code: Failure.Code,
    _ location: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Void
) async -> Failure? {
    let failure = await #expect(throws: Failure.self, sourceLocation: location) { try await body() }
    #expect(failure?.code == code, "\(failure?.description ?? "")", sourceLocation: location)
    return failure
}
