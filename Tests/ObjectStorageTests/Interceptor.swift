// SPDX-License-Identifier: Apache-2.0

import Foundation
import ObjectStorage
import Synchronization
import TestParts

/// Stands between the store and a real S3 server, and spoils what a test wants spoiled.
final class Interceptor: Sendable {
    enum Action: Sendable {
        /// Both ways unchanged.
        case pass
        /// This answer, and the server never hears of the request.
        case answer(String)
        /// The server does what it is asked, and this is the answer.
        case answerAfterwards(String)
        /// The server does what it is asked, and the connection breaks before the answer.
        case lose
        /// The connection breaks before the server hears of the request.
        case drop
        /// The first bytes of the body of the answer, and then the end.
        case cut(bodyBytes: Int)
        /// The server does what it is asked, and its answer is made another.
        case edit(@Sendable (_ answer: [UInt8]) -> [UInt8])
        /// Nothing, for ever.
        case stall
    }

    /// What a request does, for tests to tell requests apart.
    enum Kind: String, Sendable, CaseIterable {
        case begin
        case part
        case complete
        case abort
        case put
        case get
        case head
        case headBucket
        case delete
        case list
        case listUploads
    }

    typealias Rule = @Sendable (_ kind: Kind, _ count: Int, _ request: SeenRequest) async throws -> Action

    private let rule: Rule
    private let seen = Mutex<[(kind: Kind, request: SeenRequest)]>([])

    init(_ rule: @escaping Rule) {
        self.rule = rule
    }

    /// The requests of a kind so far, in order of arrival.
    func requests(_ kind: Kind) -> [SeenRequest] {
        seen.withLock { $0.filter { $0.kind == kind }.map(\.request) }
    }

    func serve(_ client: ByteChannel, _ index: Int, serverPort: Int) async throws {
        while let request = try await client.readRequest(connection: index) {
            let kind = Kind(request)
            let count = seen.withLock { seen in
                seen.append((kind, request))
                return seen.count { $0.kind == kind }
            }
            switch try await rule(kind, count, request) {
            case .pass: try await client.write(try await forward(request, serverPort))
            case .answer(let text): try await client.write(text)
            case .answerAfterwards(let text):
                _ = try await forward(request, serverPort)
                try await client.write(text)
            case .lose:
                _ = try await forward(request, serverPort)
                return await client.reset()
            case .drop: return await client.reset()
            case .cut(let count):
                let answer = try await forward(request, serverPort)
                let head = answer.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound ?? 0
                try await client.write(Array(answer.prefix(head + count)))
            case .edit(let edit): try await client.write(edit(try await forward(request, serverPort)))
            case .stall: try await Task.sleep(for: .seconds(3600))
            }
            // The server closes the connection after each answer.
            return
        }
    }

    private func forward(_ request: SeenRequest, _ port: Int) async throws -> [UInt8] {
        let server = try await ByteChannel.connect(port: port)
        var lines = ["\(request.method) \(request.target) HTTP/1.1"]
        for (name, value) in request.headers where name != "connection" && name != "expect" {
            lines.append("\(name): \(value)")
        }
        lines.append("connection: close")
        let head = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        return try await withTaskCancellationHandler {
            defer { server.closeSoon() }
            try await server.write(head + request.body)
            return try await server.readToEnd(withinSeconds: 120)
        } onCancel: {
            server.closeSoon()
        }
    }
}

extension Interceptor.Kind {
    init(_ request: SeenRequest) {
        let parts = request.target.split(separator: "?", maxSplits: 1)
        let query = parts.count > 1 ? String(parts[1]) : ""
        let isBucket = (parts.first ?? "").split(separator: "/").count <= 1
        switch request.method {
        case "POST": self = query.hasPrefix("uploads") ? .begin : .complete
        case "PUT": self = query.contains("partNumber") ? .part : .put
        case "DELETE": self = query.contains("uploadId") ? .abort : .delete
        case "HEAD": self = isBucket ? .headBucket : .head
        default: self = !isBucket ? .get : query.contains("uploads") ? .listUploads : .list
        }
    }
}

/// A store behind an interceptor, the interceptor, and the service behind both.
struct InterceptedStore: Sendable {
    let store: any ObjectStore
    let interceptor: Interceptor
    let service: S3Service
    let bucket: String

    func visible() async throws -> [String] { try await service.keys(in: bucket) }
    func uploads() async throws -> Int { try await service.uploads(in: bucket).count }
}

/// Opens a store on SeaweedFS whose requests pass a rule.
/// - Parameters:
///   - options: what the URL of the store says after its question mark.
///   - isLocked: whether the bucket keeps versions and may hold locks.
func withInterceptedStore<Result: Sendable>(
    _ rule: @escaping Interceptor.Rule,
    options: String = "",
    isLocked: Bool = false,
    configure: (inout StoreConfiguration) -> Void = { _ in },
    _ body: (InterceptedStore) async throws -> Result
) async throws -> Result {
    try await withSeaweedFS { service in
        let bucket = try await service.makeBucket(isLocked: isLocked)
        let interceptor = Interceptor(rule)
        return try await withScriptedServer { client, index in
            try await interceptor.serve(client, index, serverPort: service.port)
        } body: { port in
            var configuration = StoreConfiguration(environment: service.environment)
            configuration.endpointURL = "http://127.0.0.1:\(port)"
            configuration.partSizeBytes = StoreWithWitness.partSizeBytes
            configuration.clock = .hasty
            configuration.logger.logLevel = .error
            configure(&configuration)
            let location = try StoreLocation(parsing: "s3://\(bucket)" + (options.isEmpty ? "" : "?\(options)"))
            return try await withObjectStore(location, configuration: configuration) { store in
                try await body(
                    InterceptedStore(store: store, interceptor: interceptor, service: service, bucket: bucket)
                )
            }
        }
    }
}

/// Answers as stores give them.
enum S3Text {
    static func error(_ status: String, _ code: String, headers: [String] = [], message: String = "no") -> String {
        ScriptedHTTP.response(
            status,
            headers: ["Connection: close", "x-amz-request-id: 4442587FB7D0A2F9"] + headers,
            body: "<?xml version=\"1.0\"?><Error><Code>\(code)</Code><Message>\(message)</Message></Error>"
        )
    }

    /// An answer with as much of its body as that, and a length that fits.
    static func shortened(_ answer: [UInt8], toBodyBytes count: Int) -> [UInt8] {
        let end = answer.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound ?? 0
        let lines = String(decoding: answer[..<end], as: UTF8.self).split(separator: "\r\n")
            .filter { !["content-length", "transfer-encoding"].contains($0.prefix { $0 != ":" }.lowercased()) }
        let head = (lines + ["Content-Length: \(count)"]).joined(separator: "\r\n") + "\r\n\r\n"
        return Array(head.utf8) + answer[end...].prefix(count)
    }

    static func ok(_ body: String, headers: [String] = []) -> String {
        ScriptedHTTP.response("200 OK", headers: ["Connection: close"] + headers, body: body)
    }
}

/// A store on SeaweedFS behind a proxy that breaks connections by their bytes.
struct ProxiedStore: Sendable {
    let store: any ObjectStore
    let proxy: FaultProxy
    let service: S3Service
    let bucket: String
}

/// A kind of store that no proxy can stand before.
private struct NoBucket: Error {}

/// Opens such a store. The witness does not go through the proxy.
func withProxiedStore<Result: Sendable>(
    on kind: TestedStore = .seaweed,
    noProgressSeconds: Int = 60,
    _ body: (ProxiedStore) async throws -> Result
) async throws -> Result {
    try await withTestedStore(kind) { tested in
        guard case .bucket(let service, let bucket, _) = tested.witness else { throw NoBucket() }
        return try await withFaultProxy(to: service.port) { proxy in
            var configuration = StoreConfiguration(environment: service.environment)
            configuration.endpointURL = proxy.url
            configuration.partSizeBytes = StoreWithWitness.partSizeBytes
            configuration.noProgressSeconds = noProgressSeconds
            configuration.clock = .hasty
            configuration.logger.logLevel = .error
            let location = try StoreLocation(parsing: "s3://\(bucket)")
            return try await withObjectStore(location, configuration: configuration) { store in
                try await body(ProxiedStore(store: store, proxy: proxy, service: service, bucket: bucket))
            }
        }
    }
}
