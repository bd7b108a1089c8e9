// SPDX-License-Identifier: Apache-2.0

import Foundation

/// An S3 endpoint of the tests, with a foreign eye on it: what is asked here goes through botocore.
package struct S3Service: Sendable {
    /// `http://127.0.0.1:port`
    package let endpoint: String
    package let accessKey: String
    package let secretKey: String
    package let region = "us-east-1"
    /// The server.
    package let child: ChildProcess
    let held: [Port]

    package var port: Int { URL(string: endpoint)?.port ?? 0 }

    /// An object as the bucket lists it.
    package struct Object: Sendable, Hashable {
        package let key: String
        package let bytes: Int
        package let etag: String
    }

    /// A multipart upload that was begun, and neither completed nor aborted.
    package struct Upload: Sendable, Hashable {
        package let key: String
        package let id: String
    }

    /// What a program needs in its environment to use the endpoint.
    package var environment: [String: String] {
        [
            "AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_REGION": region,
            "AWS_ENDPOINT_URL_S3": endpoint,
        ]
    }

    /// Makes a bucket that no other test has.
    package func makeBucket(_ prefix: String = "bucket") async throws -> String {
        let name = "\(prefix)-\(UInt64.random(in: 0 ... .max))"
        try await call("create_bucket", ["Bucket": .text(name)])
        return name
    }

    /// All objects, by key.
    package func objects(in bucket: String, prefix: String = "") async throws -> [Object] {
        let found = try await call(
            "list_objects_v2",
            ["Bucket": .text(bucket), "Prefix": .text(prefix)],
            pages: "Contents"
        )
        return (found.array ?? []).map {
            Object(key: $0["Key"]?.text ?? "", bytes: $0["Size"]?.int ?? -1, etag: $0["ETag"]?.text ?? "")
        }
    }

    /// The keys of all objects.
    package func keys(in bucket: String, prefix: String = "") async throws -> [String] {
        try await objects(in: bucket, prefix: prefix).map(\.key)
    }

    /// All multipart uploads that are open.
    package func uploads(in bucket: String) async throws -> [Upload] {
        let found = try await call("list_multipart_uploads", ["Bucket": .text(bucket)], pages: "Uploads")
        return (found.array ?? []).map { Upload(key: $0["Key"]?.text ?? "", id: $0["UploadId"]?.text ?? "") }
    }

    package func get(_ key: String, in bucket: String) async throws -> [UInt8] {
        try await call("get_object", ["Bucket": .text(bucket), "Key": .text(key)])["Body"]?.bytes ?? []
    }

    package func put(_ key: String, in bucket: String, _ bytes: [UInt8]) async throws {
        try await call("put_object", ["Bucket": .text(bucket), "Key": .text(key), "Body": .bytes(bytes)])
    }

    package func delete(_ key: String, in bucket: String) async throws {
        try await call("delete_object", ["Bucket": .text(bucket), "Key": .text(key)])
    }

    /// Any operation of botocore, by its name there (`head_object`), with its parameters.
    ///
    /// - Parameter pages: the list to collect over all pages.
    /// - Throws: `S3OracleError` with what the service answered.
    @discardableResult
    package func call(_ operation: String, _ parameters: [String: TestJSON] = [:], pages: String? = nil) async throws
        -> TestJSON
    {
        var request: [String: TestJSON] = [
            "do": "call", "endpoint": .text(endpoint), "accessKey": .text(accessKey), "secretKey": .text(secretKey),
            "region": .text(region), "operation": .text(operation), "parameters": .object(parameters),
        ]
        if let pages { request["pages"] = .text(pages) }
        return try await S3Oracle.ask(.object(request))
    }
}

/// What botocore raised.
package struct S3OracleError: Error, CustomStringConvertible {
    /// The code of the service (`NoSuchKey`), or the name of the exception.
    package let code: String
    /// The HTTP status; 0 when there was none.
    package let status: Int
    package let description: String
}

/// botocore in a Python process beside the tests, the second opinion about S3.
package enum S3Oracle {
    private struct Process {
        let child: ChildProcess
        let port: Int
    }

    private static let shared = Once {
        let child = try ChildProcess(Parts.python(), [try Parts.oracle("s3.py")])
        let port = try await eventually("the S3 oracle to start") {
            if child.exit != nil { throw UnretryableError("the S3 oracle ended:\n\(child.output.tail())") }
            return Int(child.output.text.split(separator: "\n").first ?? "")
        }
        return Process(child: child, port: port)
    }

    static func ask(_ request: TestJSON) async throws -> TestJSON {
        let connection = try await ByteChannel.connect(port: try await shared.value().port)
        return try await ending({ await connection.close() }) {
            try await connection.write(Array(try JSONEncoder().encode(request)))
            try await connection.closeWriting()
            let reply = try JSONDecoder().decode(TestJSON.self, from: Data(try await connection.readToEnd()))
            guard let error = reply["error"] else { return reply["result"] ?? .null }
            throw S3OracleError(
                code: error["code"]?.text ?? "",
                status: error["status"]?.int ?? 0,
                description: error["message"]?.text ?? ""
            )
        }
    }

    /// The headers that botocore's SigV4 for S3 adds to a request at a given time (`20260102T030405Z`).
    package static func sign(
        method: String,
        url: String,
        headers: [String: String] = [:],
        bodySHA256: String,
        time: String,
        accessKey: String,
        secretKey: String,
        sessionToken: String? = nil,
        region: String,
        service: String = "s3"
    ) async throws -> [String: String] {
        var request: [String: TestJSON] = [
            "do": "sign", "method": .text(method), "url": .text(url),
            "headers": .object(headers.mapValues { .text($0) }),
            "bodySHA256": .text(bodySHA256), "time": .text(time), "accessKey": .text(accessKey),
            "secretKey": .text(secretKey), "region": .text(region), "service": .text(service),
        ]
        if let sessionToken { request["sessionToken"] = .text(sessionToken) }
        return try await ask(.object(request)).object?.compactMapValues(\.text) ?? [:]
    }
}
