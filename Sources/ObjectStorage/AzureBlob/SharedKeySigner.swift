// SPDX-License-Identifier: Apache-2.0

import Crypto
import Failures
import HTTPTransport

/// The Shared Key scheme of Azure Storage. Pure: the same request gives the same signature.
///
/// Source: "Authorize with Shared Key", Azure Storage REST API Reference, in its form since version 2015-02-21.
package struct SharedKeySigner: Sendable {
    private let account: String
    private let key: SymmetricKey

    /// Headers whose values stand in the text to sign, in this order; the date stands in `x-ms-date`.
    private static let signedHeaders = [
        "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
        "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
    ]

    package init(account: String, key: [UInt8]) {
        self.account = account
        self.key = SymmetricKey(data: key)
    }

    /// The value of `Authorization` for a request, with all its other headers.
    ///
    /// Path and query must be encoded already: the path is signed as it is sent.
    /// - Throws: `.configuration` when the URL has no host.
    package func authorization(of request: HTTPRequest) throws -> String {
        guard let scheme = request.url.firstRange(of: "://") else {
            throw Failure(.configuration, "sign a request: its URL has no host")
        }
        let text = Self.text(
            of: request,
            resource: "/\(account)\(Self.canonicalResource(request.url[scheme.upperBound...]))"
        )
        let signature = HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key)
        return "SharedKey \(account):\(Base64.text(Array(signature)))"
    }

    private static func text(of request: HTTPRequest, resource: String) -> String {
        var values: [String: String] = [:]
        for (name, value) in request.headers { values[name.lowercased()] = trimmed(value) }
        values["content-length"] = request.body.isEmpty ? nil : "\(request.body.count)"
        let vendor = values.filter { $0.key.hasPrefix("x-ms-") }.sorted { precedes($0.key, $1.key) }
        return ([request.method] + signedHeaders.map { values[$0] ?? "" }).joined(separator: "\n") + "\n"
            + vendor.map { "\($0.key):\($0.value)\n" }.joined() + resource
    }

    /// The path, then the parameters by name, decoded, each on a line.
    private static func canonicalResource(_ rest: Substring) -> String {
        let target = rest.drop { $0 != "/" && $0 != "?" }
            .split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = target.first.map(String.init) ?? ""
        let parameters = (target.count > 1 ? target[1] : "").split(separator: "&").map { parameter in
            let parts = parameter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count > 1 ? parts[1] : ""
            return (name: decoded(parts[0]).lowercased(), value: decoded(value))
        }
        var values: [String: [String]] = [:]
        for (name, value) in parameters { values[name, default: []].append(value) }
        let lines = values.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            .map { "\n\($0.key):\($0.value.sorted().joined(separator: ","))" }
        return (path.isEmpty ? "/" : path) + lines.joined()
    }

    private static func decoded(_ text: Substring) -> String {
        PercentEncoding.decode(text) ?? String(text)
    }

    private static func trimmed(_ value: String) -> String {
        let blanks: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        return String(value.drop(while: blanks).reversed().drop(while: blanks).reversed())
    }

    /// The order in which the service sorts headers: a hyphen counts for nothing, an underscore comes before digits and
    /// letters; only what is the same so far is ordered by its bytes.
    private static func precedes(_ left: String, _ right: String) -> Bool {
        let (leftKey, rightKey) = (sortKey(left), sortKey(right))
        return leftKey == rightKey
            ? left.utf8.lexicographicallyPrecedes(right.utf8) : leftKey.lexicographicallyPrecedes(rightKey)
    }

    private static func sortKey(_ name: String) -> [UInt8] {
        name.utf8.filter { $0 != UInt8(ascii: "-") }.map { $0 == UInt8(ascii: "_") ? 0 : $0 }
    }
}
