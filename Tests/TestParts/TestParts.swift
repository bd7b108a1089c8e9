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
//     Shared(0).change { $0 += 1 }                                             a variable that tasks share
//     eventually("what", withinSeconds: 10) { try await … ? value : nil }      waiting for what does not tell when it happens
//
//     Dataset.with { $0.scale = 10; $0.bigValueBytes = 100_000_000 }.load(into: server)    Dataset.small.load(into:)
//     try await DatasetDigest(of: a) == DatasetDigest(of: b)                   content, expiries, groups, functions
//
//     withFaultProxy(to: server.port) { proxy in                               FaultProxy.swift
//         proxy.add(.reset(afterBytes: 1000), .toClient, on: .only(2))         close, stall, delay, bandwidth, slices, flip
//         proxy.refuse(.first(2)); proxy.freeze(); proxy.clear(); proxy.resetAll()
//         proxy.port, .connections, .bytesToServer, .bytesToClient
//     }
//     withScriptedServer { connection, index in … } body: { port in … }        exact bytes: read(upTo:), readLine, readExactly,
//                                                                              read(through:), write, closeWriting, reset, close
//     withScriptedHTTP { request, number in raw bytes } body: { server in server.url, server.requests }
//     ByteChannel.connect(port:)                                               a raw client
//
//     withSeaweedFS { s3 in }   withMoto { s3 in }   withRcloneS3 { s3 in }    S3Servers.swift, S3Service.swift
//         let bucket = try await s3.makeBucket()                               s3.endpoint, .accessKey, .secretKey, .region, .environment
//         s3.objects(in: bucket), .keys(in:), .uploads(in:), .get, .put, .delete       through botocore
//         s3.call("head_object", ["Bucket": .text(bucket), "Key": "key"])["ContentLength"]?.int
//     S3Oracle.sign(method:url:headers:bodySHA256:time:…)                      the headers of botocore's SigV4
//
//     Redoubt.run("list", "--from", url, environment: s3.environment)          Redoubt.swift: code, output, errors, wallSeconds,
//                                                                              cpuSeconds, peakMemoryBytes, survivors
//     Redoubt.withRunning([…]) { process in process.kill(SIGTERM); try await Redoubt.outcome(of: process) }
//
// A closure whose only `try` stands inside `#expect` does not compile ("errors thrown from here are not handled"): take the value first.
