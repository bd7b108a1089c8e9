// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// Where the JSON API of Cloud Storage is, and what its URLs look like.
struct GoogleEndpoint: Sendable, Hashable {
    /// `https://host:port`, without a slash at its end.
    let origin: String
    private let bucketPath: String
    private let userProject: String?

    static let usual = "https://storage.googleapis.com"

    /// - Parameter url: `https://host` or `http://host:port`.
    /// - Throws: `.configuration` when it is none.
    init(url: String, bucket: String, userProject: String?) throws {
        origin = try Self.origin(of: url)
        bucketPath = "/storage/v1/b/\(PercentEncoding.component(bucket))"
        self.userProject = userProject
    }

    /// The URL of what is known about an object, or, with `alt=media`, of its bytes.
    func object(_ key: String, _ query: [(name: String, value: String)]) -> String {
        origin + "\(bucketPath)/o/\(PercentEncoding.component(key))" + text(of: query)
    }

    /// The URL of the list of objects.
    func objects(_ query: [(name: String, value: String)]) -> String {
        origin + "\(bucketPath)/o" + text(of: query)
    }

    /// The URL that objects are written to.
    func uploads(_ query: [(name: String, value: String)]) -> String {
        origin + "/upload\(bucketPath)/o" + text(of: query)
    }

    private func text(of query: [(name: String, value: String)]) -> String {
        let all = query + (userProject.map { [("userProject", $0)] } ?? [])
        let parameters = all.map { "\(PercentEncoding.component($0.name))=\(PercentEncoding.component($0.value))" }
        return parameters.isEmpty ? "" : "?" + parameters.joined(separator: "&")
    }

    private static func origin(of url: String) throws -> String {
        let address = try HTTPAddress(url, of: "a Google Cloud Storage endpoint")
        guard address.path.isEmpty || address.path == "/" else {
            throw Failure(
                .configuration,
                "use a Google Cloud Storage endpoint: \(address.origin) is followed by a path",
                hint: "An endpoint is https://host or https://host:port."
            )
        }
        return address.origin
    }
}

/// A URL that somebody configured, taken apart as far as trust needs it.
struct HTTPAddress: Sendable, Hashable {
    let isEncrypted: Bool
    /// Without the port.
    let host: String
    /// `https://host:port`
    let origin: String
    /// With the query.
    let path: String

    /// - Parameter what: for messages; the URL itself is not quoted, because it may hold a secret.
    /// - Throws: `.configuration` when it is not a URL of HTTP, or holds credentials.
    init(_ url: String, of what: String) throws {
        let failure = Failure(
            .configuration,
            "use \(what): it is not a URL of the form https://host:port, without credentials in it"
        )
        let lowercased = url.lowercased()
        guard let scheme = ["https://", "http://"].first(where: lowercased.hasPrefix) else { throw failure }
        let rest = url.dropFirst(scheme.count)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        let authority = rest[..<end].lowercased()
        guard !authority.isEmpty, authority.utf8.allSatisfy(Self.isHostByte),
            rest[end...].utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") })
        else { throw failure }
        isEncrypted = scheme == "https://"
        origin = scheme + authority
        path = String(rest[end...])
        host =
            authority.hasPrefix("[")
            ? String(authority.prefix { $0 != "]" }) + "]" : String(authority.prefix { $0 != ":" })
    }

    /// This machine.
    var isLoopback: Bool { Loopback.contains(host) }

    /// Whether a secret may be sent there: nobody in between can read it.
    var isPrivate: Bool { isEncrypted || isLoopback }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        ObjectKey.isAllowed(byte) || [UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]")].contains(byte)
    }
}
