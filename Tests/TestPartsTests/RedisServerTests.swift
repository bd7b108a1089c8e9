// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

@Suite struct RedisServerTests {
    @Test(arguments: RedisFlavour.allCases)
    func replicaFollowsAndDataSurvivesRestartAndKill(_ flavour: RedisFlavour) async throws {
        try await withReplicatedRedis(flavour, .with { $0.password = "secret" }) { primary, replicas in
            let replica = try #require(replicas.first)
            let value: [UInt8] = [0, 10, 13, 255]
            try await primary.command("SET", "key", value)
            try await primary.waitUntilSynchronized(replicas)
            #expect(try await replica.command("GET", "key").bytes == value)
            try await primary.restart(save: true)
            #expect(try await primary.command("GET", "key").bytes == value)
            try await primary.kill()
            #expect(primary.child.exit?.status == .signalled(SIGKILL))
            try await primary.start()
            #expect(try await primary.command("GET", "key").bytes == value)
        }
    }

    @Test(arguments: RedisFlavour.allCases)
    func datasetIsTheSameOnTheReplicaAndAfterARestart(_ flavour: RedisFlavour) async throws {
        try await withReplicatedRedis(flavour) { primary, replicas in
            try await Dataset.with { $0.bigValueBytes = 3_000_000 }.load(into: primary)
            let digest = try await DatasetDigest(of: primary)
            #expect(digest.keys.keys.sorted() == [0, 1, 9])
            #expect(digest.functions.isEmpty == !flavour.hasFunctions)
            #expect(!digest.groups.isEmpty)
            try await primary.waitUntilSynchronized(replicas)
            let replica = try #require(replicas.first)
            #expect(try await DatasetDigest(of: replica) == digest)
            try await primary.restart(save: true)
            #expect(try await DatasetDigest(of: primary) == digest)
            try await primary.command("SET", "one", "more")
            #expect(try await DatasetDigest(of: primary) != digest)
        }
    }

    @Test func errorsAndWrongConfigurationAreLoud() async throws {
        try await withRedis { server in
            let reply = try await server.ask("NOSUCH")
            #expect(reply.errorText?.hasPrefix("ERR unknown command") == true)
            await #expect(throws: TestReplyError.self) { try await server.command("NOSUCH") }
        }
        await #expect(throws: UnretryableError.self) {
            try await withRedis(.redis70, .with { $0.config = ["no-such-setting 1"] }) { _ in }
        }
    }

    @Test func optionsReachTheServer() async throws {
        let options = RedisOptions.with {
            $0.users = ["reader on >word +ping"]
            $0.unixSocket = true
            $0.appendOnly = true
            $0.databases = 3
            $0.config = ["maxmemory 123mb"]
        }
        try await withRedis(.redis70, options) { server in
            try await TestConnection.open(port: server.port, user: "reader", password: "word") { connection in
                let refusal = try await connection.ask("DBSIZE")
                #expect(refusal.errorText?.hasPrefix("NOPERM") == true)
            }
            #expect(FileManager.default.fileExists(atPath: server.socketFile.path))
            #expect(try await server.info("persistence")["aof_enabled"] == "1")
            #expect(try await server.command("CONFIG", "GET", "maxmemory").array?.last?.int == 123 << 20)
            await #expect(throws: TestReplyError.self) { try await server.command("PING", database: 3) }
        }
    }

    @Test func flawedCertificatesAreRefusedByOpenSSL() async throws {
        let material = try await TLSMaterial.shared()
        func ping(_ served: TLSMaterial, trusting authority: String) async throws -> Int? {
            try await withRedis(.redis70, .with { $0.tls = served }) { server in
                let arguments = [
                    "s_client", "-connect", "127.0.0.1:\(server.tlsPort)", "-verify_ip", "127.0.0.1",
                    "-verify_return_error", "-CAfile", authority,
                ]
                let ending = try? await run(Parts.openssl(), arguments)
                return ending.map(\.count)
            }
        }
        #expect(try await ping(material, trusting: material.authority) != nil)
        #expect(try await ping(material, trusting: material.otherAuthority) == nil)
        for flaw in TLSMaterial.Flaw.allCases {
            #expect(try await ping(material.flawed(flaw), trusting: material.authority) == nil, "\(flaw)")
        }
    }
}
