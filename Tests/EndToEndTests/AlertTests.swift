// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// The rules in jobs/monitoring: promtool understands them and their tests pass, and a real Prometheus fires by them.
@Suite(.timeLimit(.minutes(4))) struct AlertTests {
    private static var folder: URL {
        Parts.testsFolder.deletingLastPathComponent().appendingPathComponent("jobs/monitoring")
    }

    @Test func promtoolUnderstandsTheRulesAndTheirTestsPass() async throws {
        let rules = Self.folder.appendingPathComponent("rules.yaml").path
        _ = try await run(Parts.promtool(), ["check", "rules", rules])
        let tests = Self.folder.appendingPathComponent("rules.test.yaml").path
        _ = try await run(Parts.promtool(), ["test", "rules", tests])
    }

    /// Every alert about redoubt has a test that sees it fire.
    @Test func everyAlertOfRedoubtIsTested() throws {
        let rules = try String(contentsOf: Self.folder.appendingPathComponent("rules.yaml"), encoding: .utf8)
        let tests = try String(contentsOf: Self.folder.appendingPathComponent("rules.test.yaml"), encoding: .utf8)
        let alerts = rules.split(separator: "\n").compactMap { line in
            line.firstRange(of: "- alert: Redoubt").map { "Redoubt" + line[$0.upperBound...] }
        }
        #expect(alerts.count == 7)
        for alert in alerts {
            #expect(tests.contains("alertname: \(alert)\n        exp_alerts:"), "\(alert)")
        }
    }

    private struct Alerts: Decodable {
        let data: Found

        struct Found: Decodable {
            let alerts: [Alert]
        }

        struct Alert: Decodable {
            let labels: [String: String]
            let state: String
        }
    }

    private static func firing(_ prometheus: MonitoringServer) async throws -> Set<String> {
        let answer = try await prometheus.get("/api/v1/alerts")
        let found = try JSONDecoder().decode(Alerts.self, from: Data(answer.utf8))
        return Set(
            found.data.alerts.filter { $0.state == "firing" && $0.labels["name"] == "demo" }.compactMap {
                $0.labels["alertname"]
            }
        )
    }

    /// Prometheus understands every question of the dashboard, and answers those about backups.
    private static func expectTheDashboardIsUnderstood(_ prometheus: MonitoringServer) async throws {
        let file = Self.folder.appendingPathComponent("dashboard.json")
        let dashboard = try TestJSON(parsing: try String(contentsOf: file, encoding: .utf8))
        let targets = (dashboard["panels"]?.array ?? []).flatMap { $0["targets"]?.array ?? [] }
        let questions = targets.compactMap { $0["expr"]?.text }
        #expect(questions.count > 12)
        for question in questions {
            let plain = question.replacingOccurrences(of: "$namespace", with: "prod")
                .replacingOccurrences(of: "$name", with: ".*")
            let encoded = try #require(plain.addingPercentEncoding(withAllowedCharacters: .alphanumerics))
            let answer = try await prometheus.get("/api/v1/query?query=\(encoded)")
            #expect(answer.contains("\"status\":\"success\""), "\(question)")
            guard plain.contains("redoubt_backup_") else { continue }
            #expect(answer.contains("\"name\":\"demo\""), "\(question): \(answer)")
        }
    }

    /// Our rules with seconds in the place of hours.
    private static func quickRules(in folder: URL) throws -> String {
        let text = try String(contentsOf: Self.folder.appendingPathComponent("rules.yaml"), encoding: .utf8)
            .replacingOccurrences(of: "26 * 3600", with: "10")
            .replacingOccurrences(of: "for: 5m", with: "for: 0s")
            .replacingOccurrences(of: "for: 1h", with: "for: 0s")
        let file = folder.appendingPathComponent("rules.yaml")
        try Data(text.utf8).write(to: file)
        return file.path
    }

    @Test func theAlertFiresWhenBackupsStop() async throws {
        try await withTemporaryFolder { folder in
            let rules = try Self.quickRules(in: folder)
            try await withRedis(.redis70) { redis in
                try await Dataset.small.load(into: redis)
                try await withPushgateway { gateway in
                    try await withPrometheus(asking: gateway, rules: rules, folder: folder) { prometheus in
                        let line = [
                            "backup", "--to", "file://\(folder.path)/store", "--name", "demo", "--pushgateway",
                            gateway.url, "--endpoint",
                        ]
                        let good = try await Redoubt.run(line + [redis.url])
                        #expect(good.code == 0, "\(good.errors)")
                        let query = "/api/v1/query?query=redoubt_backup_last_success_timestamp_seconds"
                        try await eventually("Prometheus to have the metric") {
                            try await prometheus.get(query).contains("\"name\":\"demo\"") ? true : nil
                        }
                        #expect(try await Self.firing(prometheus) == [])

                        // A failure is told at once, and does not hide the age of the last success.
                        try await withFreePort { port in
                            let bad = try await Redoubt.run(line + ["redis://127.0.0.1:\(port)"])
                            #expect(bad.code == 5)
                        }
                        try await eventually("both alerts to fire", everyMilliseconds: 200) {
                            let firing = try await Self.firing(prometheus)
                            return firing == ["RedoubtBackupTooOld", "RedoubtBackupLastFailed"] ? true : nil
                        }

                        // Backups go on: both are resolved.
                        let again = try await Redoubt.run(line + [redis.url])
                        #expect(again.code == 0, "\(again.errors)")
                        try await eventually("the alerts to be resolved", withinSeconds: 5, everyMilliseconds: 100) {
                            try await Self.firing(prometheus).isEmpty ? true : nil
                        }
                        try await Self.expectTheDashboardIsUnderstood(prometheus)
                    }
                }
            }
        }
    }
}
