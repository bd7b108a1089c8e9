// SPDX-License-Identifier: Apache-2.0

import Failures

extension HTTPRequest {
    /// The method and the URL for messages: without userinfo, query and fragment, where credentials may stand.
    var shown: String {
        "\(method) \(Self.shown(url))"
    }

    private static func shown(_ url: String) -> String {
        let plain = url.prefix { $0 != "?" && $0 != "#" }
        let bytes = plain.utf8
        guard let scheme = plain.firstRange(of: "://") else { return "(no absolute URL)" }
        let end = bytes[scheme.upperBound...].firstIndex(of: UInt8(ascii: "/")) ?? bytes.endIndex
        let authority = plain[scheme.upperBound..<end]
        guard let userinfo = authority.utf8.lastIndex(of: UInt8(ascii: "@")) else { return String(plain) }
        return String(plain[..<scheme.upperBound] + authority[authority.utf8.index(after: userinfo)...] + plain[end...])
    }

    /// The host of the URL, in lower case and without a port; an IPv6 address keeps its brackets.
    private var host: Substring {
        let rest = url.firstRange(of: "://").map { url[$0.upperBound...] } ?? ""
        let authority = rest.prefix { !"/?#".contains($0) }
        let place = authority.split(separator: "@", omittingEmptySubsequences: false).last ?? ""
        let bracket = place.lastIndex(of: "]") ?? place.startIndex
        return place[..<(place[bracket...].lastIndex(of: ":") ?? place.endIndex)].lowercased()[...]
    }

    /// Whether it goes to a metadata service of a cloud, or to another address that is none beyond this machine's link.
    package var isForLinkLocalHost: Bool {
        let host = host
        return ["169.254.", "[fe80:", "[fd00:ec2:", "[::ffff:169.254."].contains { host.hasPrefix($0) }
            || host == "metadata.google.internal"
    }

    /// Whether TLS is part of it.
    var isSecure: Bool { url.prefix(8).lowercased() == "https://" }

    /// Refuses what would not go out as it is written, or would go out as something else: libcurl filters no header.
    /// - Throws: `.configuration`.
    func check() throws {
        guard !method.isEmpty, method.utf8.allSatisfy(Self.isTokenByte) else {
            throw Failure(.configuration, "send a request: its method is not a word")
        }
        let scheme = url.prefix(8).lowercased()
        guard scheme.hasPrefix("http://") || scheme.hasPrefix("https://") else {
            throw Failure(.configuration, "\(shown): the URL does not start with http:// or https://")
        }
        guard url.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw Failure(.configuration, "send a request: its URL holds bytes that must be percent-encoded")
        }
        guard deadlines.connectSeconds > 0, deadlines.noProgressSeconds > 0 else {
            throw Failure(.configuration, "\(shown): a deadline of less than one second")
        }
        for header in headers {
            guard !header.name.isEmpty, header.name.utf8.allSatisfy(Self.isTokenByte) else {
                throw Failure(.configuration, "\(shown): the name of a header is not a word")
            }
            guard !header.value.utf8.contains(where: { $0 == 0x0d || $0 == 0x0a || $0 == 0 }) else {
                throw Failure(.configuration, "\(shown): the header \(header.name) holds a line end or a zero byte")
            }
            guard header.name.lowercased() != "transfer-encoding" else {
                throw Failure(.configuration, "\(shown): the header \(header.name) is not for the caller to send")
            }
        }
    }

    /// A byte of a method or of the name of a header (RFC 9110, section 5.6.2).
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
