// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import HTTPTransport

/// A Pushgateway: it keeps what a run that is over has said, for Prometheus to fetch.
///
/// Each subject has a group of its own, and what is sent is added with POST: it replaces the families that it has, and
/// leaves the others of the group as they are. So a failed run, silent about the last success, cannot erase it.
package struct Pushgateway: Sendable {
    private let url: DeliveryURL
    private static let job = "redoubt"

    package init(_ url: DeliveryURL) {
        self.url = url
    }

    package var place: String { url.place }

    /// One request for each subject among the samples.
    package func requests(_ samples: [MetricSample]) -> [HTTPRequest] {
        let groups = Dictionary(grouping: samples) { $0.labels.first { $0.name == "name" }?.value ?? "" }
        return groups.sorted { $0.key < $1.key }.map { name, samples in
            HTTPRequest(
                method: "POST",
                url: url.appending(segments(of: name)),
                headers: [("Content-Type", "text/plain; version=0.0.4")] + url.authorization,
                body: Array(MetricText.encode(samples).utf8)
            )
        }
    }

    /// A URL that names a group already gets the name of the subject added to it.
    private func segments(of name: String) -> [String] {
        let base = url.text.contains("/metrics/job") ? [] : ["metrics", "job", Self.job]
        return base + (name.isEmpty ? [] : Self.label("name", name))
    }

    /// A value that is no segment of a path goes as Base64.
    package static func label(_ name: String, _ value: String) -> [String] {
        if value.isEmpty { return [name + "@base64", "="] }
        guard value.contains("/") else { return [name, PercentEncoding.component(value)] }
        let text = Base64Text.encode(Array(value.utf8)).replacing("+", with: "-").replacing("/", with: "_")
        return [name + "@base64", text]
    }
}

enum Base64Text {
    static func encode(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
}
