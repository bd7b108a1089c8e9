// SPDX-License-Identifier: Apache-2.0

// The real servers, stores and faults that the tests run against. Everything is a scope: it starts on free loopback
// ports, and is gone when the scope is left, in every way; even when the test process is killed with -9, a watchdog
// ends what it left (`Watchdog`). A part that is not installed throws `PartMissing`, which names the command that
// installs it; no test is skipped.
//
// Servers (RedisServer.swift, RedisOptions.swift)
//     withRedis(.redis70, .with { $0.appendOnly = true }) { server in
//         server.command("SET", "key", bytes)                 // words: String, [UInt8], Int; throws on an error reply
//         server.ask("BGSAVE").errorText                      // the reply may be an error
//         server.pipeline([["SET", "a", "1"], ["INCR", "a"]])
//         server.info("replication")["role"]
//         server.url, .port, .folder, .dumpFile, .log, .child.pid, .child.kill(SIGSTOP)
//         server.stop(save: true); server.kill(); server.start(); server.restart(save: true)
//     }
//     withReplicatedRedis(.valkey91, replicas: 2) { primary, replicas in }     // in sync when the body starts
//     primary.waitUntilSynchronized(replicas)
//
// Content (Dataset.swift)
//     Dataset.with { $0.scale = 10; $0.bigValueBytes = 100_000_000 }.load(into: server)
//     Dataset.small.load(into: server)
//     DatasetDigest(of: a) == DatasetDigest(of: b)            // content, expiries, groups, functions
//
// Faults (FaultProxy.swift, ScriptedServer.swift)
//     withFaultProxy(to: server.port) { proxy in
//         proxy.add(.reset(afterBytes: 1000), .toClient, on: .only(2))
//         // close, reset, stall, loseReply, delay, bandwidth, slices, flip; on: .all, .only, .first, .from
//         proxy.refuse(.first(2)); proxy.freeze(); proxy.clear(); proxy.resetAll()
//         proxy.port, .connections, .bytesToServer, .bytesToClient
//     }
//     withScriptedServer { connection, index in exact bytes } body: { port in }
//         // connection: read(upTo:), readLine, readExactly, read(through:), write, closeWriting, reset, close
//     withScriptedHTTP { request, number in raw response } body: { server in server.url, server.requests }
//     ByteChannel.connect(port:)                              // a raw client
//     withFreePort { port in }                                // nobody listens on that port
//
// Stores (S3Servers.swift, S3Service.swift); what is asked of `s3` goes through botocore
//     withSeaweedFS { s3 in }, withMoto { s3 in }, withRcloneS3 { s3 in }
//         let bucket = s3.makeBucket()
//         s3.endpoint, .accessKey, .secretKey, .region, .environment
//         s3.objects(in: bucket), .keys(in:), .uploads(in:), .get, .put, .delete
//         s3.call("head_object", ["Bucket": .text(bucket), "Key": "key"])["ContentLength"]?.int
//     S3Oracle.sign([S3Oracle.Unsigned(…)])                   // botocore's SigV4, of many requests at once
//
// SFTP (SFTPServers.swift): OpenSSH lets in with a key, rclone with a password
//     withOpenSSH { server in }, withRcloneSFTP { server in }
//         server.url(port: proxy.port, below: "/none", options: ["key-file": path]), .environment, .folder
//         server.material.userKey(.ed25519), .encryptedKey(.rsa), .strangeKey, .hostKeySHA256(.ecdsa)
//
// Kubernetes (KubernetesDouble.swift, KubernetesObjects.swift): plays an API server; its words are of a real 1.33
//     withKubernetesAPI { api in                              // tls: material, clientAuthority: path
//         api.addStatefulSet("redis", replicas: 3); api.addPod("redis-0", ip: "127.0.0.1", port: server.port)
//         api.changePod("redis-0") { $0.set("Pending", at: "status", "phase") }; api.deletePod("redis-0")
//         api.changeLease("redoubt-redis") { … }; api.lease("redoubt-redis"); api.events
//         api.kubeconfig(in: folder); api.serviceAccountFolder(in: folder); api.rotateToken()
//         api.forbid(verb: "list", resource: "pods"); api.limitPages(to: 1); api.forgetHistory(); api.sendBookmark()
//         api.inject(.status(429, retryAfter: 1), on: "GET /api/v1/namespaces/default/pods", times: 2)
//         // status, page, reset, lostAnswer, truncatedBody, truncatedJSON, dropWatch, endWatch, failWatch
//         api.verbsUsed, .uses, .requests, .watchCount
//     }
//
// The program (Redoubt.swift)
//     Redoubt.run("list", "--from", url, environment: s3.environment)
//         // code, signal, output, errors, wallSeconds, cpuSeconds, peakMemoryBytes, survivors
//     Redoubt.withRunning(words) { process in process.kill(SIGTERM); Redoubt.outcome(of: process) }
//
// The rest
//     withProcess(path, words) { child in child.output.text }
//     run(path, words)                                        // to its end, gives standard output
//     withTemporaryFolder { url in }
//     TLSMaterial.shared().flawed(.expired)                   // paths of PEM files
//     Parts.redisCheckRDB(), Parts.zstd() …                   // paths of programs
//     Shared(0).change { $0 += 1 }                            // a variable that tasks share
//     eventually("what", withinSeconds: 10) { answer or nil } // waits for what does not tell when it happens
//
// A closure whose only `try` stands inside `#expect` does not compile ("errors thrown from here are not handled"): take
// the value first.
