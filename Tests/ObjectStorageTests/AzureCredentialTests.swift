// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Foundation
import HTTPTransport
import ObjectStorage
import Synchronization
import TestParts
import Testing

/// Who we are to Azure: what is taken from the environment, and tokens that end.
@Suite struct AzureCredentialTests {
    private static let key64 = Data("hush-hush".utf8).base64EncodedString()

    private static func settings(_ url: String, _ environment: [String: String]) throws -> AzureSettings {
        guard case .container(let location) = try StoreLocation(parsing: url) else {
            throw Failure(.usage, "\(url) is no container")
        }
        return try AzureSettings(location, StoreConfiguration(environment: environment))
    }

    // MARK: Settings

    @Test(arguments: [
        ("azblob://cont", "cont", ""), ("azblob://cont/", "cont", ""), ("AZBLOB://c-1/a//b/", "c-1", "a/b"),
    ])
    func containerIsUnderstood(_ text: String, _ container: String, _ prefix: String) throws {
        guard case .container(let location) = try StoreLocation(parsing: text) else {
            Issue.record("\(text) is no container")
            return
        }
        #expect(location.container == container && location.prefix == prefix)
        #expect(try StoreLocation(parsing: "\(location)") == .container(location))
    }

    @Test(arguments: [
        "azblob://", "azblob://ab", "azblob://Cont", "azblob://key:hush@cont", "azblob://cont/..", "azblob://cont?x=1",
        "azblob://cont?tier=Archive", "azblob://cont?tags=a", "azblob://cont?tags=a%3D%3F", "azblob://cont?account=",
        "azblob://cont?encryption-scope=a_b", "azblob://-cont",
    ])
    func anythingElseIsAMistakeOfUsage(_ text: String) throws {
        let failure = try #require(throws: Failure.self) { try StoreLocation(parsing: text) }
        #expect(failure.code == .usage && !failure.message.contains("hush"))
    }

    @Test(
        arguments: [
            ("azblob://cont?account=acct", [:], "https://acct.blob.core.windows.net/cont/k"),
            ("azblob://cont", ["AZURE_STORAGE_ACCOUNT": "acct"], "https://acct.blob.core.windows.net/cont/k"),
            (
                "azblob://cont?account=other&endpoint-suffix=core.chinacloudapi.cn", ["AZURE_STORAGE_ACCOUNT": "acct"],
                "https://other.blob.core.chinacloudapi.cn/cont/k"
            ),
            (
                "azblob://cont?account=acct", ["AZURE_STORAGE_ENDPOINT_SUFFIX": "core.usgovcloudapi.net"],
                "https://acct.blob.core.usgovcloudapi.net/cont/k"
            ),
            (
                "azblob://cont?account=acct", ["AZURE_STORAGE_BLOB_ENDPOINT": "https://backups.example:8443/"],
                "https://backups.example:8443/cont/k"
            ),
            (
                "azblob://cont?account=acct&endpoint-url=http://127.0.0.1:10000", [:],
                "http://127.0.0.1:10000/acct/cont/k"
            ),
            (
                "azblob://cont?account=acct&endpoint-url=http://azurite:10000/acct", [:],
                "http://azurite:10000/acct/cont/k"
            ),
        ] as [(String, [String: String], String)]
    )
    func endpointIsFound(_ url: String, _ environment: [String: String], _ expected: String) throws {
        let settings = try Self.settings(url, environment.merging(["AZURE_STORAGE_KEY": Self.key64]) { $1 })
        #expect(settings.endpoint.url(key: "k", query: []) == expected)
    }

    @Test func connectionStringTellsAll() throws {
        let text =
            "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=\(Self.key64);"
            + "EndpointSuffix=core.chinacloudapi.cn"
        let settings = try Self.settings("azblob://cont", ["AZURE_STORAGE_CONNECTION_STRING": text])
        #expect(settings.account == "acct" && settings.endpoint.host == "acct.blob.core.chinacloudapi.cn")
        guard case .sharedKey(let key) = settings.identity else {
            Issue.record("\(settings.identity) is not the key")
            return
        }
        #expect(key == Array("hush-hush".utf8))
        let sas = "BlobEndpoint=https://acct.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=a%3D"
        let other = try Self.settings("azblob://cont", ["AZURE_STORAGE_CONNECTION_STRING": sas])
        guard case .sas(let query) = other.identity else {
            Issue.record("\(other.identity) is no SAS")
            return
        }
        #expect(query == "sv=1&sig=a%3D" && other.account == "acct")
    }

    /// The first source that is configured is taken; what is wrong with it is an error and never passed over.
    @Test func sourcesComeInTheirOrder() throws {
        var environment = [
            "AZURE_STORAGE_ACCOUNT": "acct", "AZURE_STORAGE_KEY": Self.key64, "AZURE_STORAGE_SAS_TOKEN": "?sv=1&sig=x",
            "AZURE_CLIENT_SECRET": "s", "AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t",
            "AZURE_FEDERATED_TOKEN_FILE": "/f",
            "AZURE_STORAGE_CONNECTION_STRING": "AccountName=acct;AccountKey=\(Self.key64)",
        ]
        for (name, expected) in [
            ("AZURE_STORAGE_CONNECTION_STRING", "the account key"), ("AZURE_STORAGE_KEY", "the account key"),
            ("AZURE_STORAGE_SAS_TOKEN", "the shared access signature"),
            ("AZURE_CLIENT_SECRET", "the application's secret"),
            ("AZURE_FEDERATED_TOKEN_FILE", "the workload identity"), ("", "the managed identity"),
        ] {
            #expect(try Self.settings("azblob://cont", environment).identity.description == expected)
            environment[name] = nil
        }
    }

    @Test(arguments: [
        ["AZURE_STORAGE_KEY": "not base64!"], ["AZURE_STORAGE_KEY": "aHVzaA==\n"], ["AZURE_STORAGE_SAS_TOKEN": "hush"],
        ["AZURE_STORAGE_CONNECTION_STRING": "hush"], ["AZURE_STORAGE_CONNECTION_STRING": "AccountName=acct"],
        ["AZURE_STORAGE_CONNECTION_STRING": "AccountName=other;AccountKey=aHVzaA=="],
        ["AZURE_FEDERATED_TOKEN_FILE": "/hush"], ["AZURE_CLIENT_SECRET": "hush", "AZURE_CLIENT_ID": "c"],
        ["AZURE_STORAGE_SAS_TOKEN": "sig=hush", "AZURE_STORAGE_BLOB_ENDPOINT": "http://store.example"],
        ["AZURE_STORAGE_KEY": "aHVzaA==", "AZURE_STORAGE_BLOB_ENDPOINT": "http://u:hush@store.example"],
    ])
    func sourceThatIsWrongIsFatal(_ environment: [String: String]) throws {
        let failure = try #require(throws: Failure.self) {
            try Self.settings("azblob://cont?account=acct", environment)
        }
        #expect(failure.code == .configuration, "\(failure)")
        let text = "\(failure) \(failure.hint ?? "")"
        #expect(!text.contains("hush") && !text.contains("aHVzaA"), "\(text)")
    }

    @Test func identityCannotBePrinted() throws {
        let settings = try Self.settings("azblob://cont?account=a-b", ["AZURE_STORAGE_SAS_TOKEN": "sv=1&sig=hush"])
        var dumped = ""
        dump(settings, to: &dumped)
        #expect(!dumped.contains("hush") && !"\(settings)".contains("hush"))
    }

    // MARK: Proofs

    @Test func signatureIsOnEveryRequestAndInNoMessage() async throws {
        let key = try #require(ObjectKey(parsing: "a/b"))
        try await AzureRig.with { _, _, _ in
            .pass
        } configure: { configuration, service in
            configuration.environment = [
                "AZURE_STORAGE_ACCOUNT": service.account, "AZURE_STORAGE_SAS_TOKEN": "?" + service.sas,
            ]
        } _: { rig async throws in
            try await rig.store.write(key, [1, 2, 3])
            #expect(try await rig.store.readAll(key) == [1, 2, 3])
            #expect(try await rig.store.list(under: .root).count == 1)
            for kind in [AzureKind.block, .commit, .head, .get, .list] {
                #expect(rig.requests(kind).allSatisfy { $0.target.hasSuffix(rig.service.sas) }, "\(kind)")
                #expect(rig.requests(kind).allSatisfy { $0.headers["authorization"] == nil }, "\(kind)")
            }
        }
        for answer in [
            AzureText.error("403 No", "AuthenticationFailed", message: "sig=hush%2Fhush%2Bhush%3D and hush/hush+hush="),
            "",
        ] {
            try await withScriptedAzure { _, _ in
                answer
            } configure: {
                $0.environment = [
                    "AZURE_STORAGE_ACCOUNT": "acct", "AZURE_STORAGE_SAS_TOKEN": "sv=1&sig=hush%2Fhush%2Bhush%3D",
                ]
                $0.attemptsMax = 1
            } _: { store, _ async throws in
                let failure = await #expect(throws: Failure.self) { try await store.list(under: .root) }
                let text = "\(failure?.description ?? "") \(failure?.hint ?? "")"
                #expect(!text.contains("hush"), "\(text)")
            }
        }
    }

    @Test func wrongKeyIsRefused() async throws {
        try await AzureRig.with { _, _, _ in
            .pass
        } configure: { configuration, _ in
            configuration.environment["AZURE_STORAGE_KEY"] = Self.key64
        } _: { rig async throws in
            let failure = await #expect(throws: Failure.self) { try await rig.store.list(under: .root) }
            #expect(failure?.code == .authenticationFailed && failure?.hint?.contains("AZURE_STORAGE_KEY") == true)
        }
    }

    private static func withTokenFile(
        _ clientID: String,
        more: [String: String] = [:],
        configure: (inout StoreConfiguration) -> Void = { _ in },
        _ body: (AzureRig, URL) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder async throws in
            let file = folder.appendingPathComponent("token")
            try Data("assertion-of-\(clientID)-1\n".utf8).write(to: file)
            try await AzureRig.with { _, _, _ in
                .pass
            } configure: { configuration, service in
                configuration.environment = service.environment(workload: clientID, tokenFile: file.path)
                    .merging(more) { $1 }
                configure(&configuration)
            } _: { rig async throws in
                try await body(rig, file)
            }
        }
    }

    @Test func workloadIdentityIsExchangedForAToken() async throws {
        let key = try #require(ObjectKey(parsing: "a/b"))
        try await Self.withTokenFile("client-1") { rig, _ in
            try await rig.store.write(key, [1, 2, 3])
            #expect(try await rig.store.readAll(key) == [1, 2, 3])
            let proofs = Set((rig.requests(.block) + rig.requests(.get)).map { $0.headers["authorization"] ?? "" })
            #expect(proofs.count == 1 && proofs.first?.hasPrefix("Bearer token-") == true)
        }
    }

    /// Each token is good for a few requests; the file is replaced while the upload is under way, because an assertion
    /// is taken once.
    @Test func tokenThatEndsInTheMiddleOfAnUploadIsRenewed() async throws {
        var random = SeededRandom(seed: 9)
        let (key, bytes) = (try #require(ObjectKey(parsing: "a/b")), random.bytes(5 * AzureRig.blockBytes + 1))
        try await Self.withTokenFile("uses-4-client", configure: { $0.partsInFlight = 2 }) { rig, _ in
            try await rig.store.write(key, bytes)
            #expect(try await rig.store.readAll(key) == bytes)
            #expect(try await rig.service.get(key.description, in: rig.container) == bytes)
            let tokens = Set(rig.requests(.block).map { $0.headers["authorization"] ?? "" })
            #expect(tokens.count > 1)
        }
    }

    /// Its file is read anew, because an assertion is taken once here; and until that helps the old token goes on.
    @Test func tokenIsRenewedBeforeItEndsAndItsFileIsReadAnew() async throws {
        let clientID = "once-\(UInt64.random(in: 0 ... .max))"
        let key = try #require(ObjectKey(parsing: "a/b"))
        let later = Mutex<Int64>(0)
        try await Self.withTokenFile(
            clientID,
            configure: {
                $0.clock.secondsSince1970 = { RequestClock.system.secondsSince1970() + later.withLock { $0 } }
            }
        ) { rig, file in
            #expect(try await rig.store.stat(key) == nil)
            later.withLock { $0 = 3400 }
            #expect(try await rig.store.stat(key) == nil)
            try Data("assertion-of-\(clientID)-2".utf8).write(to: file)
            later.withLock { $0 = 3450 }
            #expect(try await rig.store.stat(key) == nil)
            let tokens = rig.requests(.head).map { $0.headers["authorization"] ?? "" }
            #expect(tokens.count == 3 && tokens[0] == tokens[1] && tokens[1] != tokens[2])
        }
    }

    @Test func otherIdentitiesGetTokensToo() async throws {
        let key = try #require(ObjectKey(parsing: "a/b"))
        try await AzureRig.with { _, _, _ in
            .pass
        } configure: { configuration, service in
            configuration.environment = [
                "AZURE_STORAGE_ACCOUNT": service.account, "AZURE_POD_IDENTITY_AUTHORITY_HOST": service.origin,
            ]
        } _: { rig async throws in
            try await rig.store.create(key, [1])
            #expect(rig.requests(.put).first?.headers["authorization"]?.hasPrefix("Bearer token-") == true)
        }
        try await Self.withTokenFile("client-3", more: ["AZURE_CLIENT_SECRET": "secret-of-client-3"]) { rig, file in
            try FileManager.default.removeItem(at: file)
            try await rig.store.create(key, [1])
        }
    }

    @Test func identityThatIsRefusedIsFatalAndExplained() async throws {
        for (clientID, more, says) in [
            ("refused", [:], "system:serviceaccount"),
            ("client-4", ["AZURE_CLIENT_SECRET": "hush-hush"], "AZURE_CLIENT_SECRET"),
        ] as [(String, [String: String], String)] {
            try await Self.withTokenFile(clientID, more: more) { rig, _ in
                let failure = await #expect(throws: Failure.self) { try await rig.store.list(under: .root) }
                let text = "\(failure?.description ?? "") \(failure?.hint ?? "")"
                #expect(failure?.code == .authenticationFailed && text.contains(says), "\(text)")
                for secret in ["assertion-of", "hush", "Trace ID"] { #expect(!text.contains(secret), "\(text)") }
                #expect(rig.requests(.list).isEmpty)
            }
        }
        try await Self.withTokenFile("client-5") { rig, file in
            try FileManager.default.removeItem(at: file)
            let failure = await #expect(throws: Failure.self) { try await rig.store.list(under: .root) }
            #expect(failure?.code == .configuration)
        }
    }

    /// Nothing is set, and nobody answers where the metadata service would be.
    @Test func noCredentialsAtAllIsSaid() async throws {
        try await withScriptedAzure { _, _ in
            AzureText.error("401 No", "NoAuthenticationInformation")
        } configure: {
            $0.environment = [
                "AZURE_STORAGE_ACCOUNT": "acct", "AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:1",
            ]
        } _: { store, server async throws in
            let failure = await #expect(throws: Failure.self) { try await store.list(under: .root) }
            #expect(failure?.code == .authenticationFailed)
            #expect(failure?.hint?.contains("AZURE_STORAGE_CONNECTION_STRING") == true)
            #expect(server.requests.isEmpty)
        }
    }
}
