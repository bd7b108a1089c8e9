// SPDX-License-Identifier: Apache-2.0

import Failures
import Foundation
import HTTPTransport
import ObjectStorage
import TestParts
import Testing

@Suite struct S3EndpointTests {
    private static func url(_ store: String, _ environment: [String: String] = [:]) throws -> String {
        guard case .bucket(let location) = try StoreLocation(parsing: store) else { return "no bucket" }
        let keys = ["AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"]
        let configuration = StoreConfiguration(environment: keys.merging(environment) { $1 })
        return try S3Settings(location, configuration).endpoint.url(key: "a b/ä", query: [("x", "1 2"), ("b", "")])
    }

    @Test(arguments: [
        ("s3://bucket", [:], "https://bucket.s3.us-east-1.amazonaws.com/"),
        ("s3://bucket", ["AWS_REGION": "eu-west-1"], "https://bucket.s3.eu-west-1.amazonaws.com/"),
        ("s3://bucket", ["AWS_DEFAULT_REGION": "cn-north-1"], "https://bucket.s3.cn-north-1.amazonaws.com.cn/"),
        ("s3://bucket?region=x-1", ["AWS_REGION": "eu-west-1"], "https://bucket.s3.x-1.amazonaws.com/"),
        ("s3://my.bucket", [:], "https://s3.us-east-1.amazonaws.com/my.bucket/"),
        ("s3://My_Bucket", [:], "https://s3.us-east-1.amazonaws.com/My_Bucket/"),
        ("s3://bucket?path-style=true", [:], "https://s3.us-east-1.amazonaws.com/bucket/"),
        (
            "s3://bucket", ["AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "TRUE"],
            "https://bucket.s3-fips.dualstack.us-east-1.amazonaws.com/"
        ),
        ("s3://bucket", ["AWS_ENDPOINT_URL": "http://127.0.0.1:9000/"], "http://127.0.0.1:9000/bucket/"),
        ("s3://bucket", ["AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3": "https://B:443"], "https://b/bucket/"),
        ("s3://bucket", ["AWS_ENDPOINT_URL": "https://host:8443/s3/x/"], "https://host:8443/s3/x/bucket/"),
        (
            "s3://bucket?path-style=false", ["AWS_ENDPOINT_URL": "https://fra1.spaces.example"],
            "https://bucket.fra1.spaces.example/"
        ),
        ("s3://bucket?endpoint-url=http://[::1]:80", ["AWS_ENDPOINT_URL": "http://a"], "http://[::1]/bucket/"),
        (
            "s3://bucket", ["AWS_ENDPOINT_URL": "http://a", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"],
            "https://bucket.s3.us-east-1.amazonaws.com/"
        ),
    ])
    func requestsGoTo(_ store: String, _ environment: [String: String], _ start: String) throws {
        #expect(try Self.url(store, environment) == start + "a%20b/%C3%A4?b=&x=1%202")
    }

    @Test(arguments: [
        "127.0.0.1:9000", "ftp://host", "http://", "http:///a", "http://user:hush@host", "http://ho st",
        "http://host?a=b",
        "http://host/a b",
    ])
    func otherEndpointsAreRefused(_ endpoint: String) throws {
        let failure = try #require(throws: Failure.self) {
            try Self.url("s3://bucket", ["AWS_ENDPOINT_URL_S3": endpoint])
        }
        #expect(failure.code == .configuration)
        #expect(!"\(failure) \(failure.hint ?? "")".contains("hush"))
    }

    @Test func bucketCannotStandBeforeAnAddress() {
        for address in ["http://127.0.0.1:9000", "http://[::1]:9000"] {
            #expect(throws: Failure.self) {
                try Self.url("s3://bucket?path-style=false", ["AWS_ENDPOINT_URL_S3": address])
            }
        }
    }

    @Test(arguments: ["eu.west", "a/b", "a b", "", "é"])
    func oddRegionIsRefused(_ region: String) {
        #expect(throws: Failure.self) { try Self.url("s3://bucket?region=\(PercentEncoding.component(region))") }
    }

    @Test func attemptsComeFromTheEnvironment() throws {
        guard case .bucket(let location) = try StoreLocation(parsing: "s3://b") else { return }
        func attempts(_ text: String?) throws -> Int {
            var environment = ["AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"]
            environment["AWS_MAX_ATTEMPTS"] = text
            return try S3Settings(location, StoreConfiguration(environment: environment)).attemptsMax
        }
        #expect(try attempts(nil) == 8)
        #expect(try attempts("3") == 3)
        for text in ["0", "-1", "x", "1000"] { #expect(throws: Failure.self) { try attempts(text) } }
    }
}

@Suite struct CredentialsTests {
    /// A home folder with files of the AWS tools.
    private static func settings(
        credentials: String? = nil,
        config: String? = nil,
        environment: [String: String] = [:],
        profile: String? = nil,
        store: String = "s3://bucket"
    ) async throws -> S3Settings {
        try await withTemporaryFolder { home in
            let folder = home.appendingPathComponent(".aws")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try credentials?.write(to: folder.appendingPathComponent("credentials"), atomically: false, encoding: .utf8)
            try config?.write(to: folder.appendingPathComponent("config"), atomically: false, encoding: .utf8)
            guard case .bucket(let location) = try StoreLocation(parsing: store) else {
                throw Failure(.usage, "no bucket")
            }
            var configuration = StoreConfiguration(environment: environment.merging(["HOME": home.path]) { $1 })
            configuration.profile = profile
            return try S3Settings(location, configuration)
        }
    }

    private static let keys = ["AWS_ACCESS_KEY_ID": "env-id", "AWS_SECRET_ACCESS_KEY": "env-secret"]
    private static let files = """
        # comment
        [default]
        aws_access_key_id = file-id
        aws_secret_access_key=file/secret+=
        [ other ]
        aws_access_key_id=other-id
        aws_secret_access_key=other-secret   # a comment
        aws_session_token = other#token
        """

    @Test func environmentWinsOverTheFiles() async throws {
        let found = try await Self.settings(credentials: Self.files, environment: Self.keys)
        let keys = AWSCredentials(accessKeyID: "env-id", secretAccessKey: "env-secret")
        #expect(found.origin == .keys(keys, .environment))
        let withToken = try await Self.settings(
            environment: Self.keys.merging(["AWS_SESSION_TOKEN": "token", "AWS_PROFILE": ""]) { $1 }
        )
        #expect(withToken.keys?.sessionToken == "token")
    }

    @Test func filesAreRead() async throws {
        let found = try await Self.settings(credentials: Self.files)
        #expect(found.keys == AWSCredentials(accessKeyID: "file-id", secretAccessKey: "file/secret+="))
    }

    @Test func profileIsChosenByEnvironmentFlagAndURL() async throws {
        let other = AWSCredentials(
            accessKeyID: "other-id",
            secretAccessKey: "other-secret",
            sessionToken: "other#token"
        )
        let byVariable = try await Self.settings(credentials: Self.files, environment: ["AWS_PROFILE": "other"])
        #expect(byVariable.keys == other)
        // Named by the command, a profile wins over keys in the environment; named by the environment it does not.
        let byFlag = try await Self.settings(credentials: Self.files, environment: Self.keys, profile: "other")
        #expect(byFlag.keys == other)
        let byURL = try await Self.settings(
            credentials: Self.files,
            environment: Self.keys,
            profile: "default",
            store: "s3://bucket?profile=other"
        )
        #expect(byURL.keys == other)
        let both = try await Self.settings(
            credentials: Self.files,
            environment: Self.keys.merging(["AWS_PROFILE": "other"]) { $1 }
        )
        #expect(both.keys?.accessKeyID == "env-id")
    }

    @Test func profileSaysWhereToGo() async throws {
        let config = """
            [profile minio]
            region = eu-x-1
            services = local
            ca_bundle = /ca.pem
            aws_access_key_id = a
            aws_secret_access_key = b
            s3 =
                addressing_style = path
                max_concurrent_requests = 20
            [services local]
            s3 =
              endpoint_url = https://minio.example:9000
            ec2 =
              endpoint_url = https://no.example
            """
        let found = try await Self.settings(config: config, environment: ["AWS_PROFILE": "minio"])
        #expect(found.region == "eu-x-1" && found.caFile == "/ca.pem")
        #expect(found.endpoint.url(key: nil, query: []) == "https://minio.example:9000/bucket")
        #expect(found.keys == AWSCredentials(accessKeyID: "a", secretAccessKey: "b"))
    }

    struct Refused: Sendable {
        var credentials: String?
        var config: String?
        var environment: [String: String] = [:]
        let code: Failure.Code
        /// What the message or the hint names.
        let names: String
    }

    @Test(arguments: [
        Refused(environment: ["AWS_ACCESS_KEY_ID": "id"], code: .configuration, names: "AWS_SECRET_ACCESS_KEY"),
        Refused(environment: ["AWS_SECRET_ACCESS_KEY": "hush"], code: .configuration, names: "AWS_ACCESS_KEY_ID"),
        Refused(
            environment: ["AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "hush\n"],
            code: .configuration,
            names: "AWS_SECRET_ACCESS_KEY"
        ),
        Refused(credentials: files, environment: ["AWS_PROFILE": "none"], code: .configuration, names: "none"),
        Refused(
            credentials: "[default]\naws_access_key_id = id\n",
            code: .configuration,
            names: "aws_secret_access_key"
        ),
        Refused(credentials: "[default]\nnonsense hush\n", code: .configuration, names: "line 2"),
        Refused(credentials: "[default\n", code: .configuration, names: "line 1"),
        Refused(credentials: "a = b\n", code: .configuration, names: "line 1"),
        Refused(
            environment: ["AWS_SHARED_CREDENTIALS_FILE": "/nowhere/at/all"],
            code: .configuration,
            names: "AWS_SHARED_CREDENTIALS_FILE"
        ),
        Refused(environment: ["AWS_CONFIG_FILE": "/nowhere/at/all"], code: .configuration, names: "AWS_CONFIG_FILE"),
        Refused(
            credentials: files,
            config: "[default]\nservices = x\n",
            code: .configuration,
            names: "services x"
        ),
        Refused(
            credentials: files,
            config: "[default]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = nowhere\n",
            code: .configuration,
            names: "default"
        ),
        Refused(
            credentials: files,
            config: "[default]\nrole_arn = arn\nsource_profile = other\nmfa_serial = arn\n",
            code: .unsupported,
            names: "mfa_serial"
        ),
        Refused(
            credentials: files,
            config: "[default]\nrole_arn = arn\nsource_profile = other\nduration_seconds = 1\n",
            code: .configuration,
            names: "duration_seconds"
        ),
        Refused(
            credentials: files,
            config: "[default]\nrole_arn = arn\n",
            code: .configuration,
            names: "source_profile"
        ),
        Refused(
            config: "[default]\nrole_arn = arn\ncredential_source = Nonsense\n",
            code: .configuration,
            names: "Ec2InstanceMetadata"
        ),
        Refused(
            config: "[default]\nrole_arn = arn\ncredential_source = Environment\n",
            code: .configuration,
            names: "AWS_ACCESS_KEY_ID"
        ),
        Refused(
            config: "[default]\nrole_arn = arn\ncredential_source = EcsContainer\n",
            code: .configuration,
            names: "AWS_CONTAINER_CREDENTIALS"
        ),
        Refused(
            config:
                "[default]\nrole_arn = a\nsource_profile = b\n[profile b]\nrole_arn = b\nsource_profile = default\n",
            code: .configuration,
            names: "leads back"
        ),
        Refused(
            config: "[default]\nrole_arn = a\nsource_profile = b\n[profile b]\nregion = x\n",
            code: .configuration,
            names: "no credentials"
        ),
        Refused(
            credentials: files,
            environment: ["AWS_WEB_IDENTITY_TOKEN_FILE": "/token"],
            code: .configuration,
            names: "AWS_ROLE_ARN"
        ),
        Refused(
            credentials: files,
            environment: ["AWS_ROLE_ARN": "arn"],
            code: .configuration,
            names: "AWS_WEB_IDENTITY_TOKEN_FILE"
        ),
        Refused(
            credentials: files,
            config: "[default]\nsso_session = x\n",
            code: .unsupported,
            names: "export-credentials --profile default --format process"
        ),
        Refused(
            config: "[default]\nlogin_session = x\naws_access_key_id = a\naws_secret_access_key = b\n",
            code: .unsupported,
            names: "login_session"
        ),
        Refused(
            config: "[default]\ncredential_process = /bin/hush 'x\n",
            code: .configuration,
            names: "credential_process"
        ),
        Refused(config: "[default]\ncredential_process = \n", code: .configuration, names: "credential_process"),
        Refused(
            environment: ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.169.254/hush"],
            code: .configuration,
            names: "AWS_CONTAINER_CREDENTIALS_FULL_URI"
        ),
    ])
    func sourceThatCannotBeUsedIsAnError(_ refused: Refused) async throws {
        let failure = try await #require(throws: Failure.self) {
            try await Self.settings(
                credentials: refused.credentials,
                config: refused.config,
                environment: refused.environment
            )
        }
        #expect(failure.code == refused.code)
        let text = "\(failure) \(failure.hint ?? "")"
        #expect(text.contains(refused.names), "\(text)")
        #expect(!text.contains("hush") && !text.contains("file/secret"), "\(text)")
    }

    @Test func folderInThePlaceOfAFileIsAnError() async throws {
        let failure = try await #require(throws: Failure.self) {
            try await Self.settings(environment: ["AWS_CONFIG_FILE": "/"])
        }
        #expect(failure.code == .configuration)
    }

    @Test func garbageInTheFilesNeverTraps() {
        var random = SeededRandom(seed: 5)
        let pieces = ["[", "]", "=", "\n", "\r\n", " ", "\t", "#", ";", "a", "profile", "\"", "default", "s3", "ä"]
        var understood = 0
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 0...16, using: &random)).compactMap { _ in
                pieces.randomElement(using: &random)
            }
            if (try? AWSConfigFile(parsing: text.joined())) != nil { understood += 1 }
        }
        #expect(understood > 0)
    }
}

extension S3Settings {
    /// The keys that somebody wrote down.
    fileprivate var keys: AWSCredentials? {
        if case .keys(let keys, _) = origin { keys } else { nil }
    }
}
