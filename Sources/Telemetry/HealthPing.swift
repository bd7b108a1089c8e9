// SPDX-License-Identifier: Apache-2.0

import HTTPTransport

/// A check of a service that misses whoever stays silent (healthchecks.io, and others that speak as it does): it is
/// told when a run begins and how it ends.
package struct HealthPing: Sendable {
    private let url: DeliveryURL
    /// What the beginning and the end of one run have in common.
    private let runID: String
    /// More is not kept.
    private static let bodyBytesMax = 100_000

    /// - Parameter runID: a UUID.
    package init(_ url: DeliveryURL, runID: String) {
        self.url = url
        self.runID = runID
    }

    package var place: String { url.place }

    package func started() -> HTTPRequest { request(["start"], "") }

    /// - Parameter text: what the run says of itself, without secrets.
    package func ended(exitCode: Int32, _ text: String) -> HTTPRequest {
        request(exitCode == 0 ? [] : ["\(exitCode)"], text)
    }

    private func request(_ segments: [String], _ text: String) -> HTTPRequest {
        HTTPRequest(
            method: "POST",
            url: url.appending(segments, query: "rid=\(runID)"),
            headers: [("Content-Type", "text/plain; charset=utf-8")] + url.authorization,
            body: Array(text.utf8.prefix(Self.bodyBytesMax))
        )
    }
}
