// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// Where requests to a bucket go: the scheme, the host, and whether the bucket stands in the host name or in the path.
package struct S3Endpoint: Sendable, Hashable {
    let scheme: String
    /// With the port, if it is not the usual one.
    package let host: String
    /// Empty, or a slash and what comes before the bucket.
    let basePath: String
    let bucket: String
    let isPathStyle: Bool
    /// How the host of AWS is made of a region; `nil` for an endpoint that somebody named.
    private let amazon: Amazon?

    private struct Amazon: Sendable, Hashable {
        let pathStyle: Bool?
        let fips: Bool
        let dualStack: Bool
    }

    /// The endpoint that somebody named.
    /// - Throws: `.configuration` when it is none.
    init(url: String, bucket: String, pathStyle: Bool?) throws {
        guard let mark = url.firstRange(of: "://"), ["http", "https"].contains(url[..<mark.lowerBound].lowercased())
        else {
            throw Self.malformed("it does not start with http:// or https://")
        }
        scheme = url[..<mark.lowerBound].lowercased()
        let rest = url[mark.upperBound...]
        let end = rest.firstIndex(of: "/") ?? rest.endIndex
        let authority = rest[..<end].lowercased()
        // Not quoted: there may be a password before the @.
        guard !rest.contains("@") else {
            throw Self.malformed("it holds credentials, which belong into AWS_ACCESS_KEY_ID")
        }
        guard !authority.isEmpty, authority.utf8.allSatisfy(Self.isHostByte), !rest.contains("?"), !rest.contains("#")
        else { throw Self.malformed("\(url) has no host, or something after its path") }
        let usualPort = scheme == "https" ? ":443" : ":80"
        let host = authority.hasSuffix(usualPort) ? String(authority.dropLast(usualPort.count)) : authority
        let path = rest[end...].split(separator: "/").map { "/" + $0 }.joined()
        guard path.utf8.allSatisfy({ ObjectKey.isAllowed($0) || $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "~") })
        else { throw Self.malformed("the path of \(url) has odd characters") }
        basePath = path
        self.bucket = bucket
        isPathStyle = pathStyle ?? true
        if !isPathStyle, Self.isAddress(host) {
            throw Failure(
                .configuration,
                "use the S3 endpoint \(url): a bucket cannot stand before an IP address",
                hint: "Leave path-style out, or set it to true."
            )
        }
        self.host = isPathStyle ? host : "\(bucket).\(host)"
        amazon = nil
    }

    /// The endpoint of AWS for a region.
    init(region: String, bucket: String, pathStyle: Bool?, fips: Bool, dualStack: Bool) {
        let suffix = region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
        let host = "s3\(fips ? "-fips" : "").\(dualStack ? "dualstack." : "")\(region).\(suffix)"
        // A certificate for *.s3… does not cover a name with a dot, and host names have no capitals.
        let fitsHost = bucket.utf8.allSatisfy { byte in
            (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == UInt8(ascii: "-")
        }
        scheme = "https"
        basePath = ""
        self.bucket = bucket
        isPathStyle = pathStyle ?? !fitsHost
        self.host = isPathStyle ? host : "\(bucket).\(host)"
        amazon = Amazon(pathStyle: pathStyle, fips: fips, dualStack: dualStack)
    }

    /// Whether somebody named it; otherwise it is AWS's own.
    var isNamed: Bool { amazon == nil }

    /// The endpoint of AWS for another region; `nil` when this is none of AWS.
    func inRegion(_ region: String) -> S3Endpoint? {
        guard let amazon else { return nil }
        return S3Endpoint(
            region: region,
            bucket: bucket,
            pathStyle: amazon.pathStyle,
            fips: amazon.fips,
            dualStack: amazon.dualStack
        )
    }

    /// Whether nobody between here and there can listen.
    var isPrivate: Bool { scheme == "https" || Loopback.contains(host) }

    /// The URL of an object, or of the bucket when there is no key.
    /// - Parameter query: names and values, not encoded. They are sent in the order in which they are signed.
    package func url(key: String?, query: [(name: String, value: String)]) -> String {
        var path = basePath
        if isPathStyle { path += "/" + PercentEncoding.component(bucket) }
        if let key { path += "/" + PercentEncoding.path(key) }
        if path.isEmpty { path = "/" }
        let parameters = query.map { "\(PercentEncoding.component($0.name))=\(PercentEncoding.component($0.value))" }
        return "\(scheme)://\(host)\(path)"
            + (parameters.isEmpty ? "" : "?" + parameters.sorted().joined(separator: "&"))
    }

    private static func malformed(_ reason: String) -> Failure {
        Failure(
            .configuration,
            "use an S3 endpoint: \(reason)",
            hint: "An endpoint is https://host or https://host:port."
        )
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        ObjectKey.isAllowed(byte) || [UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]")].contains(byte)
    }

    static func isAddress(_ host: String) -> Bool {
        host.hasPrefix("[")
            || host.split(separator: ":").first.map { $0.utf8.allSatisfy { $0 == 0x2E || (0x30...0x39).contains($0) } }
                ?? false
    }
}
