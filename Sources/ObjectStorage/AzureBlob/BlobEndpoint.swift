// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// Where requests to a container go.
package struct BlobEndpoint: Sendable, Hashable {
    let scheme: String
    /// With the port, if one is written.
    package let host: String
    /// Empty, or a slash and what comes before the container: the account, where it is not in the host name.
    let basePath: String
    let container: String

    /// The suffix of the public cloud.
    static let usualSuffix = "core.windows.net"

    /// The endpoint of Azure for an account.
    /// - Parameter suffix: `core.chinacloudapi.cn`, `core.usgovcloudapi.net`, …
    /// - Throws: `.configuration` when it is no name of a host.
    init(account: String, suffix: String, scheme: String = "https", container: String) throws {
        guard !suffix.isEmpty, suffix.utf8.allSatisfy(ObjectKey.isAllowed) else {
            throw Failure(.configuration, "use the endpoint suffix of Azure: it is no name of a host")
        }
        self.scheme = scheme
        self.container = container
        host = "\(account).blob.\(suffix.lowercased())"
        basePath = ""
    }

    /// The endpoint that somebody named: that of the account, as in a connection string. An address, `localhost` or a
    /// plain name without a path means an emulator, which wants the account in the path.
    /// - Throws: `.configuration` when it is none.
    init(url: String, account: String, container: String) throws {
        guard let mark = url.firstRange(of: "://"), ["http", "https"].contains(url[..<mark.lowerBound].lowercased())
        else {
            throw Self.malformed("it does not start with http:// or https://")
        }
        scheme = url[..<mark.lowerBound].lowercased()
        let rest = url[mark.upperBound...]
        // Not quoted: there may be a password before the @, or a SAS after the question mark.
        guard !rest.contains("@"), !rest.contains("?"), !rest.contains("#") else {
            throw Self.malformed("it holds credentials or a query, which belong into AZURE_STORAGE_SAS_TOKEN")
        }
        let end = rest.firstIndex(of: "/") ?? rest.endIndex
        host = rest[..<end].lowercased()
        guard !host.isEmpty, host.utf8.allSatisfy(Self.isHostByte) else { throw Self.malformed("\(url) has no host") }
        let path = rest[end...].split(separator: "/").map { "/" + $0 }.joined()
        guard path.utf8.allSatisfy({ ObjectKey.isAllowed($0) || $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "~") })
        else { throw Self.malformed("the path of \(url) has odd characters") }
        basePath = path.isEmpty && Self.isEmulator(host) ? "/\(account)" : path
        self.container = container
    }

    /// The URL of a blob, or of the container when there is no key.
    /// - Parameter query: names and values, not encoded.
    package func url(key: String?, query: [(name: String, value: String)]) -> String {
        let path = "\(basePath)/\(container)" + (key.map { "/" + PercentEncoding.path($0) } ?? "")
        let parameters = query.map { "\(PercentEncoding.component($0.name))=\(PercentEncoding.component($0.value))" }
        return "\(scheme)://\(host)\(path)" + (parameters.isEmpty ? "" : "?" + parameters.joined(separator: "&"))
    }

    /// Whether what is sent there can be read on the way by nobody but this machine.
    static func isPrivate(scheme: String, host: String) -> Bool {
        scheme == "https" || Loopback.contains(host)
    }

    private static func isEmulator(_ host: String) -> Bool {
        isAddress(host) || !name(of: host).contains(".")
    }

    private static func isAddress(_ host: String) -> Bool {
        host.hasPrefix("[") || name(of: host).utf8.allSatisfy { $0 == 0x2E || (0x30...0x39).contains($0) }
    }

    /// The host without its port.
    private static func name(of host: String) -> Substring {
        if host.hasPrefix("["), let end = host.firstIndex(of: "]") { return host[...end] }
        return host.prefix { $0 != ":" }
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        ObjectKey.isAllowed(byte) || [UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]")].contains(byte)
    }

    private static func malformed(_ reason: String) -> Failure {
        Failure(
            .configuration,
            "use a blob endpoint of Azure: \(reason)",
            hint: "An endpoint is https://account.blob.core.windows.net, or http://host:port/account of an emulator."
        )
    }
}
