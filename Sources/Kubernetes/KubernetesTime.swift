// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// Moments as text.
enum KubernetesTime {
    /// `2026-11-22T15:30:00Z`, `2026-11-22T17:30:00.5+02:00`; fractions are dropped.
    static func seconds(rfc3339 text: String) -> Int64? {
        let date =
            (try? Date.ISO8601FormatStyle().parse(text))
            ?? (try? Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(text))
        return date.flatMap { Int64(exactly: $0.timeIntervalSince1970.rounded(.down)) }
    }

    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// `Sun, 22 Nov 2026 15:30:00 GMT`, as in headers (RFC 9110, section 5.6.7, the preferred form alone).
    static func seconds(httpDate text: String) -> Int64? {
        let words = text.split(separator: " ")
        guard words.count == 6, words[5] == "GMT", let index = months.firstIndex(of: String(words[2])) else {
            return nil
        }
        let month = index < 9 ? "0\(index + 1)" : "\(index + 1)"
        return seconds(rfc3339: "\(words[3])-\(month)-\(words[1])T\(words[4])Z")
    }
}
