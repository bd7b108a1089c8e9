// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A server of metrics on the loopback.
package struct MonitoringServer: Sendable {
    package let port: Int
    package let child: ChildProcess
    fileprivate let held: Port

    package var url: String { "http://127.0.0.1:\(port)" }

    /// What it answers, as text.
    /// - Parameter target: path and query, encoded.
    package func get(_ target: String) async throws -> String {
        let connection = try await ByteChannel.connect(host: "127.0.0.1", port: port)
        return try await ending({ await connection.close() }) {
            try await connection.write("GET \(target) HTTP/1.0\r\nHost: localhost\r\n\r\n")
            let text = String(decoding: try await connection.readToEnd(withinSeconds: 60), as: UTF8.self)
            guard text.hasPrefix("HTTP/1.0 200") || text.hasPrefix("HTTP/1.1 200"),
                let end = text.range(of: "\r\n\r\n")
            else { throw UnretryableError("GET \(target): \(text.prefix(300))") }
            return String(text[end.upperBound...])
        }
    }
}

/// A real Pushgateway, empty.
@discardableResult
package func withPushgateway<Value>(_ body: (MonitoringServer) async throws -> Value) async throws -> Value {
    try await Slots.taking {
        let port = try Port()
        let child = try ChildProcess(
            try Parts.pushgateway(),
            ["--web.listen-address=127.0.0.1:\(port.number)"],
            environment: ChildProcess.plainEnvironment
        )
        return try await ending({ await child.end(graceSeconds: 1) }) {
            try await waitForListener(child, port)
            return try await body(MonitoringServer(port: port.number, child: child, held: port))
        }
    }
}

/// A real Prometheus that asks a Pushgateway every second, with rules that are judged as often.
/// - Parameter rules: a file of rules.
@discardableResult
package func withPrometheus<Value>(
    asking gateway: MonitoringServer,
    rules: String,
    folder: URL,
    _ body: (MonitoringServer) async throws -> Value
) async throws -> Value {
    try await Slots.taking {
        let configuration = """
            global: {scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}
            rule_files: ["\(rules)"]
            scrape_configs:
              - job_name: pushgateway
                honor_labels: true
                static_configs: [{targets: ["127.0.0.1:\(gateway.port)"]}]

            """
        let file = folder.appendingPathComponent("prometheus.yml")
        try Data(configuration.utf8).write(to: file)
        let port = try Port()
        let arguments = [
            "--config.file=\(file.path)", "--storage.tsdb.path=\(folder.path)/tsdb",
            "--web.listen-address=127.0.0.1:\(port.number)",
        ]
        let child = try ChildProcess(try Parts.prometheus(), arguments, environment: ChildProcess.plainEnvironment)
        return try await ending({ await child.end(graceSeconds: 1) }) {
            try await waitForListener(child, port)
            return try await body(MonitoringServer(port: port.number, child: child, held: port))
        }
    }
}
