// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import ObjectStorage
import Synchronization
import TestParts

/// A store on a server whose every answer is scripted.
enum ScriptedStore {
    /// A secret that must not show anywhere.
    static let secret = "hush/hush+hush"

    /// The waits before a request was sent again.
    final class Waits: Sendable {
        private let list = Mutex<[Duration]>([])

        var all: [Duration] { list.withLock { $0 } }

        func add(_ wait: Duration) { list.withLock { $0.append(wait) } }
    }

    /// Opens the store; nobody really waits, and it is always the 24th of May 2013.
    /// - Parameter options: what the URL of the store says after its question mark.
    @discardableResult
    static func withStore<Result: Sendable>(
        _ answer: @escaping @Sendable (SeenRequest, Int) async throws -> String,
        configure: (inout StoreConfiguration) -> Void = { _ in },
        options: () -> String = { "" },
        _ body: (any ObjectStore, ScriptedHTTP, Waits) async throws -> Result
    ) async throws -> Result {
        try await withScriptedHTTP(answer) { server in
            let waits = Waits()
            var configuration = StoreConfiguration(
                environment: [
                    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": secret,
                    "AWS_SESSION_TOKEN": "tokentoken",
                ],
                clock: RequestClock(
                    secondsSince1970: { 1_369_353_600 },
                    sleep: { waits.add($0) },
                    chance: { 0.5 }
                )
            )
            configuration.endpointURL = server.url
            configuration.logger.logLevel = .error
            configure(&configuration)
            let after = options()
            let location = try StoreLocation(parsing: "s3://bucket/pre" + (after.isEmpty ? "" : "?\(after)"))
            return try await withObjectStore(location, configuration: configuration) { store in
                try await body(store, server, waits)
            }
        }
    }
}
