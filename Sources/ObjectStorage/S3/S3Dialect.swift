// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Crypto
import HTTPTransport

/// Requests to a bucket as S3 wants them.
struct S3Dialect: StoreDialect {
    let settings: S3Settings

    func url(key: String?, query: [(name: String, value: String)]) -> String {
        settings.endpoint.url(key: key, query: query)
    }

    func authorized(
        _ request: HTTPRequest,
        for operation: StoreOperation,
        atSecondsSince1970 seconds: Int64
    ) async throws -> HTTPRequest {
        let signer = RequestSigner(credentials: settings.credentials, region: settings.region)
        let digest = SHA256Digest.hex(of: operation.body)
        return try signer.signed(request, payloadSHA256: digest, at: CivilTime(secondsSince1970: seconds))
    }

    func refusal(_ head: HTTPResponseHead, _ body: [UInt8]) -> any StoreRefusal {
        error(head, body)
    }

    func error(_ head: HTTPResponseHead, _ body: [UInt8]) -> S3Error {
        S3Error(head, body, secrets: settings.credentials.secrets)
    }
}

extension StoreOperation {
    /// Sets the body with its MD5, which Object Lock and old stores want.
    mutating func carry(_ bytes: [UInt8], type: String) {
        body = bytes
        headers.append(("Content-Type", type))
        headers.append(("Content-MD5", Base64.text(Array(Insecure.MD5.hash(data: bytes)))))
    }
}
