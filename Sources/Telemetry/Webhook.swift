// SPDX-License-Identifier: Apache-2.0

import Crypto
import Failures
import HTTPTransport

/// Whoever wants to know how a run ended, as JSON. With a secret the document is signed, together with the time, so
/// that the receiver knows who sent it, and that it is not an old one: docs/monitoring.md has the lines that check it.
package struct Webhook: Sendable {
    private let url: DeliveryURL
    private let secret: [UInt8]?

    package init(_ url: DeliveryURL, secret: [UInt8]?) {
        self.url = url
        self.secret = secret
    }

    package var place: String { url.place }

    /// - Parameters:
    ///   - runID: tells two deliveries of one document from two documents.
    ///   - time: seconds since 1970.
    package func request(_ document: [UInt8], runID: String, time: Int64) -> HTTPRequest {
        var headers = [
            ("Content-Type", "application/json"), ("X-Redoubt-Delivery", runID), ("X-Redoubt-Timestamp", "\(time)"),
        ]
        if let secret {
            headers.append(("X-Redoubt-Signature", Self.signature(of: document, time: time, secret: secret)))
        }
        return HTTPRequest(
            method: "POST",
            url: url.appending([]),
            headers: headers.map { (name: $0.0, value: $0.1) } + url.authorization,
            body: document
        )
    }

    /// `v1=` and HMAC-SHA256 of `<time>.<document>`, in hexadecimal.
    static func signature(of document: [UInt8], time: Int64, secret: [UInt8]) -> String {
        let signed = Array("\(time).".utf8) + document
        let code = HMAC<SHA256>.authenticationCode(for: signed, using: SymmetricKey(data: secret))
        return "v1=" + code.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
