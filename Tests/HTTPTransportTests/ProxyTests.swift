// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport
import TestParts
import Testing

@Suite(.timeLimit(.minutes(2))) struct ProxyTests {
    @Test func aRequestGoesThroughTheProxy() async throws {
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("200 OK", body: "proxied")
        } body: { proxy in
            let response = try await send(
                "http://nowhere.invalid/o?a=1",
                through: .at("http://user:word@127.0.0.1:\(proxy.port)")
            )
            #expect(String(decoding: response.body, as: UTF8.self) == "proxied")
            #expect(proxy.requests.map(\.target) == ["http://nowhere.invalid/o?a=1"])
            #expect(proxy.requests.first?.headers["proxy-authorization"] == "Basic dXNlcjp3b3Jk")
        }
    }

    @Test(arguments: [
        ("407 Proxy Authentication Required", Failure.Code.authenticationFailed), ("403 Forbidden", .unreachable),
        ("502 Bad Gateway", .unreachable),
    ])
    func aProxyThatRefusesToConnectIsAFailure(status: String, code: Failure.Code) async throws {
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response(status)
        } body: { proxy in
            let failure = await #expect(throws: Failure.self) {
                try await send("https://nowhere.invalid/o", through: .at(proxy.url))
            }
            #expect(failure?.code == code, "\(failure?.description ?? "")")
            #expect(proxy.requests.map(\.target) == ["nowhere.invalid:443"])
        }
    }

    /// Metadata services hand out credentials; what they say is for nobody in between.
    @Test(arguments: [
        ("169.254.169.254", true), ("169.254.170.2:80", true), ("user@169.254.170.23", true), ("[fe80::1]", true),
        ("[FD00:EC2::254]:80", true), ("[::ffff:169.254.169.254]", true), ("metadata.google.internal", true),
        ("169.25.4.1", false), ("s3.169.254.example", false), ("[fd00::1]:9000", false), ("127.0.0.1", false),
    ])
    func metadataServicesAreKnown(authority: String, isOne: Bool) {
        for path in ["", "/latest", "?a=@b", "#c"] {
            let request = HTTPRequest(method: "GET", url: "http://\(authority)\(path)")
            #expect(request.isForLinkLocalHost == isOne)
        }
    }

    /// An address of a link without its link can be reached by nobody, so that nothing leaves this machine.
    @Test func aLinkLocalAddressIsNeverAskedThroughTheProxy() async throws {
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("200 OK", body: "proxied")
        } body: { proxy in
            var configuration = HTTPClientConfiguration()
            configuration.proxy = .at(proxy.url)
            await #expect(throws: Failure.self) {
                try await withHTTPClient(configuration) {
                    let deadlines = HTTPDeadlines(connectSeconds: 1, noProgressSeconds: 1)
                    let request = HTTPRequest(method: "GET", url: "http://[fe80::1]:1/latest", deadlines: deadlines)
                    return try await $0.send(request, bodyBytesMax: 1000)
                }
            }
            #expect(proxy.requests.isEmpty)
        }
    }

    @Test(arguments: ["127.0.0.1:1", "user:word@127.0.0.1:1", "http://user:word@127.0.0.1:1", "what://user:word@x:1"])
    func whatStandsInTheURLOfTheProxyIsNotShown(url: String) async throws {
        let failure = await #expect(throws: Failure.self) {
            try await send("https://nowhere.invalid/o", through: .at(url))
        }
        #expect(failure?.description.contains("word") == false, "\(failure?.description ?? "")")
    }

    @Test func theHeadOfTheProxyIsNotTheHeadOfTheAnswer() async throws {
        let material = try await TLSMaterial.shared()
        try await withTLSServer(material) { url, port in
            try await withScriptedServer { connection, _ in
                _ = try await connection.read(through: "\r\n\r\n")
                let server = try await ByteChannel.connect(port: port)
                try await connection.write("HTTP/1.1 200 Connection established\r\nx-proxy: 1\r\n\r\n")
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { while let bytes = try await connection.read() { try await server.write(bytes) } }
                    while let bytes = try await server.read() { try await connection.write(bytes) }
                    group.cancelAll()
                }
            } body: { proxy in
                var configuration = HTTPClientConfiguration()
                configuration.caFile = material.authority
                configuration.proxy = .at("http://127.0.0.1:\(proxy)")
                let response = try await withHTTPClient(configuration) {
                    try await $0.send(HTTPRequest(method: "GET", url: url), bodyBytesMax: 1 << 20)
                }
                #expect(response.head.status == 200)
                #expect(response.head["x-proxy"] == nil)
            }
        }
    }

    private func send(_ url: String, through proxy: HTTPClientConfiguration.Proxy) async throws -> HTTPResponse {
        var configuration = HTTPClientConfiguration()
        configuration.proxy = proxy
        return try await withHTTPClient(configuration) {
            try await $0.send(HTTPRequest(method: "GET", url: url), bodyBytesMax: 1000)
        }
    }
}
