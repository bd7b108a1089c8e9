// SPDX-License-Identifier: Apache-2.0

import Failures
import ObjectStorage
import TestParts
import Testing

/// Where sources of credentials are, and what of it is refused before anybody is asked.
@Suite struct CredentialSettingsTests {
    private static func settings(_ environment: [String: String], store: String = "s3://bucket") throws -> S3Settings {
        guard case .bucket(let location) = try StoreLocation(parsing: store) else { throw Failure(.usage, "no bucket") }
        return try S3Settings(location, StoreConfiguration(environment: environment))
    }

    // MARK: The security token service

    @Test(arguments: [
        ([:], "https://sts.amazonaws.com/"),
        (["AWS_REGION": "eu-west-1"], "https://sts.eu-west-1.amazonaws.com/"),
        (["AWS_DEFAULT_REGION": "us-east-1"], "https://sts.us-east-1.amazonaws.com/"),
        (["AWS_REGION": "cn-north-1"], "https://sts.cn-north-1.amazonaws.com.cn/"),
        (["AWS_REGION": "eu-west-1", "AWS_STS_REGIONAL_ENDPOINTS": "legacy"], "https://sts.amazonaws.com/"),
        (
            ["AWS_REGION": "eu-south-1", "AWS_STS_REGIONAL_ENDPOINTS": "legacy"],
            "https://sts.eu-south-1.amazonaws.com/"
        ),
        (["AWS_REGION": "us-east-2", "AWS_USE_FIPS_ENDPOINT": "true"], "https://sts-fips.us-east-2.amazonaws.com/"),
        (["AWS_REGION": "us-east-2", "AWS_USE_DUALSTACK_ENDPOINT": "true"], "https://sts.us-east-2.api.aws/"),
        (["AWS_ENDPOINT_URL": "http://127.0.0.1:9000"], "http://127.0.0.1:9000/"),
        (["AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_STS": "https://b/sts"], "https://b/sts"),
        (
            ["AWS_ENDPOINT_URL_STS": "https://b", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"],
            "https://sts.amazonaws.com/"
        ),
    ])
    func tokensAreChangedAt(_ environment: [String: String], _ url: String) throws {
        #expect(try Self.settings(environment).tokenService.url == url)
    }

    /// The region of a store of AWS is one that the token service has too; that of another store need not be.
    @Test func regionOfTheStoreServesIfItIsOneOfAWS() throws {
        let aws = try Self.settings([:], store: "s3://bucket?region=eu-west-1")
        #expect(aws.tokenService.url == "https://sts.eu-west-1.amazonaws.com/")
        let other = try Self.settings([:], store: "s3://bucket?region=garage&endpoint-url=http://127.0.0.1:3900")
        #expect(other.tokenService.url == "https://sts.amazonaws.com/")
    }

    @Test(arguments: [
        ["AWS_ENDPOINT_URL_STS": "ftp://a"], ["AWS_ENDPOINT_URL_STS": "https://hush@a"],
        ["AWS_ENDPOINT_URL_STS": "https://a?hush"], ["AWS_ENDPOINT_URL_STS": "https://"],
        ["AWS_ENDPOINT_URL_STS": "https://a\r\nhush: 1"], ["AWS_STS_REGIONAL_ENDPOINTS": "hush"],
        ["AWS_EC2_METADATA_SERVICE_ENDPOINT": "file:///hush"],
        ["AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://a/\nhush"],
        ["AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://hush@a"],
        ["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "hush"], ["AWS_METADATA_SERVICE_TIMEOUT": "hush"],
        ["AWS_METADATA_SERVICE_NUM_ATTEMPTS": "-1"],
    ])
    func oddSettingsAreRefused(_ environment: [String: String]) throws {
        let failure = try #require(throws: Failure.self) { try Self.settings(environment) }
        #expect(failure.code == .configuration)
        #expect(!failure.shown.contains("hush"), "\(failure.shown)")
    }

    // MARK: Containers

    @Test(arguments: [
        "http://127.0.0.1/", "http://127.255.0.9:81/x?y=z", "http://localhost/a", "http://[::1]:8080/x",
        "http://169.254.170.2/v2", "http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/v1/credentials",
        "HTTP://LOCALHOST/a", "https://credentials.example:8443/x",
    ])
    func containerMayBeAskedAt(_ url: String) throws {
        let endpoint = try ContainerEndpoint(environment: ["AWS_CONTAINER_CREDENTIALS_FULL_URI": url])
        #expect(endpoint?.url == url)
    }

    /// The token would be sent to anybody (F55).
    @Test(arguments: [
        "http://10.0.0.1/", "http://example.com/", "http://169.254.169.254/", "http://127.0.0.1@example.com/",
        "http://127.0.0.1:80@example.com/", "http://example.com#@127.0.0.1/", "http://example.com?127.0.0.1",
        "http://127.0.0.1.example.com/", "http://127.1/", "http://0177.0.0.1/", "http://2130706433/",
        "http://[::ffff:10.0.0.1]/", "http://[::1", "http://[::1]x/", "http://localhost\\@example.com/",
        "http://local host/", "http://127.0.0.1\r\nX: y/", "ftp://127.0.0.1/", "127.0.0.1", "http://", "http:///x",
        "http://127.0.0.1:x/", "http://127.0.0.256/", "http://１２７.0.0.1/",
    ])
    func containerIsNotAskedAt(_ url: String) {
        let failure = #expect(throws: Failure.self) {
            try ContainerEndpoint(environment: ["AWS_CONTAINER_CREDENTIALS_FULL_URI": url])
        }
        #expect(failure?.code == .configuration)
    }

    @Test(arguments: ["@example.com/", "v2/x", "", "/a b", "/a\r\nb", "//\\x"])
    func relativePathMustBeOne(_ path: String) {
        #expect(throws: Failure.self) {
            try ContainerEndpoint(environment: ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": path])
        }
    }

    @Test func relativePathIsThatOfECS() throws {
        let endpoint = try ContainerEndpoint(environment: [
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/x", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://a/",
        ])
        #expect(endpoint?.url == "http://169.254.170.2/v2/x")
        #expect(try ContainerEndpoint(environment: [:]) == nil)
    }

    // MARK: The machine

    @Test(arguments: [
        ([:], "http://169.254.169.254"),
        (["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"], "http://[fd00:ec2::254]"),
        (["AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1338/"], "http://127.0.0.1:1338"),
        (["AWS_EC2_METADATA_DISABLED": "TRUE"], nil),
    ])
    func machineIsAskedAt(_ environment: [String: String], _ endpoint: String?) throws {
        guard case .instance(let metadata) = try Self.settings(environment).origin else {
            Issue.record("another origin")
            return
        }
        #expect(metadata.endpoint == endpoint)
    }

    // MARK: Times

    @Test(arguments: [
        ("2026-11-25T00:00:00Z", TurnedClock.start), ("2026-11-25T00:00:00.123Z", TurnedClock.start),
        ("2026-11-25T01:30:00+01:30", TurnedClock.start), ("2026-11-24T19:00:00-05:00", TurnedClock.start),
        ("2026-11-25T00:00:00.5+00:00", TurnedClock.start), ("2026-11-25", nil), ("2026-11-25T00:00:00", nil),
        ("2026-11-25T00:00:00+1", nil), ("2026-11-25T00:00:00+99:00", nil), ("2026-11-25T00:00:00+0a:00", nil),
        ("", nil), ("-", nil), ("T+00:00", nil), ("1795564800", nil),
    ])
    func timesAreUnderstood(_ text: String, _ seconds: Int64?) {
        #expect(Expiration.seconds(text) == seconds)
    }
}
