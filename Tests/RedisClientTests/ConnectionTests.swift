// SPDX-License-Identifier: Apache-2.0

import Failures
import Glibc
import RedisClient
import RedisProtocol
import TestParts
import Testing

@Suite struct ConnectionTests {
    @Test(arguments: RedisFlavour.allCases)
    func commandsAreAnswered(_ flavour: RedisFlavour) async throws {
        try await withRedis(flavour) { server in
            let big = [UInt8](repeating: 7, count: 3_000_000)
            try await server.command("SET", "big", big)
            try await withRedisConnection(RedisEndpoint(server)) { connection in
                let info = try await connection.info()
                #expect(info.product == (flavour == .valkey91 ? .valkey : .redis))
                #expect(info.role == .primary)
                #expect(info.mode == .standalone)
                #expect(info.runID?.count == 40)
                #expect(info.usedMemoryBytes ?? 0 > 3_000_000)
                #expect(try await connection.info("replication").usedMemoryBytes == nil)
                let clock = try await connection.time()
                #expect(abs(clock - (info.serverTimeMicroseconds ?? 0)) < 60_000_000)
                #expect(try await connection.role().role == .primary)
                #expect(try await connection.configGet("dbfilename") == ["dbfilename": "dump.rdb"])
                // A reply far larger than one read of the socket.
                #expect(try await connection.command("GET", "big") == .bulk(big))
                #expect(try await connection.command("GET", "none") == .null)
            }
        }
    }

    @Test func anErrorReplyLeavesTheConnectionUsable() async throws {
        try await withRedis { server in
            try await withRedisConnection(RedisEndpoint(server)) { connection in
                let unknown = try await failure { try await connection.command("NONSENSE") }
                #expect(unknown.code == .unsupported)
                #expect(unknown.message.contains("NONSENSE"))
                let wrong = try await failure { try await connection.command("GET") }
                #expect(wrong.code == .unclassified)
                let reply = try await connection.command("PING")
                #expect(reply == .simple("PONG"))
            }
        }
    }

    @Test(arguments: RedisFlavour.allCases)
    func theServerKnowsUsByNameAndForgetsUsAtTheEnd(_ flavour: RedisFlavour) async throws {
        try await withRedis(flavour) { server in
            try await withRedisConnection(RedisEndpoint(server)) { _ in
                let clients = try await server.command("CLIENT", "LIST").text ?? ""
                #expect(clients.contains("name=redoubt"))
            }
            try await eventually("the server to forget us") {
                try await server.command("CLIENT", "LIST").text?.contains("name=redoubt") == false ? true : nil
            }
        }
    }

    @Test func theConnectionIsClosedWhenTheBodyThrows() async throws {
        struct Unhappy: Error {}
        try await withRedis { server in
            await #expect(throws: Unhappy.self) {
                try await withRedisConnection(RedisEndpoint(server)) { _ in throw Unhappy() }
            }
            try await eventually("the server to forget us") {
                try await server.command("CLIENT", "LIST").text?.contains("name=redoubt") == false ? true : nil
            }
        }
    }

    @Test func aUnixSocketIsAsGood() async throws {
        try await withRedis(.redis70, .with { $0.unixSocket = true }) { server in
            let endpoint = RedisEndpoint(url: try RedisURL("unix://\(server.socketFile.path)"))
            let info = try await withRedisConnection(endpoint) { try await $0.info() }
            #expect(info.port == Int64(server.port))
            let missing = RedisEndpoint(url: try RedisURL("unix://\(server.socketFile.path).none"))
            let failure = try await failure { try await withRedisConnection(missing) { try await $0.info() } }
            #expect(failure.code == .unreachable)
            #expect(failure.message.contains("no such file"))
            #expect(failure.hint?.contains("`unixsocket`") == true)
        }
    }

    @Test func namesAndIPv6AddressesAreConnectedTo() async throws {
        try await withRedis(.redis70, .with { $0.config = ["bind 127.0.0.1 -::1"] }) { server in
            // The name has an IPv6 address too on most machines; a server that listens on one of them is found.
            let named = RedisEndpoint(port: server.port, host: "localhost")
            #expect(try await withRedisConnection(named) { try await $0.role().role } == .primary)
            let sixth = RedisEndpoint(url: try RedisURL("redis://[::1]:\(server.port)"))
            do {
                #expect(try await withRedisConnection(sixth) { try await $0.role().role } == .primary)
            } catch let failure as Failure {
                // A machine without IPv6: the server skipped the address (the dash before it), and so it is refused.
                #expect(failure.code == .unreachable)
                #expect(failure.message.contains("[::1]:\(server.port)"))
                let addresses = try await run("/bin/cat", ["/proc/net/if_inet6"])
                #expect(addresses.isEmpty)
            }
        }
    }
}

@Suite struct BrokenConnectionTests {
    @Test func aPortWithoutListenerIsUnreachable() async throws {
        try await withFreePort { port in
            let failure = try await failure {
                try await withRedisConnection(RedisEndpoint(port: port)) { try await $0.info() }
            }
            #expect(failure.code == .unreachable)
            #expect(failure.message == "cannot connect to 127.0.0.1:\(port): connection refused")
            #expect(failure.hint?.contains("`port`") == true)
        }
    }

    @Test func aNameThatDoesNotResolveIsUnreachable() async throws {
        let failure = try await failure {
            try await withRedisConnection(RedisEndpoint(port: 6379, host: "no-such-host.invalid")) {
                try await $0.info()
            }
        }
        #expect(failure.code == .unreachable)
        #expect(failure.message.contains("no-such-host.invalid:6379"))
        #expect(failure.hint?.hasPrefix("Compare the name") == true && !"\(failure)".contains("SocketAddressError"))
    }

    @Test func aServerThatSaysNothingTimesOut() async throws {
        try await withScriptedServer { connection, _ in
            _ = try await connection.readToEnd()
        } body: { port in
            var endpoint = RedisEndpoint(port: port)
            endpoint.deadlines.connectSeconds = 0.3
            let failure = try await failure { try await withRedisConnection(endpoint) { try await $0.info() } }
            #expect(failure.code == .timeout)
            #expect(failure.message.contains("CLIENT SETNAME"))
        }
    }

    @Test func aStoppedServerTimesOutAndOneThatAnswersSlowlyDoesNot() async throws {
        try await withRedis { server in
            let endpoint = RedisEndpoint(port: server.port, noProgressSeconds: 1)
            try await withRedisConnection(endpoint) { connection in
                // A connection on which nothing is asked may be silent for longer.
                try await Task.sleep(for: .milliseconds(1500))
                try await connection.command("PING")
                server.child.kill(SIGSTOP)
                let failure = try await failure { try await connection.command("PING") }
                server.child.kill(SIGCONT)
                #expect(failure.code == .timeout)
                #expect(failure.message.contains("PING"))
            }
        }
    }

    @Test(arguments: [FaultProxy.Fault.close(afterBytes: 100_000), .reset(afterBytes: 100_000)])
    func aReplyThatBreaksOffIsAFailure(_ fault: FaultProxy.Fault) async throws {
        try await withRedis { server in
            try await server.command("SET", "big", [UInt8](repeating: 7, count: 1_000_000))
            try await withFaultProxy(to: server.port) { proxy in
                proxy.add(fault, .toClient)
                let failure = try await failure {
                    try await withRedisConnection(RedisEndpoint(port: proxy.port)) {
                        try await $0.command("GET", "big")
                    }
                }
                #expect(failure.code == .unreachable)
                #expect(failure.message.contains("GET"))
            }
        }
    }

    @Test func repliesInSmallPiecesAreReadWhole() async throws {
        try await withRedis { server in
            try await withFaultProxy(to: server.port) { proxy in
                proxy.add(.slices(bytes: 1), .toClient)
                let info = try await withRedisConnection(RedisEndpoint(port: proxy.port)) { try await $0.info() }
                #expect(info.role == .primary)
            }
        }
    }

    @Test(arguments: ["HTTP/1.1 400 Bad Request\r\n\r\n", "\u{15}\u{3}\u{3}\0\u{2}\u{2}P", "SSH-2.0-OpenSSH_9.2\r\n"])
    func apeerThatIsNoRedisIsAProtocolViolation(_ greeting: String) async throws {
        try await withScriptedServer { connection, _ in
            _ = try await connection.read()
            try await connection.write(greeting)
            _ = try await connection.readToEnd()
        } body: { port in
            let failure = try await failure {
                try await withRedisConnection(RedisEndpoint(port: port)) { try await $0.info() }
            }
            #expect(failure.code == .protocolViolation)
            #expect(failure.hint?.contains("rediss://") == true)
        }
    }

    @Test(arguments: [
        ("-DENIED Redis is running in protected mode", Failure.Code.permissionDenied),
        ("-ERR max number of clients reached", .unreachable),
        ("-NOAUTH Authentication required.", .authenticationFailed),
    ])
    func aServerThatTurnsUsAwaySaysWhy(greeting: String, code: Failure.Code) async throws {
        try await withScriptedServer { connection, _ in
            // And whatever is said to it: the greeting may be taken for the answer to the first command.
            repeat {
                try await connection.write("\(greeting)\r\n")
            } while try await connection.read() != nil
        } body: { port in
            let failure = try await failure {
                try await withRedisConnection(RedisEndpoint(port: port)) { try await $0.info() }
            }
            #expect(failure.code == code)
            #expect(failure.hint != nil)
        }
    }

    @Test func waitingIsCancelledAtOnce() async throws {
        try await withScriptedServer { connection, _ in
            // Answers the name of the client, then nothing.
            _ = try await connection.read()
            try await connection.write("+OK\r\n")
            _ = try await connection.readToEnd()
        } body: { port in
            let endpoint = RedisEndpoint(port: port, noProgressSeconds: 600)
            let outcome = await withTaskGroup(of: Bool.self) { group in
                group.addTask {
                    do {
                        _ = try await withRedisConnection(endpoint) { try await $0.info() }
                        return false
                    } catch {
                        return error is CancellationError
                    }
                }
                try? await Task.sleep(for: .milliseconds(200))
                group.cancelAll()
                return await group.next() ?? false
            }
            #expect(outcome)
        }
    }

    @Test func aCancelledTaskDoesNotWaitForAConnection() async throws {
        // TEST-NET-1 (RFC 5737): packets to it are dropped, or answered as unreachable.
        let endpoint = RedisEndpoint(
            url: RedisURL(host: "192.0.2.1"),
            deadlines: RedisDeadlines(connectSeconds: 600, noProgressSeconds: 600)
        )
        let error = await withTaskGroup(of: (any Error)?.self) { group in
            group.addTask {
                do {
                    _ = try await withRedisConnection(endpoint) { try await $0.info() }
                    return nil
                } catch {
                    return error
                }
            }
            try? await Task.sleep(for: .milliseconds(100))
            group.cancelAll()
            return await group.next() ?? nil
        }
        #expect(error is CancellationError || (error as? Failure)?.code == .unreachable)
    }
}
