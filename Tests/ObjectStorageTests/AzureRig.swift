// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTransport
import ObjectStorage
import Synchronization
import TestParts

extension StoreWithWitness {
    /// The double of Azure, with the key of the account.
    static func azure(_ service: AzureService) async throws -> StoreWithWitness {
        let container = try await service.makeContainer()
        return StoreWithWitness(
            kind: .azure,
            location: try StoreLocation(parsing: "azblob://\(container)/some/prefix"),
            configuration: azureConfiguration(service.environment),
            witness: .container(service, container, prefix: "some/prefix/")
        )
    }
}

func azureConfiguration(_ environment: [String: String]) -> StoreConfiguration {
    var configuration = StoreConfiguration(environment: environment)
    configuration.partSizeBytes = AzureRig.blockBytes
    configuration.clock = .hasty
    configuration.logger.logLevel = .critical
    return configuration
}

/// What a request does, for tests to tell requests apart.
enum AzureKind: String, Sendable, CaseIterable {
    case block
    case commit
    case put
    case head
    case get
    case delete
    case list
    case listUncommitted
    case blocks

    init(_ request: SeenRequest) {
        let query = request.target.split(separator: "?", maxSplits: 1).dropFirst().first ?? ""
        switch request.method {
        case "PUT": self = query.contains("comp=blocklist") ? .commit : query.contains("comp=block") ? .block : .put
        case "DELETE": self = .delete
        case "HEAD": self = .head
        default:
            self =
                query.contains("comp=blocklist")
                ? .blocks
                : !query.contains("comp=list") ? .get : query.contains("uncommitted") ? .listUncommitted : .list
        }
    }
}

/// A store on the double of Azure behind an interceptor.
final class AzureRig: Sendable {
    static let blockBytes = 5 << 20

    typealias Rule =
        @Sendable (_ kind: AzureKind, _ count: Int, _ request: SeenRequest) async throws -> Interceptor.Action

    let store: any ObjectStore
    let service: AzureService
    let container: String
    private let seen: Seen

    fileprivate final class Seen: Sendable {
        let list = Mutex<[(kind: AzureKind, request: SeenRequest)]>([])

        func add(_ request: SeenRequest) -> (AzureKind, Int) {
            list.withLock { list in
                let kind = AzureKind(request)
                list.append((kind, request))
                return (kind, list.count { $0.kind == kind })
            }
        }
    }

    fileprivate init(_ store: any ObjectStore, _ service: AzureService, _ container: String, _ seen: Seen) {
        (self.store, self.service, self.container, self.seen) = (store, service, container, seen)
    }

    /// The requests of a kind so far, in order of arrival.
    func requests(_ kind: AzureKind) -> [SeenRequest] {
        seen.list.withLock { $0.filter { $0.kind == kind }.map(\.request) }
    }

    func visible() async throws -> [String] { try await service.names(in: container) }
    func unfinished() async throws -> [String] { try await service.unfinished(in: container) }

    /// Opens a store whose requests to the service pass a rule.
    static func with<Result: Sendable>(
        options: String = "",
        _ rule: @escaping Rule,
        configure: (inout StoreConfiguration, AzureService) -> Void = { _, _ in },
        _ body: (AzureRig) async throws -> Result
    ) async throws -> Result {
        try await withAzure { service in
            let container = try await service.makeContainer()
            let seen = Seen()
            let interceptor = Interceptor { _, _, request in
                let (kind, count) = seen.add(request)
                return try await rule(kind, count, request)
            }
            return try await withScriptedServer { client, index in
                try await interceptor.serve(client, index, serverPort: service.port)
            } body: { port in
                var configuration = azureConfiguration(service.environment)
                configure(&configuration, service)
                // Without the account, as an emulator is named.
                configuration.environment["AZURE_STORAGE_BLOB_ENDPOINT"] = "http://127.0.0.1:\(port)"
                let location = try StoreLocation(parsing: "azblob://\(container)\(options)")
                return try await withObjectStore(location, configuration: configuration) { store in
                    try await body(AzureRig(store, service, container, seen))
                }
            }
        }
    }
}

/// Answers as Azure gives them.
enum AzureText {
    static func error(_ status: String, _ code: String, message: String = "no", headers: [String] = []) -> String {
        ScriptedHTTP.response(
            status,
            headers: ["Connection: close", "x-ms-request-id: 4442587FB7D0A2F9", "x-ms-error-code: \(code)"] + headers,
            body: "<?xml version=\"1.0\"?><Error><Code>\(code)</Code><Message>\(message)\nRequestId:1</Message></Error>"
        )
    }

    static func ok(_ body: String, headers: [String] = []) -> String {
        ScriptedHTTP.response("200 OK", headers: ["Connection: close"] + headers, body: body)
    }
}

/// A store on a server whose every answer is scripted; nobody really waits.
@discardableResult
func withScriptedAzure<Result: Sendable>(
    _ answer: @escaping @Sendable (SeenRequest, Int) async throws -> String,
    configure: (inout StoreConfiguration) -> Void = { _ in },
    _ body: (any ObjectStore, ScriptedHTTP) async throws -> Result
) async throws -> Result {
    try await withScriptedHTTP(answer) { server in
        var configuration = azureConfiguration([
            "AZURE_STORAGE_ACCOUNT": "acct", "AZURE_STORAGE_KEY": Data("hush-hush".utf8).base64EncodedString(),
        ])
        configure(&configuration)
        configuration.environment["AZURE_STORAGE_BLOB_ENDPOINT"] = server.url
        return try await withObjectStore(try StoreLocation(parsing: "azblob://cont/pre"), configuration: configuration)
        {
            store in
            try await body(store, server)
        }
    }
}
