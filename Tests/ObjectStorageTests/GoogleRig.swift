// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import ObjectStorage
import TestParts

extension StoreWithWitness {
    /// A bucket of the double, with a token.
    static func google(_ double: GoogleStorageDouble) async throws -> StoreWithWitness {
        let bucket = try await double.makeBucket()
        return StoreWithWitness(
            kind: .google,
            location: try StoreLocation(parsing: "gs://\(bucket)/some/prefix?endpoint-url=\(double.endpoint)"),
            configuration: try await googleConfiguration(double),
            witness: .google(double, bucket, prefix: "some/prefix/")
        )
    }
}

/// With a token that the double takes.
func googleConfiguration(_ double: GoogleStorageDouble) async throws -> StoreConfiguration {
    let token = try await double.call("token", .object(["issue": true])).text ?? ""
    return googleConfiguration(["GOOGLE_OAUTH_ACCESS_TOKEN": token])
}

func googleConfiguration(_ environment: [String: String]) -> StoreConfiguration {
    var configuration = StoreConfiguration(environment: environment, clock: .hasty)
    configuration.partSizeBytes = 1 << 20
    configuration.logger.logLevel = .critical
    return configuration
}

/// A store on a bucket of the double.
struct GoogleRig: Sendable {
    let store: any ObjectStore
    let double: GoogleStorageDouble
    let bucket: String

    func visible() async throws -> [String] { try await double.objects(in: bucket).keys.sorted() }

    /// A fault for requests of this bucket.
    func add(_ what: String, method: String, target: String = "", _ more: [String: TestJSON] = [:]) async throws {
        let fault: [String: TestJSON] = [
            "do": .text(what), "method": .text(method), "target": .text("/b/\(bucket)/o\(target)"),
        ]
        try await double.add(.object(fault.merging(more) { $1 }))
    }

    /// How many requests of a method there were whose target holds the text.
    func count(_ method: String, _ text: String = "") async throws -> Int {
        try await double.requests("/b/\(bucket)/").count {
            $0["method"]?.text == method && (text.isEmpty || $0["target"]?.text?.contains(text) == true)
        }
    }

    static func with<Result: Sendable>(
        _ wish: TestJSON = .object([:]),
        options: String = "",
        configure: (inout StoreConfiguration) -> Void = { _ in },
        _ body: (GoogleRig) async throws -> Result
    ) async throws -> Result {
        try await withGoogleStorage { double in
            let bucket = try await double.makeBucket(wish)
            var configuration = try await googleConfiguration(double)
            configure(&configuration)
            let location = try StoreLocation(parsing: "gs://\(bucket)?endpoint-url=\(double.endpoint)\(options)")
            return try await withObjectStore(location, configuration: configuration) { store in
                try await body(GoogleRig(store: store, double: double, bucket: bucket))
            }
        }
    }
}
