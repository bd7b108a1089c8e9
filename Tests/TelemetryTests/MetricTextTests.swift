// SPDX-License-Identifier: Apache-2.0

import Foundation
import Telemetry
import TestParts
import Testing

/// The text format, and a file of it that runs take turns to write.
struct MetricTextTests {
    private static let success = MetricFamily("redoubt_backup_last_success_timestamp_seconds", "When.")
    private static let status = MetricFamily("redoubt_backup_last_status", "Exit code.")

    private static func sample(_ family: MetricFamily, _ name: String, _ value: Double) -> MetricSample {
        MetricSample(family, labels: [MetricLabel("name", name)], value)
    }

    @Test func valuesAreWrittenInFull() {
        let odd = MetricFamily("redoubt_odd", "A \\ and\na line.")
        let text = MetricText.encode([
            Self.sample(Self.success, "b", 1_795_000_001), Self.sample(Self.success, "a", 1.5),
            MetricSample(odd, labels: [MetricLabel("x", "\"\\\n"), MetricLabel("empty", "")], .infinity),
        ])
        #expect(
            text == """
                # HELP redoubt_backup_last_success_timestamp_seconds When.
                # TYPE redoubt_backup_last_success_timestamp_seconds gauge
                redoubt_backup_last_success_timestamp_seconds{name="a"} 1.5
                redoubt_backup_last_success_timestamp_seconds{name="b"} 1795000001
                # HELP redoubt_odd A \\\\ and\\na line.
                # TYPE redoubt_odd gauge
                redoubt_odd{x="\\"\\\\\\n"} +Inf

                """
        )
    }

    @Test func whatARunDoesNotSayIsCarriedOver() throws {
        var lines = MetricLines(
            parsing: MetricText.encode([
                Self.sample(Self.success, "a", 10), Self.sample(Self.status, "a", 0),
                Self.sample(Self.status, "with space } in it", 0),
            ])
        )
        lines.merge([Self.sample(Self.status, "a", 5), Self.sample(Self.status, "b", 7)])
        #expect(
            lines.text == """
                # HELP redoubt_backup_last_status Exit code.
                # TYPE redoubt_backup_last_status gauge
                redoubt_backup_last_status{name="a"} 5
                redoubt_backup_last_status{name="b"} 7
                redoubt_backup_last_status{name="with space } in it"} 0
                # HELP redoubt_backup_last_success_timestamp_seconds When.
                # TYPE redoubt_backup_last_success_timestamp_seconds gauge
                redoubt_backup_last_success_timestamp_seconds{name="a"} 10

                """
        )
        #expect(MetricLines(parsing: lines.text).text == lines.text)
        #expect(lines.values(ofLabel: "name", inFamiliesOf: "redoubt_backup_last_success_") == ["a"])
    }

    /// A file that somebody else wrote, or that was cut off, costs what is broken and nothing else.
    @Test func whatIsBrokenIsPassedOver() {
        let whole = MetricText.encode([Self.sample(Self.success, "a", 10), Self.sample(Self.status, "a", 0)])
        for length in 0...whole.utf8.count {
            let text = MetricLines(parsing: String(decoding: Array(whole.utf8.prefix(length)), as: UTF8.self)).text
            for line in text.split(separator: "\n") where !line.hasPrefix("#") {
                #expect(whole.contains(line), "cut off at \(length)")
            }
        }
        let strange = "node_load1 3\nredoubt_x{name=\"a\" 3\nredoubt_y 1 2\nredoubt_Z 3\n{} 3\n 4\n\nredoubt_ok 3\n"
        #expect(MetricLines(parsing: strange).text == "redoubt_ok 3\n")
    }

    @Test func theFileIsReplacedWhole() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("redoubt.prom").path
            let file = MetricsFile(path: path)
            let build = MetricFamily("redoubt_build_info", "Version.")
            try file.write([
                Self.sample(Self.success, "a", 10), MetricSample(build, labels: [MetricLabel("version", "1")], 1),
            ])
            #expect(file.onlyName(in: "backup") == "a" && file.onlyName(in: "verify") == nil)
            try file.write([
                Self.sample(Self.status, "a", 4), MetricSample(build, labels: [MetricLabel("version", "2")], 1),
            ])
            let text = try String(contentsOfFile: path, encoding: .utf8)
            #expect(text.contains("seconds{name=\"a\"} 10\n") && text.contains("status{name=\"a\"} 4\n"))
            #expect(text.contains("version=\"2\"") && !text.contains("version=\"1\"") && text.hasSuffix("\n"))
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect(attributes[.posixPermissions] as? Int == 0o644)
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            #expect(names == ["redoubt.prom"])
            #expect(throws: (any Error).self) { try MetricsFile(path: "\(folder.path)/none/x.prom").write([]) }
        }
    }
}
