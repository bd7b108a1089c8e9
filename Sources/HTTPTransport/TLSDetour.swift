// SPDX-License-Identifier: Apache-2.0

/// A request to one host whose TLS is with another name.
///
/// libcurl verifies the host of the URL, and nothing else. So the URL gets the name that the certificate must have,
/// `CURLOPT_CONNECT_TO` leads the connection to where the URL led before, and the `Host` header says what it said.
struct TLSDetour: Equatable {
    let url: String
    /// `::host:port`: whatever host and port the URL has, connect to these.
    let connectTo: String
    /// The value of the `Host` header.
    let host: String

    private static let defaultPort = "443"

    /// `nil` when the request is not of `https`, or has no host.
    init?(_ request: HTTPRequest, to name: String) {
        let scheme = request.url.prefix(8)
        guard scheme.lowercased() == "https://" else { return nil }
        let rest = request.url.dropFirst(scheme.count)
        let authority = rest.prefix { !"/?#".contains($0) }
        let place = authority.split(separator: "@", omittingEmptySubsequences: false).last ?? ""
        let bracket = place.lastIndex(of: "]") ?? place.startIndex
        let colon = place[bracket...].lastIndex(of: ":")
        let address = place[..<(colon ?? place.endIndex)]
        let port = colon.map { place[place.index(after: $0)...] } ?? Self.defaultPort[...]
        guard !address.isEmpty, !name.isEmpty else { return nil }
        let shownName = name.contains(":") && !name.hasPrefix("[") ? "[\(name)]" : name
        url = "\(scheme)\(shownName):\(port)\(rest.dropFirst(authority.count))"
        connectTo = "::\(address):\(port)"
        host = String(place)
    }
}
