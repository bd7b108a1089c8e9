// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// The endpoint beside a container that gives credentials: the agent of ECS, or of EKS Pod Identity.
package struct ContainerEndpoint: Sendable, Hashable {
    package let url: String
    /// The variable that names it.
    let variable: String
    private let token: Token?

    private enum Token: Sendable, Hashable {
        case value(String)
        case file(String)
    }

    private static let relativeName = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
    private static let fullName = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
    private static let tokenName = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
    private static let tokenFileName = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
    /// ECS, and EKS Pod Identity over IPv4 and IPv6.
    private static let knownHosts: Set<String> = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"]
    static let tokenBytesMax = 64 << 10

    /// - Returns: `nil` when the environment names none.
    /// - Throws: `.configuration` when the token would be sent to anybody over the network (F55).
    package init?(environment: [String: String]) throws {
        if let path = environment[Self.relativeName] {
            variable = Self.relativeName
            guard path.hasPrefix("/"), Self.isPlain(path) else {
                throw Self.refusal(variable, "it is no path that begins with a slash")
            }
            url = "http://169.254.170.2\(path)"
        } else if let full = environment[Self.fullName] {
            variable = Self.fullName
            url = full
            try Self.check(full)
        } else {
            return nil
        }
        token = environment[Self.tokenFileName].map { .file($0) } ?? environment[Self.tokenName].map { .value($0) }
    }

    private static func check(_ url: String) throws {
        guard isPlain(url), let mark = url.firstRange(of: "://") else { throw refusal(fullName, "it is no URL") }
        let scheme = url[..<mark.lowerBound].lowercased()
        let rest = url[mark.upperBound...]
        let authority = rest[..<(rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex)].lowercased()
        guard scheme == "http" || scheme == "https", let host = host(of: authority) else {
            throw refusal(
                fullName,
                "it is no URL of http or https, or it has more than a host and a port before its path"
            )
        }
        guard scheme == "https" || knownHosts.contains(host) || Loopback.contains(host) else {
            throw Failure(
                .configuration,
                "get credentials for S3 from \(fullName): \(host) is on the network, and this is not https",
                hint: "Without TLS it may be a loopback address, 169.254.170.2 (ECS), or 169.254.170.23 and "
                    + "[fd00:ec2::23] (EKS Pod Identity)."
            )
        }
    }

    /// The host without its port; brackets stay. `nil` for what another reader could take for another host.
    private static func host(of authority: String) -> String? {
        let end: String.Index
        if authority.hasPrefix("[") {
            guard let bracket = authority.firstIndex(of: "]") else { return nil }
            end = authority.index(after: bracket)
        } else {
            end = authority.firstIndex(of: ":") ?? authority.endIndex
        }
        let (host, port) = (authority[..<end], authority[end...])
        let isPort = port.isEmpty || (port.hasPrefix(":") && port.dropFirst().allSatisfy { ("0"..."9").contains($0) })
        let isHost = host.utf8.allSatisfy { byte in
            (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || ".-:[]".utf8.contains(byte)
        }
        return !host.isEmpty && isPort && isHost ? String(host) : nil
    }

    /// Visible ASCII, and nothing that some readers of URLs take for a slash.
    private static func isPlain(_ text: String) -> Bool {
        text.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\\") }
    }

    private static func refusal(_ variable: String, _ reason: String) -> Failure {
        Failure(.configuration, "get credentials for S3 from \(variable): \(reason)")
    }

    /// What goes into the `Authorization` header, read anew. Blocks.
    /// - Throws: `.configuration` when the file is not there, or what it has is no value of a header.
    func authorization() throws -> String? {
        let (text, place): (String, String)
        switch token {
        case nil: return nil
        case .value(let value): (text, place) = (value, Self.tokenName)
        case .file(let path):
            guard let bytes = try SmallFile.read(path, bytesMax: Self.tokenBytesMax) else {
                throw Self.refusal(variable, "\(path), which \(Self.tokenFileName) names, is not there")
            }
            (text, place) = (String(decoding: bytes, as: UTF8.self), path)
        }
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            throw Self.refusal(variable, "the token of \(place) is empty, or has a line end in it")
        }
        return text
    }
}
