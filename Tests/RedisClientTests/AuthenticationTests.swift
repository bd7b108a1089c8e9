// SPDX-License-Identifier: Apache-2.0

import Failures
import RedisClient
import RedisProtocol
import TestParts
import Testing

@Suite struct AuthenticationTests {
    private static let password = "p@ss \"word\"\u{e9}\\"

    @Test(arguments: RedisFlavour.allCases)
    func thePasswordOfTheDefaultUserLogsIn(_ flavour: RedisFlavour) async throws {
        try await withRedis(flavour, .with { $0.password = "hunter2" }) { server in
            for user in [nil, "default"] {
                let endpoint = RedisEndpoint(port: server.port, user: user, password: "hunter2")
                let role = try await withRedisConnection(endpoint) { try await $0.role().role }
                #expect(role == .primary)
            }
        }
    }

    @Test(arguments: RedisFlavour.allCases)
    func wrongOrMissingPasswordsAreToldApartAndNeverShown(_ flavour: RedisFlavour) async throws {
        try await withRedis(flavour, .with { $0.password = "hunter2" }) { server in
            let endpoints = [
                RedisEndpoint(port: server.port), RedisEndpoint(port: server.port, password: "hunter3"),
                RedisEndpoint(port: server.port, user: "nobody", password: "hunter3"),
                RedisEndpoint(url: try RedisURL("redis://nobody:hunter3@127.0.0.1:\(server.port)")),
            ]
            for endpoint in endpoints {
                let failure = try await failure { try await withRedisConnection(endpoint) { try await $0.info() } }
                #expect(failure.code == .authenticationFailed)
                #expect(failure.hint != nil)
                if let credentials = endpoint.credentials {
                    let user = credentials.user ?? "default"
                    #expect(failure.message.contains("answered AUTH (user \(user)) with: WRONGPASS"), "\(failure)")
                }
                var dumped = ""
                dump(endpoint, to: &dumped)
                dump(failure, to: &dumped)
                #expect(
                    !"\(failure) \(failure.hint ?? "") \(String(reflecting: failure)) \(endpoint) \(dumped)".contains(
                        "hunter"
                    )
                )
            }
        }
    }

    @Test func aServerWithoutAUTHDoesNotMakeUsShowThePassword() async throws {
        // It quotes the arguments of a command that it does not know.
        try await withRedis(.redis70, .with { $0.config = ["rename-command AUTH \"\""] }) { server in
            let reply = try await server.ask("AUTH", "hunter2").errorText
            #expect(reply?.contains("hunter2") == true)
            let failure = try await failure {
                let endpoint = RedisEndpoint(port: server.port, password: "hunter2")
                return try await withRedisConnection(endpoint) { try await $0.info() }
            }
            #expect(failure.code == .authenticationFailed)
            #expect(!"\(failure) \(failure.hint ?? "") \(String(reflecting: failure))".contains("hunter2"))
        }
    }

    @Test func aPasswordForAServerThatAsksForNoneIsRefused() async throws {
        try await withRedis { server in
            let failure = try await failure {
                try await withRedisConnection(RedisEndpoint(port: server.port, password: "x")) { try await $0.info() }
            }
            #expect(failure.code == .authenticationFailed)
            #expect(failure.hint?.contains("asks for no password") == true)
        }
    }

    @Test(arguments: RedisFlavour.allCases)
    func anACLUserLogsInWithAnyPassword(_ flavour: RedisFlavour) async throws {
        try await withRedis(flavour) { server in
            try await server.command("ACL", "SETUSER", "backup", "on", ">\(Self.password)", "+info")
            let endpoint = RedisEndpoint(port: server.port, user: "backup", password: Self.password)
            // The user may not set a name; that is no reason to fail.
            try await withRedisConnection(endpoint) { connection in
                #expect(try await connection.info().role == .primary)
                let denied = try await failure { try await connection.time() }
                #expect(denied.code == .permissionDenied)
                #expect(denied.hint == "Type on the server: ACL SETUSER backup +time")
                #expect(try await connection.configGet("dir") == nil)
            }
        }
    }

    @Test func aServerBeforeVersion6TakesThePasswordAlone() async throws {
        try await withScriptedServer { connection, _ in
            #expect(String(decoding: try await connection.read(through: "hunter2\r\n"), as: UTF8.self).hasPrefix("*3"))
            try await connection.write("-ERR wrong number of arguments for 'auth' command\r\n")
            #expect(String(decoding: try await connection.read(through: "hunter2\r\n"), as: UTF8.self).hasPrefix("*2"))
            try await connection.write("+OK\r\n")
            _ = try await connection.read(through: "redoubt\r\n")
            try await connection.write("+OK\r\n")
            _ = try await connection.readToEnd()
        } body: { port in
            try await withRedisConnection(RedisEndpoint(port: port, user: "default", password: "hunter2")) { _ in }
        }
    }

    @Test func aRenamedCONFIGIsNoReasonToFail() async throws {
        try await withRedis(.redis70, .with { $0.config = ["rename-command CONFIG \"\""] }) { server in
            let settings = try await withRedisConnection(RedisEndpoint(server)) { try await $0.configGet("dir") }
            #expect(settings == nil)
        }
    }

    @Test func onlyAPasswordOnItsWayWithoutTLSIsWarnedOf() throws {
        func warns(_ text: String) throws -> Bool { RedisEndpoint(url: try RedisURL(text)).sendsPasswordInClear }
        #expect(try warns("redis://:pw@redis-0.redis"))
        #expect(try !warns("rediss://:pw@redis-0.redis"))
        #expect(try !warns("redis://redis-0.redis"))
        #expect(try !warns("redis://:pw@127.0.0.1"))
        #expect(try !warns("redis://:pw@[::1]"))
        #expect(try !warns("redis://:pw@localhost"))
        #expect(try !warns("unix://:pw@/run/redis.sock"))
    }
}
