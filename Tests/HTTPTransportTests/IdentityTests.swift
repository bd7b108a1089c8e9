// SPDX-License-Identifier: Apache-2.0

import Failures
import Foundation
import HTTPTransport
import TestParts
import Testing

/// Who we are, and who the server must be, when it is not what the URL says.
@Suite(.timeLimit(.minutes(2))) struct IdentityTests {
    private static func bytes(_ path: String) throws -> [UInt8] {
        try Array(Data(contentsOf: URL(fileURLWithPath: path)))
    }

    @Test func eachRequestMayHaveAnIdentityOfItsOwn() async throws {
        let material = try await TLSMaterial.shared()
        let asks = ["-Verify", "1", "-verify_return_error", "-CAfile", material.authority]
        try await withTLSServer(material, asks) { url, _ in
            var configuration = HTTPClientConfiguration()
            configuration.caFile = material.authority
            let known = HTTPClientIdentity(
                certificate: try Self.bytes(material.clientCertificate),
                key: try Self.bytes(material.clientKey)
            )
            try await withHTTPClient(configuration) { client in
                func status(_ identity: HTTPClientIdentity?) async throws -> Int {
                    let request = HTTPRequest(method: "GET", url: url, identity: identity)
                    return try await client.send(request, bodyBytesMax: 1 << 20).head.status
                }
                var last = try await status(known)
                #expect(last == 200)
                // The connection of somebody else is not used again.
                await #expect(throws: Failure.self) { try await status(nil) }
                last = try await status(known)
                #expect(last == 200)
                let broken = HTTPClientIdentity(certificate: known.certificate, key: Array("hush".utf8))
                let failure = await #expect(throws: Failure.self) { try await status(broken) }
                #expect(failure?.code == .configuration, "\(failure?.description ?? "")")
                #expect(failure?.description.contains("hush") == false)
            }
            #expect("\(known) \(String(reflecting: known))" == "*** ***")
        }
    }

    @Test func theNameOfTheServerMayBeAnotherThanThatOfTheURL() async throws {
        let material = try await TLSMaterial.shared().flawed(.wrongHost)
        // Without that name in its greeting, this server shows the other certificate, which is good for nothing here.
        let stranger = try await TLSMaterial.shared().flawed(.wrongAuthority)
        let names = [
            "-servername", "wrong.example", "-cert2", material.serverCertificate, "-key2", material.serverKey,
        ]
        try await withTLSServer(stranger, names) { url, port in
            var configuration = HTTPClientConfiguration()
            configuration.caFile = material.authority
            configuration.tlsServerName = "wrong.example"
            let url = url + "a?b=c"
            let body = try await withHTTPClient(configuration) {
                try await $0.send(HTTPRequest(method: "GET", url: url), bodyBytesMax: 1 << 20).body
            }
            #expect(!body.isEmpty)
            configuration.tlsServerName = "other.example"
            let failure = await #expect(throws: Failure.self) {
                try await withHTTPClient(configuration) {
                    try await $0.send(HTTPRequest(method: "GET", url: url), bodyBytesMax: 1 << 20)
                }
            }
            #expect(failure?.code == .tlsFailed)
            #expect(failure?.message.hasPrefix("GET https://127.0.0.1:\(port)/a:") == true, "\(failure?.message ?? "")")
        }
    }

    @Test func withoutTLSTheNameIsOfNoMatter() async throws {
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("200 OK")
        } body: { server in
            var configuration = HTTPClientConfiguration()
            configuration.tlsServerName = "wrong.example"
            let response = try await withHTTPClient(configuration) {
                try await $0.send(HTTPRequest(method: "GET", url: "\(server.url)/a"), bodyBytesMax: 1)
            }
            #expect(response.head.status == 200)
            #expect(server.requests.first?.headers["host"] == "127.0.0.1:\(server.port)")
        }
    }

    @Test(arguments: [false, true])
    func whatIsSentOnceIsNotSentAgainOnADeadConnection(isSentOnce: Bool) async throws {
        try await withScriptedHTTP { _, number in
            number == 1 ? ScriptedHTTP.response("200 OK") : ""
        } body: { server in
            try await withHTTPClient { client in
                var request = HTTPRequest(method: "POST", url: server.url, body: [1])
                _ = try await client.send(request, bodyBytesMax: 1)
                request.isSentOnce = isSentOnce
                let failure = await #expect(throws: Failure.self) { try await client.send(request, bodyBytesMax: 1) }
                #expect(failure?.code == .unreachable)
            }
            #expect(server.requests.count == (isSentOnce ? 2 : 3))
        }
    }

    @Test func aSmallBodyIsPosted() async throws {
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("201 Created", body: "{}")
        } body: { server in
            let headers = [("Content-Type", "application/json")]
            for method in ["POST", "PATCH", "PUT"] {
                let request = HTTPRequest(
                    method: method,
                    url: server.url,
                    headers: headers,
                    body: Array("{\"a\":1}".utf8)
                )
                let response = try await withHTTPClient { try await $0.send(request, bodyBytesMax: 10) }
                #expect(response.head.status == 201)
            }
            #expect(server.requests.map(\.method) == ["POST", "PATCH", "PUT"])
            #expect(server.requests.allSatisfy { $0.headers["content-type"] == "application/json" })
            #expect(server.requests.allSatisfy { $0.body == Array("{\"a\":1}".utf8) && $0.headers["expect"] == nil })
        }
    }
}
