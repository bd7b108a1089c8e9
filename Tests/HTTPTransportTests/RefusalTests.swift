// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport
import TestParts
import Testing

@Suite(.timeLimit(.minutes(2))) struct RefusalTests {
    @Test(arguments: [
        ("x", "a\r\nEvil: 1"), ("x", "a\nEvil: 1"), ("x", "a\rb"), ("x", "a\0b"), ("x\r\nEvil", "1"), ("x:y", "1"),
        ("x y", "1"), ("", "1"), ("Transfer-Encoding", "chunked"),
    ])
    func aHeaderThatWouldBecomeAnotherIsRefused(name: String, value: String) async throws {
        try await refused { HTTPRequest(method: "GET", url: $0, headers: [(name, value)]) }
    }

    @Test(arguments: ["", "GET /x HTTP/1.1\r\nEvil: 1\r\n\r\nGET", "GE T", "GET\0"])
    func aMethodThatIsNotAWordIsRefused(method: String) async throws {
        try await refused { HTTPRequest(method: method, url: $0) }
    }

    @Test(arguments: ["/a b", "/a\r\nEvil: 1", "/a\0b", "/ä", "/\u{7f}"])
    func anURLThatIsNotEncodedIsRefused(path: String) async throws {
        try await refused { HTTPRequest(method: "GET", url: $0 + path) }
    }

    @Test(arguments: ["file:///etc/passwd", "ftp://127.0.0.1/", "127.0.0.1", "", "gopher://x", "http:/x", "httpx://x"])
    func anotherSchemeIsRefused(url: String) async throws {
        try await refused { _ in HTTPRequest(method: "GET", url: url) }
    }

    @Test(arguments: ["http://", "http://[::1", "http://127.0.0.1:99999/"])
    func anURLThatIsNoneIsAnErrorOfConfiguration(url: String) async throws {
        let failure = await #expect(throws: Failure.self) {
            try await withHTTPClient { try await $0.send(HTTPRequest(method: "GET", url: url), bodyBytesMax: 0) }
        }
        #expect(failure?.code == .configuration)
    }

    @Test(arguments: ["http", "https"])
    func credentialsOfTheURLStandInNoMessage(scheme: String) async throws {
        try await withFreePort { port in
            for host in ["127.0.0.1:\(port)", "nowhere.invalid", "[::1", "127.0.0.1:99999"] {
                let url = "\(scheme)://us%40er:pass@word@\(host)/path/o?X-Amz-Signature=signature#fragment"
                let failure = await #expect(throws: Failure.self) {
                    try await withHTTPClient {
                        try await $0.send(HTTPRequest(method: "GET", url: url), bodyBytesMax: 0)
                    }
                }
                let text = failure?.description ?? ""
                for secret in ["us%40er", "pass", "word", "signature", "Signature", "fragment"] {
                    #expect(!text.contains(secret), "\(text)")
                }
            }
        }
    }

    @Test(arguments: [
        ("http://us%40er:pass@word@[::1", Failure.Code.configuration), ("us%40er:pass@word", .unreachable),
        ("ftp://us%40er:pass@word@127.0.0.1:1", .configuration),
        ("http://us%40er:pass%40word@nowhere.invalid:1", .unreachable),
        ("http://us%40er:pass%40word@127.0.0.1:1", .unreachable),
    ])
    func credentialsOfTheProxyStandInNoMessage(proxy: String, code: Failure.Code) async throws {
        var configuration = HTTPClientConfiguration()
        configuration.proxy = .at(proxy)
        let failure = await #expect(throws: Failure.self) {
            try await withHTTPClient(configuration) {
                try await $0.send(HTTPRequest(method: "GET", url: "https://127.0.0.1/o"), bodyBytesMax: 0)
            }
        }
        let text = failure?.description ?? ""
        #expect(failure?.code == code, "\(text)")
        for secret in ["us%40er", "us@er", "pass", "word@"] { #expect(!text.contains(secret), "\(text)") }
    }

    /// Nothing goes out.
    private func refused(_ request: @Sendable (String) -> HTTPRequest) async throws {
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("200 OK")
        } body: { server in
            let failure = await #expect(throws: Failure.self) {
                try await withHTTPClient { try await $0.send(request(server.url), bodyBytesMax: 0) }
            }
            #expect(failure?.code == .configuration)
            #expect(server.requests.isEmpty)
        }
    }
}
