// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// The way to a store as the program takes it: deadlines, retries, rates, proxies, names and TLS.
struct StoreWayTests {
    private static let keys = ["AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "yyyyyyyy"]

    private static func list(
        _ endpoint: String,
        _ more: String...,
        environment: [String: String] = [:]
    ) async throws -> Redoubt.Outcome {
        try await Redoubt.run(
            ["list", "--from", "s3://bucket/p", "--endpoint-url", endpoint] + more,
            environment: keys.merging(environment) { $1 }
        )
    }

    // MARK: Deadlines and retries

    @Test func aServerThatNeverAnswersIsGivenUp() async throws {
        try await withScriptedServer { connection, _ in
            while try await connection.readRequest() != nil {}
        } body: { port in
            let outcome = try await Self.list("http://127.0.0.1:\(port)", "--store-timeout", "1", "--retries", "2")
            #expect(outcome.code == 5, "\(outcome.errors)")
            for text in ["nothing moved for 1 s", "after 2 tries", "sent again retries=1"] {
                #expect(outcome.errors.contains(text), "\(outcome.errors)")
            }
        }
    }

    @Test func theRetriesOfARunAreCountedAndLimited() async throws {
        let page = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
        try await withScriptedHTTP { _, number in
            ScriptedHTTP.response(number <= 2 ? "503 Slow Down" : "200 OK", body: number <= 2 ? "" : page)
        } body: { server in
            let outcome = try await Self.list(server.url)
            #expect(outcome.code == 0 && outcome.errors.contains("sent again retries=2"), "\(outcome.errors)")
        }
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("503 Slow Down")
        } body: { server in
            let outcome = try await Self.list(server.url, environment: ["REDOUBT_RETRY_BUDGET": "1"])
            #expect(outcome.code == 5, "\(outcome.errors)")
            #expect(outcome.errors.contains("after 2 tries, and the retries of this run are used up"))
            #expect(server.requests.count == 2)
            let once = try await Self.list(server.url, "--retries", "1")
            #expect(once.code == 5 && once.errors.contains("after 1 try"), "\(once.errors)")
            #expect(server.requests.count == 3)
        }
    }

    // MARK: Names (fault 61)

    @Test func aNameThatIsNotThereIsNamed() async throws {
        let outcome = try await Self.list("http://nowhere.invalid:9", "--retries", "2")
        #expect(outcome.code == 5)
        #expect(outcome.errors.contains("resolve host: nowhere.invalid"), "\(outcome.errors)")
        #expect(outcome.errors.contains("hint: Check the host and the port"), "\(outcome.errors)")
        #expect(outcome.errors.contains("after 2 tries"), "\(outcome.errors)")
    }

    /// The file that names are looked up in first opens after six seconds.
    @Test func aNameThatTakesTooLongIsGivenUp() async throws {
        let tracing = ["-f", "-o", "/dev/null", "-P", "/etc/hosts", "-e", "trace=openat"]
        let delay = ["-e", "inject=openat:delay_enter=6000000"]
        let words = ["list", "--from", "s3://bucket/p", "--endpoint-url", "http://slow.invalid:9"]
        let limits = ["--store-timeout", "1", "--retries", "2"]
        let arguments = tracing + delay + [try Redoubt.executable()] + words + limits
        let environment = ChildProcess.plainEnvironment.merging(Self.keys) { $1 }
        try await withProcess(Parts.strace(), arguments, environment: environment) { process in
            let exit = try await process.waitUntilExit(withinSeconds: 100)
            let text = process.output.text
            #expect(exit.status == .exited(5), "\(text)")
            #expect(text.contains("Resolving timed out after 1") && text.contains("after 2 tries"), "\(text)")
        }
    }

    /// Nobody listens on the address of IPv6 that the name has too.
    @Test func theFirstAddressOfANameMayBeDead() async throws {
        try await withRcloneS3 { s3 in
            let bucket = try await s3.makeBucket()
            try await withTemporaryFolder { folder in
                let hosts = folder.appendingPathComponent("hosts")
                try Data("::1 store.test\n127.0.0.1 store.test\n".utf8).write(to: hosts)
                let outcome = try await Redoubt.run(
                    "list",
                    "--from",
                    "s3://\(bucket)/p",
                    "--endpoint-url",
                    "http://store.test:\(s3.port)",
                    environment: s3.environment.merging([
                        "LD_PRELOAD": try Parts.hostsWrapper(), "NSS_WRAPPER_HOSTS": hosts.path,
                    ]) { $1 }
                )
                #expect(outcome.code == 0, "\(outcome.errors)")
            }
        }
    }

    // MARK: Proxies

    @Test func aStoreIsReachedThroughTheProxyThatIsNamed() async throws {
        let page = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("200 OK", body: page)
        } body: { proxy in
            let address = "http://proxyuser:proxyword@127.0.0.1:\(proxy.port)"
            let store = "http://store.invalid"
            // Named, it is used whatever the environment says.
            let named = try await Self.list(store, "--proxy", address, environment: ["no_proxy": "*"])
            #expect(named.code == 0, "\(named.errors)")
            let ambient = try await Self.list(store, environment: ["http_proxy": address])
            #expect(ambient.code == 0, "\(ambient.errors)")
            // One listing each.
            #expect(proxy.requests.count == 2)
            for request in proxy.requests {
                #expect(request.target.hasPrefix("http://store.invalid/bucket?"))
                #expect(request.headers["proxy-authorization"] == "Basic cHJveHl1c2VyOnByb3h5d29yZA==")
            }
            let without = ["http_proxy": address, "no_proxy": "other.invalid,store.invalid"]
            let direct = try await Self.list(store, "--retries", "1", environment: without)
            #expect(direct.code == 5)
            #expect(proxy.requests.count == 2)
        }
    }

    @Test func thePasswordOfTheProxyIsNotShown() async throws {
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("407 Proxy Authentication Required")
        } body: { proxy in
            let address = "http://proxyuser:proxyword@127.0.0.1:\(proxy.port)"
            for endpoint in ["http://store.invalid", "https://store.invalid"] {
                let outcome = try await Self.list(endpoint, "--proxy", address, "--retries", "1", "--verbose")
                #expect(outcome.code == 7, "\(outcome.errors)")
                #expect(!outcome.errors.contains("proxyword"), "\(outcome.errors)")
            }
        }
        for wrong in ["proxyuser:proxyword@127.0.0.1:1", "ftp://proxyuser:proxyword@127.0.0.1:1"] {
            let outcome = try await Self.list("http://store.invalid", "--proxy", wrong)
            #expect(outcome.code == 64)
            #expect(!outcome.errors.contains("proxyword"), "\(outcome.errors)")
        }
    }

    // MARK: TLS

    private static func withSecureStore(
        _ material: TLSMaterial,
        asksWho: Bool = false,
        _ body: (_ list: ([String]) async throws -> Redoubt.Outcome) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let bucket = folder.appendingPathComponent("bucket")
            try FileManager.default.createDirectory(at: bucket, withIntermediateDirectories: false)
            try await withRcloneS3(folder: folder, tls: material, asksWho: asksWho) { s3 in
                try await body { more in
                    let words = ["list", "--from", "s3://bucket/p", "--retries", "2"] + more
                    return try await Redoubt.run(words, environment: s3.environment)
                }
            }
        }
    }

    @Test func aStoreMustShowTheKeyThatIsPinned() async throws {
        let material = try await TLSMaterial.shared()
        let (right, wrong) = (try await material.serverKeyPin(), "sha256//\(String(repeating: "A", count: 43))=")
        try await Self.withSecureStore(material) { list in
            for trust in [["--ca-bundle", material.authority], ["--store-insecure"]] {
                let good = try await list(trust + ["--store-pin", "\(wrong);\(right)"])
                #expect(good.code == 0, "\(good.errors)")
                let bad = try await list(trust + ["--store-pin", wrong])
                #expect(bad.code == 7, "\(bad.errors)")
                #expect(bad.errors.contains("another key than the one that is pinned, \(wrong)"), "\(bad.errors)")
                #expect(!bad.errors.contains("trying again"))
            }
            let unknown = try await list(["--store-pin", right])
            #expect(unknown.code == 7, "\(unknown.errors)")
            let noPin = try await list(["--store-pin", "/etc/hosts"])
            #expect(noPin.code == 64, "\(noPin.errors)")
        }
        let plain = try await Self.list("http://127.0.0.1:9", "--store-pin", right)
        #expect(plain.code == 7 && plain.errors.contains("without TLS"), "\(plain.errors)")
    }

    /// What went wrong on the way is said together with what to type.
    @Test func whatToTypeIsSaid() async throws {
        let material = try await TLSMaterial.shared()
        try await Self.withSecureStore(material) { list in
            let stranger = try await list([])
            #expect(stranger.code == 7 && stranger.errors.contains("--ca-bundle FILE"), "\(stranger.errors)")
            let absent = try await list(["--ca-bundle", "/no-such-file.pem"])
            #expect(absent.code == 7 && absent.errors.contains("Check the file of --ca-bundle"), "\(absent.errors)")
        }
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("400 Bad Request", body: "this is no S3")
        } body: { server in
            let foreign = try await Self.list(server.url)
            #expect(foreign.code == 7 && foreign.errors.contains("one of S3"), "\(foreign.errors)")
        }
        // It answers whatever it hears, as a server without TLS does to the first words of TLS.
        try await withScriptedServer { connection, _ in
            guard try await connection.read(upTo: 1) != nil else { return }
            try await connection.write("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        } body: { port in
            let secure = try await Self.list("https://127.0.0.1:\(port)", "--retries", "1")
            #expect(secure.code == 7 && secure.errors.contains("No TLS is spoken"), "\(secure.errors)")
        }
    }

    @Test(arguments: TLSMaterial.Flaw.allCases)
    func aCertificateThatIsNotGoodIsPermanent(flaw: TLSMaterial.Flaw) async throws {
        let material = try await TLSMaterial.shared().flawed(flaw)
        try await Self.withSecureStore(material) { list in
            let outcome = try await list(["--ca-bundle", material.authority])
            #expect(outcome.code == 7, "\(outcome.errors)")
            #expect(outcome.errors.contains("[tls-failed]") && !outcome.errors.contains("trying again"))
        }
    }

    @Test func aStoreMayAskWhoWeAre() async throws {
        let material = try await TLSMaterial.shared()
        try await Self.withSecureStore(material, asksWho: true) { list in
            let trust = ["--ca-bundle", material.authority]
            let known = try await list(
                trust + ["--store-cert", material.clientCertificate, "--store-key", material.clientKey]
            )
            #expect(known.code == 0, "\(known.errors)")
            // The server may be gone before it is heard why.
            let unknown = try await list(trust)
            #expect(unknown.code == 7 || unknown.code == 5, "\(unknown.errors)")
            let half = try await list(trust + ["--store-cert", material.clientCertificate])
            #expect(half.code == 64)
            let missing = try await list(trust + ["--store-cert", "/nonexistent.pem", "--store-key", "/nonexistent"])
            #expect(missing.code == 7, "\(missing.errors)")
        }
    }

    // MARK: Rates

    @Test func aBackupGoesNoFasterThanItMay() async throws {
        try await withSeaweedFS { s3 in
            let store = try await TestedStore.bucket(s3)
            try await withRedis(.redis70) { redis in
                let value = (0..<2_000_000).map { _ in UInt8.random(in: 0...255) }
                try await redis.command("SET", "key", value)
                let backup = try await store.redoubt(
                    "backup",
                    "--endpoint",
                    redis.url,
                    "--to",
                    store.url,
                    "--bwlimit",
                    "1500Ki:off",
                    "--compression",
                    "none"
                )
                #expect(backup.code == 0, "\(backup.errors)")
                #expect(backup.wallSeconds >= 2_000_000.0 / (1500 * 1024) - 0.15, "\(backup.wallSeconds)")
            }
        }
    }
}
