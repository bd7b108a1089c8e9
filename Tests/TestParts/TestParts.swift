// SPDX-License-Identifier: Apache-2.0

// The real servers, stores and faults that the tests run against. Everything is a scope: it starts on free loopback ports, and is gone
// when the scope is left, in every way; even when the test process is killed with -9, a watchdog ends what it left (`Watchdog`).
// A part that is not installed throws `PartMissing`, which names the command that installs it; no test is skipped.
//
//     withRedis(.redis70, .with { $0.appendOnly = true }) { server in          RedisServer.swift, RedisOptions.swift
//         try await server.command("SET", "key", bytes)                        words: String, [UInt8], Int; throws on an error reply
//         try await server.ask("BGSAVE").errorText                             the reply may be an error
//         try await server.pipeline([["SET", "a", "1"], ["INCR", "a"]])        many at once
//         server.url, .port, .folder, .dumpFile, .log, .child.pid, .child.kill(SIGSTOP)
//         try await server.info("replication")["role"]
//         try await server.stop(save: true); server.kill(); server.start(); server.restart(save:)
//     }
//     withReplicatedRedis(.valkey91, replicas: 2) { primary, replicas in … }   in sync when the body starts
//     primary.waitUntilSynchronized(replicas)
//
//     withProcess(path, arguments) { child in child.output.text … }            ChildProcess.swift
//     run(path, arguments)                                                     to its end, gives standard output
//     withTemporaryFolder { url in … }        withFreePort { port in … }       nobody listens on that port
//     TLSMaterial.shared()                    .flawed(.expired)                paths of PEM files
//     Parts.redisCheckRDB(), Parts.zstd() …                                    paths of programs
//     eventually("what", withinSeconds: 10) { try await … ? value : nil }      waiting for what does not tell when it happens
