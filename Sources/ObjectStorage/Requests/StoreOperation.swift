// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Crypto
import HTTPTransport

/// One request to a bucket, before it is signed; it can be sent any number of times.
struct StoreOperation: Sendable {
    /// What people read in an error: `list s3://bucket/prefix`.
    let attempt: String
    /// The right it needs, as IAM names it.
    let action: String
    let method: String
    /// The whole key, prefix included; none for the bucket itself.
    var key: String?
    var query: [(name: String, value: String)] = []
    var headers: [(name: String, value: String)] = []
    /// Statuses beside 200 that are answers and not errors.
    var answers: Set<Int> = []
    /// Where they differ from the usual ones.
    var deadlines: HTTPDeadlines?
    private(set) var body: [UInt8] = []
    /// Of the body; 64 hexadecimal digits.
    private(set) var bodySHA256 = SHA256Digest.hex(of: [])

    init(_ attempt: String, action: String, _ method: String, key: String? = nil) {
        self.attempt = attempt
        self.action = action
        self.method = method
        self.key = key
    }

    /// Sets the body with its digests: one is signed, and the other is what Object Lock and old stores want.
    mutating func carry(_ bytes: [UInt8], type: String) {
        body = bytes
        bodySHA256 = SHA256Digest.hex(of: bytes)
        headers.append(("Content-Type", type))
        headers.append(("Content-MD5", Base64.text(Array(Insecure.MD5.hash(data: bytes)))))
    }
}
