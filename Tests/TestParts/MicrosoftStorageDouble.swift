// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The double of the Blob service (Tests/oracles/azure_double.py), with a foreign eye on it: what is asked here goes
/// through azure-storage-blob. No emulator of Azure is to be had where the tests run.
package struct AzureService: Sendable {
    package let port: Int
    private let held: Port
    private let child: ChildProcess

    package var account: String { Self.accountName }
    package var key: String { Self.accountKey }
    /// A shared access signature that the double takes.
    package var sas: String { Self.signature }

    private static let accountName = "testaccount"
    private static let accountKey = Data((0..<64).map { UInt8($0 * 3) }).base64EncodedString()
    private static let signature =
        "sv=2021-12-02&ss=b&srt=co&sp=racwdl&se=2099-01-01T00%3A00%3A00Z&sig=hush%2Fhush%2Bhush%3D"

    fileprivate init(port: Port, child: ChildProcess) {
        self.port = port.number
        held = port
        self.child = child
    }

    /// As an emulator is named: without the account.
    package var origin: String { "http://127.0.0.1:\(port)" }
    package var endpoint: String { "\(origin)/\(account)" }

    /// A blob as the container lists it.
    package struct Blob: Sendable, Hashable {
        package let name: String
        package let bytes: Int
        /// Empty where there are blocks alone.
        package let etag: String
    }

    /// What a program needs in its environment to use the endpoint with the key.
    package var environment: [String: String] {
        ["AZURE_STORAGE_ACCOUNT": account, "AZURE_STORAGE_KEY": key, "AZURE_STORAGE_BLOB_ENDPOINT": endpoint]
    }

    /// What a pod with a workload identity has.
    package func environment(workload clientID: String, tokenFile: String) -> [String: String] {
        [
            "AZURE_STORAGE_ACCOUNT": account, "AZURE_STORAGE_BLOB_ENDPOINT": endpoint, "AZURE_CLIENT_ID": clientID,
            "AZURE_TENANT_ID": "tenant", "AZURE_AUTHORITY_HOST": "\(origin)/",
            "AZURE_FEDERATED_TOKEN_FILE": tokenFile,
        ]
    }

    /// Makes a container that no other test has.
    package func makeContainer() async throws -> String {
        let name = "container-\(UInt64.random(in: 0 ... .max))"
        try await ask("create", name)
        return name
    }

    package func blobs(in container: String, prefix: String = "", uncommitted: Bool = false) async throws -> [Blob] {
        let found = try await ask(
            "list",
            container,
            ["prefix": .text(prefix), "uncommitted": .bool(uncommitted)]
        )
        return (found.array ?? []).map {
            Blob(name: $0["name"]?.text ?? "", bytes: $0["bytes"]?.int ?? -1, etag: $0["etag"]?.text ?? "")
        }
    }

    package func names(in container: String) async throws -> [String] {
        try await blobs(in: container).map(\.name)
    }

    /// The names of the blobs that have blocks and were never committed.
    package func unfinished(in container: String) async throws -> [String] {
        try await blobs(in: container, uncommitted: true).filter { $0.etag.isEmpty }.map(\.name)
    }

    package func get(_ name: String, in container: String) async throws -> [UInt8] {
        try await ask("get", container, ["name": .text(name)]).bytes ?? []
    }

    package func put(_ name: String, in container: String, _ bytes: [UInt8]) async throws {
        try await ask("put", container, ["name": .text(name), "bytes": .bytes(bytes)])
    }

    package func delete(_ name: String, in container: String) async throws {
        try await ask("delete", container, ["name": .text(name)])
    }

    package func properties(_ name: String, in container: String) async throws -> TestJSON {
        try await ask("properties", container, ["name": .text(name)])
    }

    /// The headers `Authorization` that the SDK gives to requests.
    package func signatures(
        _ requests: [(method: String, url: String, headers: [String: String])]
    ) async throws -> [String] {
        let list = requests.map { request in
            TestJSON.object([
                "method": .text(request.method), "url": .text(request.url),
                "headers": .object(request.headers.mapValues { .text($0) }),
            ])
        }
        return (try await ask("sign", "none", ["requests": .array(list)]).array ?? []).compactMap(\.text)
    }

    @discardableResult
    private func ask(
        _ operation: String,
        _ container: String,
        _ more: [String: TestJSON] = [:]
    ) async throws -> TestJSON {
        let request: [String: TestJSON] = [
            "do": .text(operation), "endpoint": .text(endpoint), "account": .text(account), "key": .text(key),
            "container": .text(container),
        ]
        return try await AzureOracle.ask(.object(request.merging(more) { $1 }))
    }
}

/// Runs `body` with the double; the tests of a process share one, and each makes a container of its own.
@discardableResult
package func withAzure<Value>(_ body: (AzureService) async throws -> Value) async throws -> Value {
    try await Slots.taking { try await body(sharedAzure.value()) }
}

private let sharedAzure = Once { try await AzureService.start() }

extension AzureService {
    fileprivate static func start() async throws -> AzureService {
        let port = try Port()
        let script = try Parts.oracle("azure_double.py")
        let child = try ChildProcess(
            Parts.python(),
            [script, "\(port.number)", accountName, accountKey, signature]
        )
        try await eventually("the double of Azure to listen", withinSeconds: 60) {
            if child.exit != nil { throw UnretryableError("the double of Azure ended:\n\(child.output.tail())") }
            await (try ByteChannel.connect(port: port.number)).close()
            return true
        }
        return AzureService(port: port, child: child)
    }
}

/// azure-storage-blob in a Python process beside the tests, the second opinion about Azure.
private enum AzureOracle {
    private static let script = ScriptOracle("azure_sdk.py")

    static func ask(_ request: TestJSON) async throws -> TestJSON { try await script.ask(request) }
}
