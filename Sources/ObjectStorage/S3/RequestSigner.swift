// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Crypto
import Failures
import HTTPTransport

/// AWS Signature Version 4, in headers. Pure: the same request at the same time gives the same signature.
///
/// Written here because the libcurl of Debian 12 signs a query and a body in ways that S3 does not accept.
/// Source: "Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)", Amazon S3 API
/// Reference.
package struct RequestSigner: Sendable {
    package let credentials: AWSCredentials
    package let region: String
    package let service: String

    private static let algorithm = "AWS4-HMAC-SHA256"
    /// What transports and proxies change on the way.
    private static let unsignedHeaders: Set<String> = [
        "authorization", "connection", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id",
    ]

    /// - Parameter service: `s3`, or another service, whose rules differ: there the path is encoded once more, and the
    ///   hash of the body is no header.
    package init(credentials: AWSCredentials, region: String, service: String = "s3") {
        self.credentials = credentials
        self.region = region
        self.service = service
    }

    /// Whether a request was signed with these.
    static func isSigned(_ request: HTTPRequest, by credentials: AWSCredentials) -> Bool {
        func value(_ name: String) -> String? { request.headers.first { $0.name.lowercased() == name }?.value }
        return value("authorization")?.contains("Credential=\(credentials.accessKeyID)/") == true
            && value("x-amz-security-token") == credentials.sessionToken
    }

    /// The request with the headers that sign it. All its headers are signed, and its body through its hash.
    ///
    /// Path and query must be encoded already, as by `PercentEncoding`: they are signed as they are sent.
    /// - Throws: `.configuration` when the URL has no host.
    package func signed(
        _ request: HTTPRequest,
        payloadSHA256: String,
        at time: CivilTime
    ) throws -> HTTPRequest {
        guard let url = SignedURL(request.url) else {
            throw Failure(.configuration, "sign a request: its URL has no host")
        }
        var signed = request
        signed.headers.removeAll { ["authorization", "host", "x-amz-date"].contains($0.name.lowercased()) }
        signed.headers.append(("x-amz-date", time.basicDateTime))
        if service == "s3" { signed.headers.append(("x-amz-content-sha256", payloadSHA256)) }
        if let token = credentials.sessionToken { signed.headers.append(("x-amz-security-token", token)) }
        let headers = canonical(signed.headers + [("host", url.host)])
        let names = headers.map(\.name).joined(separator: ";")
        let canonicalRequest = [
            request.method, service == "s3" ? url.path : PercentEncoding.path(url.path), url.canonicalQuery,
            headers.map { "\($0.name):\($0.value)\n" }.joined(), names, payloadSHA256,
        ].joined(separator: "\n")
        let scope = "\(time.basicDate)/\(region)/\(service)/aws4_request"
        let text = [
            Self.algorithm, time.basicDateTime, scope, SHA256Digest.hex(of: Array(canonicalRequest.utf8)),
        ].joined(separator: "\n")
        let authorization =
            "\(Self.algorithm) Credential=\(credentials.accessKeyID)/\(scope), SignedHeaders=\(names), "
            + "Signature=\(signature(of: text, at: time))"
        signed.headers.append(("Authorization", authorization))
        return signed
    }

    /// Lower-case names in their order, the values of one name joined, runs of spaces made one.
    private func canonical(_ headers: [(name: String, value: String)]) -> [(name: String, value: String)] {
        var values: [String: [String]] = [:]
        for (name, value) in headers {
            values[name.lowercased(), default: []]
                .append(value.split(whereSeparator: \.isHeaderWhitespace).joined(separator: " "))
        }
        return values.filter { !Self.unsignedHeaders.contains($0.key) }
            .map { (name: $0.key, value: $0.value.joined(separator: ",")) }
            .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    private func signature(of text: String, at time: CivilTime) -> String {
        var key = Array("AWS4\(credentials.secretAccessKey)".utf8)
        for step in [time.basicDate, region, service, "aws4_request"] { key = Self.authenticate(step, with: key) }
        return Hexadecimal.text(Self.authenticate(text, with: key))
    }

    private static func authenticate(_ text: String, with key: [UInt8]) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: SymmetricKey(data: key)))
    }
}

/// The parts of a URL that are signed.
private struct SignedURL {
    /// With the port, if it is written.
    let host: String
    let path: String
    private let query: Substring

    init?(_ url: String) {
        guard let scheme = url.firstRange(of: "://") else { return nil }
        let rest = url[scheme.upperBound...]
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        host = String(rest[..<end])
        let target = rest[end...].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = target.first ?? ""
        self.path = path.isEmpty ? "/" : String(path)
        query = target.count > 1 ? target[1] : ""
        if host.isEmpty { return nil }
    }

    /// Names and values in their order; a name without a value has an empty one.
    var canonicalQuery: String {
        query.split(separator: "&").map { parameter -> (name: Substring, value: Substring) in
            let parts = parameter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (parts[0], parts.count > 1 ? parts[1] : "")
        }
        .sorted { left, right in
            left.name == right.name
                ? left.value.utf8.lexicographicallyPrecedes(right.value.utf8)
                : left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
        }
        .map { "\($0.name)=\($0.value)" }.joined(separator: "&")
    }
}

extension Character {
    fileprivate var isHeaderWhitespace: Bool { self == " " || self == "\t" }
}
