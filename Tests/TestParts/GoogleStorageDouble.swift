// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Google Cloud Storage and the servers that give tokens for it, as Tests/oracles/gcs.py plays them.
package struct GoogleStorageDouble: Sendable {
    package let port: Int
    let child: ChildProcess

    package var endpoint: String { "http://127.0.0.1:\(port)" }

    /// Makes a bucket that no other test has.
    package func makeBucket(_ wish: TestJSON = .object([:])) async throws -> String {
        try await call("bucket", wish).text ?? ""
    }

    /// The sizes of all objects, by name.
    package func objects(in bucket: String) async throws -> [String: Int] {
        let found = try await call("objects", .text(bucket)).array ?? []
        return Dictionary(
            uniqueKeysWithValues: found.map { ($0["name"]?.text ?? "", Int($0["size"]?.text ?? "") ?? -1) }
        )
    }

    /// How many uploads are open.
    package func uploads(in bucket: String) async throws -> Int {
        try await call("uploads", .text(bucket)).array?.count ?? -1
    }

    package func get(_ name: String, in bucket: String) async throws -> [UInt8] {
        try await call("get", .object(["bucket": .text(bucket), "name": .text(name)])).bytes ?? []
    }

    package func put(_ name: String, in bucket: String, _ bytes: [UInt8]) async throws {
        try await call("put", .object(["bucket": .text(bucket), "name": .text(name), "data": .bytes(bytes)]))
    }

    package func delete(_ name: String, in bucket: String) async throws {
        try await call("delete", .object(["bucket": .text(bucket), "name": .text(name)]))
    }

    /// What goes wrong from now on; gcs.py says which faults there are.
    package func add(_ faults: TestJSON...) async throws {
        try await call("faults", .array(faults))
    }

    /// The requests so far whose path and query hold that text.
    package func requests(_ text: String) async throws -> [TestJSON] {
        try await call("requests", .text(text)).array ?? []
    }

    /// A function of the double that Google does not have.
    @discardableResult
    package func call(_ function: String, _ wish: TestJSON) async throws -> TestJSON {
        let body = try JSONEncoder().encode(wish)
        let head = "POST /control/\(function) HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: \(body.count)"
        let connection = try await ByteChannel.connect(port: port)
        return try await ending({ await connection.close() }) {
            try await connection.write(Array("\(head)\r\n\r\n".utf8) + Array(body))
            let answer = try await connection.readToEnd(withinSeconds: 60)
            guard let end = answer.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound else {
                throw UnretryableError("the double of Google answered nothing:\n\(child.output.tail())")
            }
            return try JSONDecoder().decode(TestJSON.self, from: Data(answer[end...]))
        }
    }
}

private let sharedGoogle = Once { try await startGoogle("gcs.py") }
private let sharedEmulator = Once { try await startGoogle("gcs_emulator.py") }

/// The double; the tests of a process share one, unless what they change is not of one bucket.
@discardableResult
package func withGoogleStorage<Value>(
    shared: Bool = true,
    _ body: (GoogleStorageDouble) async throws -> Value
) async throws -> Value {
    try await Slots.taking {
        if shared { return try await body(sharedGoogle.value()) }
        let double = try await startGoogle("gcs.py")
        return try await ending({ await double.child.end(graceSeconds: 0) }) { try await body(double) }
    }
}

/// The port of gcp-storage-emulator, which knows neither conditions nor pages; gcs_emulator.py says what is changed.
@discardableResult
package func withGoogleStorageEmulator<Value>(_ body: (_ port: Int) async throws -> Value) async throws -> Value {
    try await Slots.taking { try await body(sharedEmulator.value().port) }
}

private func startGoogle(_ script: String) async throws -> GoogleStorageDouble {
    let child = try ChildProcess(Parts.python(), [try Parts.oracle(script)])
    let port = try await eventually("\(script) to start") {
        if child.exit != nil { throw UnretryableError("\(script) ended:\n\(child.output.tail())") }
        return Int(child.output.text.split(separator: "\n").first ?? "")
    }
    return GoogleStorageDouble(port: port, child: child)
}
