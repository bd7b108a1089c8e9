// SPDX-License-Identifier: Apache-2.0

import CCurl
import Failures

extension EasyHandle {
    /// How long a body waits for the server's word, when it was asked.
    private static let expectMilliseconds = 3000
    private static let receiveBufferBytes = 256 * 1024
    private static let uploadBufferBytes = 1024 * 1024
    /// A kept connection older than this is not used again: servers close idle ones after some 20 s or more.
    private static let idleSecondsMax = 18
    private static let keepAliveIdleSeconds = 30
    private static let keepAliveIntervalSeconds = 15

    /// What all transfers of a client have in common.
    func configure(_ configuration: HTTPClientConfiguration) throws {
        try set(CURLOPT_NOSIGNAL, true)
        // Or else the end of one transfer waits for a name server that does not answer, and all the others with it.
        try set(CURLOPT_QUICK_EXIT, true)
        try set(CURLOPT_PROTOCOLS_STR, "http,https")
        try set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        try set(CURLOPT_FOLLOWLOCATION, false)
        try set(CURLOPT_PATH_AS_IS, true)
        try set(CURLOPT_SUPPRESS_CONNECT_HEADERS, true)
        try set(CURLOPT_USERAGENT, configuration.userAgent)
        try set(CURLOPT_BUFFERSIZE, Self.receiveBufferBytes)
        try set(CURLOPT_UPLOAD_BUFFERSIZE, Self.uploadBufferBytes)
        try set(CURLOPT_MAXAGE_CONN, Self.idleSecondsMax)
        try set(CURLOPT_TCP_KEEPALIVE, true)
        try set(CURLOPT_TCP_KEEPIDLE, Self.keepAliveIdleSeconds)
        try set(CURLOPT_TCP_KEEPINTVL, Self.keepAliveIntervalSeconds)
        switch configuration.proxy {
        case .ofEnvironment: break
        case .at(let url):
            try set(CURLOPT_PROXY, url)
            try set(CURLOPT_NOPROXY, "")
        case .off: try set(CURLOPT_PROXY, "")
        }
        try configureTLS(configuration)
    }

    private func configureTLS(_ configuration: HTTPClientConfiguration) throws {
        try set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        try set(CURLOPT_SSL_VERIFYPEER, !configuration.insecureSkipVerify)
        try set(CURLOPT_SSL_VERIFYHOST, configuration.insecureSkipVerify ? 0 : 2)
        // Without the system's folder a CA that is given replaces the system's, and libcurl keeps the loaded file for
        // all connections of a multi: it does so for a file only.
        try set(CURLOPT_CAPATH, nil)
        if let file = configuration.caFile { try set(CURLOPT_CAINFO, file) }
        if let bytes = configuration.caBytes { try set(CURLOPT_CAINFO_BLOB, bytes) }
        if let pin = configuration.pinnedPublicKey {
            // libcurl would take anything else for the name of a file.
            guard KeyPin.isValid(pin) else { throw KeyPin.malformed }
            try set(CURLOPT_PINNEDPUBLICKEY, pin)
        }
        if let file = configuration.clientCertificateFile { try set(CURLOPT_SSLCERT, file) }
        if let file = configuration.clientKeyFile { try set(CURLOPT_SSLKEY, file) }
    }

    /// The one request.
    /// - Parameters:
    ///   - name: whose certificate the server must show, where that is not the host of the URL.
    ///   - asksFirst: whether the body waits until the server has seen the headers (`Expect: 100-continue`).
    func configure(_ request: HTTPRequest, tlsServerName name: String?, asksFirst: Bool) throws {
        var headers = Self.headerLines(of: request, asksFirst: asksFirst)
        if let detour = name.flatMap({ TLSDetour(request, to: $0) }) {
            try set(CURLOPT_URL, detour.url)
            try set(CURLOPT_CONNECT_TO, list: [detour.connectTo])
            if !request.headers.contains(where: { $0.name.lowercased() == "host" }) {
                headers.append("Host: \(detour.host)")
            }
        } else {
            try set(CURLOPT_URL, request.url)
        }
        // Metadata services hand out credentials: what they say is for nobody in between.
        if request.isForLinkLocalHost { try set(CURLOPT_PROXY, "") }
        if let identity = request.identity {
            try set(CURLOPT_SSLCERT_BLOB, identity.certificate)
            try set(CURLOPT_SSLKEY_BLOB, identity.key)
        }
        if request.isSentOnce { try set(CURLOPT_FRESH_CONNECT, true) }
        try set(CURLOPT_CONNECTTIMEOUT, request.deadlines.connectSeconds)
        // A server that does not know the question must not make the body miss its deadline.
        let expectMilliseconds = min(Self.expectMilliseconds, request.deadlines.noProgressSeconds * 1000 / 3)
        try set(CURLOPT_EXPECT_100_TIMEOUT_MS, expectMilliseconds)
        let isUpload = !request.body.isEmpty || ["PUT", "POST", "PATCH"].contains(request.method)
        if request.method == "HEAD" {
            try set(CURLOPT_NOBODY, true)
        } else if isUpload {
            // An upload whatever the method: a POST of libcurl would add a Content-Type of its own.
            try set(CURLOPT_UPLOAD, true)
            let length = request.outgoing.map { $0.length.map(Int.init) } ?? request.body.count
            if let length { try set(CURLOPT_INFILESIZE_LARGE, offset: length) }
        }
        try set(CURLOPT_CUSTOMREQUEST, request.method)
        try set(CURLOPT_HTTPHEADER, list: headers)
    }

    /// In libcurl's notation `Name;` is a header without a value, and `Name:` takes a header of its own away.
    private static func headerLines(of request: HTTPRequest, asksFirst: Bool) -> [String] {
        // The length is that of the body, always; libcurl writes it.
        var lines = request.headers.filter { $0.name.lowercased() != "content-length" }.map { header in
            header.value.allSatisfy { $0 == " " || $0 == "\t" } ? "\(header.name);" : "\(header.name): \(header.value)"
        }
        let given = Set(request.headers.map { $0.name.lowercased() })
        if !given.contains("accept") { lines.append("Accept:") }
        if !given.contains("expect") { lines.append(asksFirst ? "Expect: 100-continue" : "Expect:") }
        return lines
    }
}
