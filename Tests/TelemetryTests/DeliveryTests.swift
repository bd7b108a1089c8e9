// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport
import Telemetry
import TestParts
import Testing

/// What goes out to whom, and that nobody is waited for who does not answer.
@Suite(.timeLimit(.minutes(1))) struct DeliveryTests {
    private static func url(_ text: String) throws -> DeliveryURL { try #require(DeliveryURL(text)) }

    @Test func whatIsNoURLIsRefused() {
        for text in ["", "host", "ftp://host/", "http://", "http:///path", "https://:80", "http://a b/", "file:///x"] {
            #expect(DeliveryURL(text) == nil, "\(text)")
        }
    }

    @Test func noPathIsShownAndNoPasswordSent() throws {
        let url = try Self.url("https://user:p%40ss@hc.example:8000/secret-path?create=1#part")
        #expect(url.place == "https://hc.example:8000" && url.password == "p@ss")
        #expect(url.appending(["start"], query: "rid=1") == "https://hc.example:8000/secret-path/start?create=1&rid=1")
        #expect(url.authorization.map(\.value) == ["Basic dXNlcjpwQHNz"])
        #expect(try Self.url("HTTP://host").appending([]) == "http://host/")
        #expect(try Self.url("http://host?x=1").appending(["7"]) == "http://host/7?x=1")
    }

    @Test func eachSubjectHasAGroupOfItsOwn() throws {
        let family = MetricFamily("redoubt_x", "X.")
        let samples = ["a/b", "plain", ""].map { MetricSample(family, labels: [MetricLabel("name", $0)], 1) }
        let requests = Pushgateway(try Self.url("http://host:9091/")).requests(samples)
        #expect(
            requests.map(\.url) == [
                "http://host:9091/metrics/job/redoubt", "http://host:9091/metrics/job/redoubt/name@base64/YS9i",
                "http://host:9091/metrics/job/redoubt/name/plain",
            ]
        )
        #expect(requests.allSatisfy { $0.method == "POST" })
        let grouped = Pushgateway(try Self.url("http://host/metrics/job/own/cluster/x")).requests(samples)
        #expect(grouped[2].url == "http://host/metrics/job/own/cluster/x/name/plain")
        #expect(Pushgateway.label("name", "") == ["name@base64", "="])
        #expect(Pushgateway.label("name", "ü b") == ["name", "%C3%BC%20b"])
    }

    @Test func aPingSaysHowItEnded() throws {
        let ping = HealthPing(try Self.url("http://host/uuid"), runID: "r1")
        #expect(ping.started().url == "http://host/uuid/start?rid=r1")
        #expect(ping.ended(exitCode: 0, "good").url == "http://host/uuid?rid=r1")
        let failed = ping.ended(exitCode: 4, String(repeating: "x", count: 200_000))
        #expect(failed.url == "http://host/uuid/4?rid=r1" && failed.body.count == 100_000)
    }

    /// By openssl: printf '1795000000.{"a":1}' | openssl dgst -sha256 -hmac 'a secret'
    @Test func aWebhookIsSignedWithItsTime() async throws {
        let body = Array("{\"a\":1}".utf8)
        let request = Webhook(try Self.url("http://host/hook"), secret: Array("a secret".utf8))
            .request(body, runID: "r1", time: 1_795_000_000)
        let signature = request.headers.first { $0.name == "X-Redoubt-Signature" }?.value
        let foreign = try await run(
            Parts.openssl(),
            ["dgst", "-sha256", "-hmac", "a secret", "-r"],
            input: .bytes(Array("1795000000.".utf8) + body)
        )
        let digest = String(decoding: foreign, as: UTF8.self).prefix { $0 != " " }
        #expect(digest.count == 64 && signature == "v1=\(digest)")
        let unsigned = Webhook(try Self.url("http://host/hook"), secret: nil).request(body, runID: "r1", time: 1)
        #expect(!unsigned.headers.contains { $0.name == "X-Redoubt-Signature" })
    }

    private static func send(
        to url: String,
        within duration: Duration = .seconds(3)
    ) async throws -> (failure: Failure?, seconds: Double) {
        let begun = ContinuousClock.now
        let ping = HealthPing(try Self.url(url), runID: "r1")
        var failure: Failure?
        do {
            try await withHTTPClient { client in
                let delivery = Delivery(over: client, until: .now + duration)
                try await delivery.send(ping.ended(exitCode: 0, "good"), to: ping.place)
            }
        } catch let error as Failure {
            failure = error
        }
        return (failure, (ContinuousClock.now - begun) / .seconds(1))
    }

    @Test func whatPassesIsTriedTwiceAndTheRestOnce() async throws {
        for (answers, tries, code) in [
            (["503 X", "200 OK"], 2, nil), (["200 OK"], 1, nil), (["503 X", "503 X"], 2, .storeUnavailable),
            (["404 X"], 1, .permissionDenied), (["302 X"], 1, .configuration),
        ] as [([String], Int, Failure.Code?)] {
            try await withScriptedHTTP { _, number in
                ScriptedHTTP.response(answers[min(number, answers.count) - 1], headers: ["Location: http://host/"])
            } body: { server in
                let sent = try await Self.send(to: server.url + "/secret-path")
                #expect(sent.failure?.code == code && server.requests.count == tries, "\(answers)")
                #expect(sent.failure?.description.contains("secret-path") != true)
            }
        }
    }

    /// A server that takes a request and never answers, and a port where nobody listens.
    @Test func nobodyIsWaitedForLong() async throws {
        try await withScriptedServer { connection, _ in
            while try await connection.read(upTo: 1000) != nil {}
        } body: { port in
            let sent = try await Self.send(to: "http://127.0.0.1:\(port)/secret-path")
            #expect(sent.failure?.code == .timeout && sent.seconds < 4)
            #expect(sent.failure?.description.contains("secret-path") == false)
        }
        try await withFreePort { port in
            let sent = try await Self.send(to: "http://127.0.0.1:\(port)/secret-path")
            #expect(sent.failure?.code == .unreachable && sent.seconds < 2)
            #expect(sent.failure?.description.contains("secret-path") == false)
            #expect(sent.failure?.description.contains("nobody listens there") == true, "\(sent)")
        }
        // Too long a label for any name server to be asked.
        let place = "http://\(String(repeating: "a", count: 70)).invalid"
        let unknown = try await Self.send(to: "\(place)/secret-path")
        #expect(unknown.failure?.description == "tell \(place): its name does not resolve to an address")
    }
}
