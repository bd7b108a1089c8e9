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
    /// - Parameter isLocked: whether it keeps versions and may hold locks.
    package func makeBucket(_ prefix: String = "bucket", isLocked: Bool = false) async throws -> String {
        let name = "\(prefix)-\(UInt64.random(in: 0 ... .max))"
        var parameters: [String: TestJSON] = ["Bucket": .text(name)]
        if isLocked { parameters["ObjectLockEnabledForBucket"] = true }
        try await call("create_bucket", parameters)
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

    /// A URL that carries the right to one operation (`put_object`) on one object, for ten minutes.
    /// - Parameter endpoint: where the request will go, when that is not the server itself.
    package func presigned(
        _ operation: String,
        _ key: String,
        in bucket: String,
        at endpoint: String? = nil
    ) async throws -> String {
        let parameters: [String: TestJSON] = [
            "ClientMethod": .text(operation), "ExpiresIn": 600,
            "Params": .object(["Bucket": .text(bucket), "Key": .text(key)]),
        ]
        return try await call("generate_presigned_url", parameters, at: endpoint).text ?? ""
    }

    /// Any operation of botocore, by its name there (`head_object`), with its parameters.
    ///
    /// - Parameter pages: the list to collect over all pages.
    /// - Throws: `S3OracleError` with what the service answered.
    @discardableResult
    package func call(
        _ operation: String,
        _ parameters: [String: TestJSON] = [:],
        pages: String? = nil,
        at other: String? = nil
    ) async throws -> TestJSON {
        var request: [String: TestJSON] = [
            "do": "call", "endpoint": .text(other ?? endpoint), "accessKey": .text(accessKey),
            "secretKey": .text(secretKey),
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
    private static let script = ScriptOracle("s3.py")

    static func ask(_ request: TestJSON) async throws -> TestJSON { try await script.ask(request) }

    /// A request that is to be signed.
    package struct Unsigned: Sendable {
        package var method: String
        package var url: String
        package var headers: [(name: String, value: String)]
        package var bodySHA256: String
        /// `20260102T030405Z`
        package var time: String
        package var accessKey: String
        package var secretKey: String
        package var sessionToken: String?
        package var region: String
        package var service: String

        package init(
            method: String,
            url: String,
            headers: [(name: String, value: String)],
            bodySHA256: String,
            time: String,
            accessKey: String,
            secretKey: String,
            sessionToken: String? = nil,
            region: String,
            service: String
        ) {
            self.method = method
            self.url = url
            self.headers = headers
            self.bodySHA256 = bodySHA256
            self.time = time
            self.accessKey = accessKey
            self.secretKey = secretKey
            self.sessionToken = sessionToken
            self.region = region
            self.service = service
        }
    }

    /// How botocore signs requests: the `Authorization` header of each, and the canonical request that it stands for.
    package static func sign(_ requests: [Unsigned]) async throws -> [(authorization: String, canonical: String)] {
        let list = requests.map { request in
            TestJSON.object([
                "method": .text(request.method), "url": .text(request.url),
                "headers": .array(request.headers.map { .array([.text($0.name), .text($0.value)]) }),
                "bodySHA256": .text(request.bodySHA256), "time": .text(request.time),
                "accessKey": .text(request.accessKey), "secretKey": .text(request.secretKey),
                "sessionToken": request.sessionToken.map { .text($0) } ?? .null, "region": .text(request.region),
                "service": .text(request.service),
            ])
        }
        let signed = try await ask(.object(["do": "sign", "requests": .array(list)])).array ?? []
        return signed.map { ($0["authorization"]?.text ?? "", $0["canonical"]?.text ?? "") }
    }
}
