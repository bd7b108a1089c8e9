// SPDX-License-Identifier: Apache-2.0

import Failures
import RedisProtocol
import Testing

@Suite struct RedisURLTests {
    struct Sample: Sendable, CustomTestStringConvertible {
        let text: String
        let url: RedisURL
        let description: String
        var testDescription: String { text }

        init(
            _ text: String,
            host: String,
            port: Int = 6379,
            tls: Bool = false,
            user: String? = nil,
            password: String? = nil,
            loneWord: Bool = false,
            database: Int? = nil,
            shows description: String
        ) {
            self.text = text
            url = RedisURL(
                address: .tcp(host: host, port: port),
                usesTLS: tls,
                user: user,
                password: password.map { Secret($0) },
                passwordIsLoneWord: loneWord,
                database: database
            )
            self.description = description
        }
    }

    static let samples: [Sample] = [
        Sample("redis://example", host: "example", shows: "redis://example:6379"),
        Sample("REDIS://example:7000/", host: "example", port: 7000, shows: "redis://example:7000"),
        Sample("rediss://a.b:1/15", host: "a.b", port: 1, tls: true, database: 15, shows: "rediss://a.b:1/15"),
        Sample("valkey://h", host: "h", shows: "redis://h:6379"),
        Sample("valkeys://h:65535", host: "h", port: 65535, tls: true, shows: "rediss://h:65535"),
        Sample("redis://pw@h", host: "h", password: "pw", loneWord: true, shows: "redis://***@h:6379"),
        Sample("redis://:pw@h", host: "h", password: "pw", shows: "redis://***@h:6379"),
        Sample("redis://u:pw@h", host: "h", user: "u", password: "pw", shows: "redis://***@h:6379"),
        Sample("redis://u:@h", host: "h", user: "u", password: "", shows: "redis://***@h:6379"),
        Sample("redis://@h", host: "h", shows: "redis://h:6379"),
        Sample("redis://u%3A:p%40%2F%25%3A@h", host: "h", user: "u:", password: "p@/%:", shows: "redis://***@h:6379"),
        Sample("redis://u:p@q:r@h:1", host: "h", port: 1, user: "u", password: "p@q:r", shows: "redis://***@h:1"),
        Sample("redis://[::1]:7001", host: "::1", port: 7001, shows: "redis://[::1]:7001"),
        Sample(
            "redis://u:p@[fe80::1%eth0]/2",
            host: "fe80::1%eth0",
            user: "u",
            password: "p",
            database: 2,
            shows: "redis://***@[fe80::1%eth0]:6379/2"
        ),
        Sample(
            "redis://redis-0.redis.prod.svc",
            host: "redis-0.redis.prod.svc",
            shows: "redis://redis-0.redis.prod.svc:6379"
        ),
    ]

    @Test(arguments: samples)
    func partsAreRead(_ sample: Sample) throws {
        let url = try RedisURL(sample.text)
        #expect(url == sample.url)
        #expect(url.description == sample.description)
        // The text it prints is read as the same place.
        #expect(try RedisURL(sample.description).address == url.address)
    }

    @Test(arguments: [
        ("unix:///run/redis.sock", "/run/redis.sock", nil as String?, nil as String?),
        ("redis+unix:///run/a%20b.sock", "/run/a b.sock", nil, nil),
        ("unix://u:p@/run/redis@home.sock", "/run/redis@home.sock", "u", "p"),
    ])
    func socketsAreRead(text: String, path: String, user: String?, password: String?) throws {
        let url = try RedisURL(text)
        #expect(url == RedisURL(address: .unix(path: path), user: user, password: password.map { Secret($0) }))
        #expect(url.authority == path)
        #expect(url.host == nil)
    }

    @Test(arguments: [
        "", "hunter2", "hunter2@host", "host:6379", "http://:hunter2@h", "redis://", "redis://:hunter2",
        "redis://:hunter2@",
        "redis://u:hunter2@:6379", "redis://u:hunter2@h:0", "redis://u:hunter2@h:65536", "redis://u:hunter2@h:+1",
        "redis://u:hunter2@h:x", "redis://u:hunter2@h/x", "redis://u:hunter2@h/1?x=1", "redis://u:hunter2/x@h",
        "redis://u:hunter2%zz@h", "redis://u:hunter2%f@h", "redis://u:hunter2%ff@h", "redis://u:hunter2@::1",
        "redis://u:hunter2@[::1", "redis://u:hunter2@[::1]x", "redis://u:hunter2@[h]:1", "redis://u:hunter2@h\r\nx",
        "redis://u:hunter2@h%00", "unix://u:hunter2@", "unix://u:hunter2@run/x", "unix://u:hunter2@/",
        "unix:///" + String(repeating: "x", count: 107),
    ])
    func whatIsNoURLIsRefusedWithoutQuotingIt(_ text: String) {
        let failure = #expect(throws: Failure.self) { try RedisURL(text) }
        #expect(failure?.code == .configuration)
        let output = "\(failure?.description ?? "") \(failure?.hint ?? "") \(String(reflecting: failure))"
        #expect(!output.contains("hunter2"))
    }

    /// A password from elsewhere makes the lone word a user; one that the URL gives as such stays.
    @Test(
        arguments: [
            ("redis://h", nil, "other"), ("redis://word@h", "word", "other"), ("unix://word@/s", "word", "other"),
            ("redis://:pw@h", nil, "pw"), ("redis://u:pw@h", "u", "pw"), ("redis://u:@h", "u", ""),
        ] as [(String, String?, String)]
    )
    func aLoneWordIsTheUserWhereAPasswordIsGivenElsewhere(text: String, user: String?, password: String) throws {
        let url = try RedisURL(text).takingPassword(Secret("other"))
        #expect(url.user == user && url.password?.value == password && !url.passwordIsLoneWord)
    }

    @Test(arguments: [("unix://", "unix:///"), ("unix://run/x", "unix:///"), ("redis://", "redis://host")])
    func theHintShowsTheFormOfTheScheme(text: String, shown: String) {
        let failure = #expect(throws: Failure.self) { try RedisURL(text) }
        #expect(failure?.hint?.contains(shown) == true)
    }

    @Test func secretsAreNeverPrinted() throws {
        let url = try RedisURL("redis://alice:s3cret@h")
        var dumped = ""
        dump(url, to: &dumped)
        dump(url.password, to: &dumped)
        for text in [
            dumped, "\(url)", String(reflecting: url), "\([url.password])",
            "\(Mirror(reflecting: url).children.map { $0 })",
        ] {
            #expect(!text.contains("s3cret"))
            #expect(!text.contains("alice"))
        }
        #expect(url.password?.value == "s3cret")
    }
}
