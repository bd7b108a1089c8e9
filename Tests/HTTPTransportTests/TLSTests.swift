// SPDX-License-Identifier: Apache-2.0

import Failures
import Foundation
import HTTPTransport
import TestParts
import Testing

/// Against the server of openssl, which answers any GET with a page about the connection.
@Suite(.timeLimit(.minutes(2))) struct TLSTests {
    @Test func aServerOfAKnownAuthorityIsBelieved() async throws {
        let material = try await TLSMaterial.shared()
        try await withTLSServer(material) { url, _ in
            var configuration = HTTPClientConfiguration()
            configuration.caFile = material.authority
            try await succeeds(url, configuration)
            configuration.caFile = nil
            configuration.caBytes = try Array(Data(contentsOf: URL(fileURLWithPath: material.authority)))
            try await succeeds(url, configuration)
            // The bytes win.
            configuration.caFile = material.otherAuthority
            try await succeeds(url, configuration)
        }
    }

    @Test func aServerOfAnotherAuthorityIsNot() async throws {
        let material = try await TLSMaterial.shared()
        try await withTLSServer(material) { url, _ in
            var configuration = HTTPClientConfiguration()
            await fails(.tlsFailed, url, configuration)
            configuration.caFile = material.otherAuthority
            await fails(.tlsFailed, url, configuration)
        }
    }

    @Test(arguments: TLSMaterial.Flaw.allCases)
    func aFlawedCertificateIsRefusedUnlessToldOtherwise(flaw: TLSMaterial.Flaw) async throws {
        let material = try await TLSMaterial.shared().flawed(flaw)
        try await withTLSServer(material) { url, _ in
            var configuration = HTTPClientConfiguration()
            configuration.caFile = material.authority
            await fails(.tlsFailed, url, configuration)
            configuration.insecureSkipVerify = true
            try await succeeds(url, configuration)
        }
    }

    @Test func anOldVersionOfTLSIsRefused() async throws {
        let material = try await TLSMaterial.shared()
        try await withTLSServer(material, ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]) { url, _ in
            var configuration = HTTPClientConfiguration()
            configuration.caFile = material.authority
            let failure = await fails(.tlsFailed, url, configuration)
            #expect(failure?.message.contains("protocol version") == true, "\(failure?.description ?? "")")
        }
        // It is not the server that refuses: who may speak the old version gets its page.
        try await withTLSServer(material, ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]) { _, port in
            let words = ["s_client", "-connect", "127.0.0.1:\(port)", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]
            let output = String(decoding: try await run(Parts.openssl(), words), as: UTF8.self)
            #expect(output.contains("TLSv1.1"), "\(output)")
        }
    }

    /// The server would speak HTTP/2 with whoever offers that, and speaks it badly.
    @Test func aServerThatPrefersHTTP2GetsHTTP1() async throws {
        let material = try await TLSMaterial.shared()
        try await withTLSServer(material, ["-alpn", "h2,http/1.1"]) { url, _ in
            var configuration = HTTPClientConfiguration()
            configuration.caFile = material.authority
            try await succeeds(url, configuration)
        }
    }

    @Test func aServerMustShowTheKeyThatIsPinned() async throws {
        let material = try await TLSMaterial.shared()
        let (right, wrong) = (try await material.serverKeyPin(), "sha256//\(String(repeating: "A", count: 43))=")
        try await withTLSServer(material) { url, _ in
            for (pin, succeeds) in [(right, true), ("\(wrong);\(right)", true), (wrong, false)] {
                for insecure in [false, true] {
                    var configuration = HTTPClientConfiguration()
                    configuration.caFile = material.authority
                    configuration.insecureSkipVerify = insecure
                    configuration.pinnedPublicKey = pin
                    if succeeds {
                        try await self.succeeds(url, configuration)
                    } else {
                        let failure = await fails(.tlsFailed, url, configuration)
                        #expect(failure?.message.contains("pinned, \(wrong)") == true, "\(failure?.message ?? "")")
                        #expect(failure?.hint != nil)
                    }
                }
            }
            // A pin does not replace the authority.
            var configuration = HTTPClientConfiguration()
            configuration.pinnedPublicKey = right
            await fails(.tlsFailed, url, configuration)
        }
    }

    @Test(arguments: ["", "sha256//", "sha1//AAAA", "/etc/hosts", "sha256//\(String(repeating: "A", count: 44))"])
    func whatIsNoPinIsAnErrorOfConfiguration(pin: String) async throws {
        var configuration = HTTPClientConfiguration()
        configuration.pinnedPublicKey = pin
        await fails(.configuration, "https://127.0.0.1:1/", configuration)
    }

    @Test func aPinMeansNothingWithoutTLSAndIsNotPassedOver() async throws {
        var configuration = HTTPClientConfiguration()
        configuration.pinnedPublicKey = "sha256//\(String(repeating: "A", count: 43))="
        await fails(.configuration, "http://127.0.0.1:1/", configuration)
    }

    @Test func aServerMayAskWhoWeAre() async throws {
        let material = try await TLSMaterial.shared()
        try await withTLSServer(material, ["-Verify", "1", "-verify_return_error", "-CAfile", material.authority]) {
            url,
            _ in
            var configuration = HTTPClientConfiguration()
            configuration.caFile = material.authority
            let failure = await #expect(throws: Failure.self) { try await status(url, configuration) }
            // The server may be gone before it is heard.
            #expect(failure?.code == .tlsFailed || failure?.code == .unreachable)
            configuration.clientCertificateFile = material.clientCertificate
            configuration.clientKeyFile = material.clientKey
            try await succeeds(url, configuration)
        }
    }

    @Test func filesThatAreNotThereAreAnErrorOfConfiguration() async throws {
        let material = try await TLSMaterial.shared()
        try await withTLSServer(material) { url, _ in
            var configuration = HTTPClientConfiguration()
            configuration.caFile = "/nonexistent/ca.pem"
            await fails(.configuration, url, configuration)
            configuration.caFile = material.serverKey
            await fails(.configuration, url, configuration)
            configuration.caFile = nil
            configuration.caBytes = Array("no certificate".utf8)
            await fails(.configuration, url, configuration)
            configuration.caBytes = nil
            configuration.caFile = material.authority
            configuration.clientCertificateFile = "/nonexistent/client.pem"
            await fails(.configuration, url, configuration)
        }
    }

    @Test func aServerThatSpeaksNoTLSIsRefused() async throws {
        try await withScriptedServer { connection, _ in
            _ = try await connection.read()
            try await connection.write(ScriptedHTTP.response("400 Bad Request"))
        } body: { port in
            await fails(.tlsFailed, "https://127.0.0.1:\(port)/", HTTPClientConfiguration())
        }
    }

    @Test(arguments: [false, true])
    func aConnectionThatBreaksInTheHandshakeIsUnreachable(resets: Bool) async throws {
        try await withScriptedServer { connection, _ in
            _ = try await connection.read()
            if resets { await connection.reset() }
        } body: { port in
            await fails(.unreachable, "https://127.0.0.1:\(port)/", HTTPClientConfiguration())
        }
    }

    private func succeeds(_ url: String, _ configuration: HTTPClientConfiguration) async throws {
        let status = try await status(url, configuration)
        #expect(status == 200)
    }

    @discardableResult
    private func fails(
        _ code: Failure.Code,
        _ url: String,
        _ configuration: HTTPClientConfiguration
    ) async -> Failure? {
        let failure = await #expect(throws: Failure.self) { try await status(url, configuration) }
        #expect(failure?.code == code, "\(failure?.description ?? "")")
        return failure
    }

    private func status(_ url: String, _ configuration: HTTPClientConfiguration) async throws -> Int {
        try await withHTTPClient(configuration) {
            try await $0.send(HTTPRequest(method: "GET", url: url), bodyBytesMax: 1 << 20).head.status
        }
    }
}

/// The server of openssl on a free port, which answers any GET with a page about the connection.
func withTLSServer(
    _ material: TLSMaterial,
    _ options: [String] = [],
    _ body: (_ url: String, _ port: Int) async throws -> Void
) async throws {
    try await withFreePort { port in
        let arguments =
            ["s_server", "-quiet", "-www", "-accept", "127.0.0.1:\(port)"]
            + ["-cert", material.serverCertificate, "-key", material.serverKey] + options
        try await withProcess(Parts.openssl(), arguments) { server in
            try await eventually("openssl to listen: \(server.output.tail())") {
                await (try ByteChannel.connect(port: port)).close()
            }
            try await body("https://127.0.0.1:\(port)/", port)
        }
    }
}
