// SPDX-License-Identifier: Apache-2.0

import Failures
import Foundation
import RedisClient
import RedisProtocol
import TestParts
import Testing

@Suite struct TLSTests {
    private static func role(_ server: RedisServer, host: String = "127.0.0.1", _ tls: RedisTLS) async throws
        -> ServerInfo.Role
    {
        try await withRedisConnection(RedisEndpoint(port: server.tlsPort, host: host, tls: tls)) {
            try await $0.role().role
        }
    }

    @Test func aServerWhoseAuthorityIsTrustedIsConnectedTo() async throws {
        let material = try await TLSMaterial.shared()
        try await withRedis(.redis70, .with { $0.tls = material }) { server in
            let trusting = RedisTLS(authorities: .file(material.authority))
            // By address, which the certificate names and SNI does not, and by name.
            #expect(try await Self.role(server, trusting) == .primary)
            #expect(try await Self.role(server, host: "localhost", trusting) == .primary)
            let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: material.authority)))
            #expect(try await Self.role(server, RedisTLS(authorities: .pem(bytes))) == .primary)
            #expect(try await Self.role(server, RedisTLS(skipsVerification: true)) == .primary)
        }
    }

    @Test func anUnknownAuthorityIsRefused() async throws {
        let material = try await TLSMaterial.shared()
        try await withRedis(.redis70, .with { $0.tls = material }) { server in
            for tls in [RedisTLS(), RedisTLS(authorities: .file(material.otherAuthority))] {
                let failure = try await failure { try await Self.role(server, tls) }
                #expect(failure.code == .tlsFailed)
                #expect(failure.message.contains("not among those trusted"))
                #expect(failure.hint?.contains("--cacert") == true)
            }
        }
    }

    @Test(arguments: TLSMaterial.Flaw.allCases)
    func aFlawedCertificateIsRefusedAndTheFlawIsNamed(_ flaw: TLSMaterial.Flaw) async throws {
        let material = try await TLSMaterial.shared()
        try await withRedis(.redis70, .with { $0.tls = material.flawed(flaw) }) { server in
            let trusting = RedisTLS(authorities: .file(material.authority))
            for host in ["127.0.0.1", "localhost"] {
                let failure = try await failure { try await Self.role(server, host: host, trusting) }
                #expect(failure.code == .tlsFailed)
                let expected =
                    switch flaw {
                    case .expired: "it has expired"
                    case .wrongHost: "is for another name"
                    case .wrongAuthority: "not among those trusted"
                    }
                #expect(failure.message.contains(expected), "\(failure)")
            }
            if flaw == .wrongHost {
                let named = RedisTLS(authorities: .file(material.authority), serverName: "wrong.example")
                #expect(try await Self.role(server, named) == .primary)
            }
            #expect(try await Self.role(server, RedisTLS(skipsVerification: true)) == .primary)
        }
    }

    @Test func aPasswordIsNotSentToAServerThatIsNotVerified() async throws {
        let material = try await TLSMaterial.shared()
        let options = RedisOptions.with {
            $0.tls = material.flawed(.expired)
            $0.password = "hunter2"
        }
        try await withRedis(.redis70, options) { server in
            // A wrong one, because the server keeps a record of those.
            let endpoint = RedisEndpoint(
                port: server.tlsPort,
                password: "hunter3",
                tls: RedisTLS(authorities: .file(material.authority))
            )
            let failure = try await failure { try await withRedisConnection(endpoint) { try await $0.info() } }
            #expect(failure.code == .tlsFailed)
            #expect(try await server.command("ACL", "LOG") == .array([]))
            let clients = try await server.command("CLIENT", "LIST").text ?? ""
            #expect(!clients.contains("name=redoubt"))
        }
    }

    @Test func aServerThatAsksForAClientCertificateGetsOne() async throws {
        let material = try await TLSMaterial.shared()
        let options = RedisOptions.with {
            $0.tls = material
            $0.tlsClients = "yes"
        }
        try await withRedis(.redis70, options) { server in
            var tls = RedisTLS(authorities: .file(material.authority))
            let without = try await failure { try await Self.role(server, tls) }
            #expect(without.code == .tlsFailed)
            #expect(without.hint?.contains("--cert") == true)
            tls.clientCertificate = .init(certificateFile: material.clientCertificate, keyFile: material.clientKey)
            #expect(try await Self.role(server, tls) == .primary)
            // The key of another certificate.
            tls.clientCertificate = .init(certificateFile: material.clientCertificate, keyFile: material.serverKey)
            let mixed = try await failure { try await Self.role(server, tls) }
            #expect(mixed.code == .configuration || mixed.code == .tlsFailed)
        }
    }

    @Test func filesThatAreNotThereAreNamed() async throws {
        let tables: [RedisTLS] = [
            RedisTLS(authorities: .file("/nowhere/ca.crt")),
            RedisTLS(clientCertificate: .init(certificateFile: "/nowhere/client.crt", keyFile: "/nowhere/client.key")),
        ]
        for tls in tables {
            let failure = try await failure {
                try await withRedisConnection(RedisEndpoint(port: 1, tls: tls)) { try await $0.info() }
            }
            #expect(failure.code == .configuration)
            #expect(failure.message.contains("/nowhere/"))
        }
    }

    @Test func speakingTLSToAPlainPortAndPlainToATLSPortIsExplained() async throws {
        let material = try await TLSMaterial.shared()
        try await withRedis(.redis70, .with { $0.tls = material }) { server in
            var endpoint = RedisEndpoint(port: server.port, tls: RedisTLS(authorities: .file(material.authority)))
            endpoint.deadlines.connectSeconds = 1
            let encrypted = try await failure { try await withRedisConnection(endpoint) { try await $0.info() } }
            #expect([.tlsFailed, .timeout].contains(encrypted.code))
            #expect(encrypted.hint?.contains("redis://") == true, "\(encrypted)")
            let plain = try await failure {
                try await withRedisConnection(RedisEndpoint(port: server.tlsPort)) { try await $0.info() }
            }
            #expect([.unreachable, .protocolViolation].contains(plain.code))
            #expect(plain.hint?.contains("rediss://") == true, "\(plain)")
        }
    }
}
