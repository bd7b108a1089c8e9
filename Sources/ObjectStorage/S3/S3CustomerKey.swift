// SPDX-License-Identifier: Apache-2.0

import Crypto
import Failures

/// A key with which the store encrypts and decrypts, and which it does not keep (SSE-C). Shown to nobody.
struct S3CustomerKey: Sendable {
    private let key: [UInt8]

    private static let lengthBytes = 32
    private static let fileBytesMax = 128

    /// Reads a file of 32 bytes, or of their base64 on one line. Blocks.
    /// - Throws: `.configuration`; no message holds anything of the file.
    init(file: String) throws {
        guard let bytes = try SmallFile.read(file, bytesMax: Self.fileBytesMax) else {
            throw Failure(.configuration, "read the key \(file): there is no such file")
        }
        let text = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
        guard let key = bytes.count == Self.lengthBytes ? bytes : Base64.bytes(text), key.count == Self.lengthBytes
        else {
            throw Failure(
                .configuration,
                "read the key \(file): it is neither 32 bytes nor the base64 of 32 bytes",
                hint: "Make one with `openssl rand -base64 32`, and keep it: without it nothing can be read."
            )
        }
        self.key = key
    }

    /// Struck out of what the store says.
    var secrets: [String] { [Base64.text(key)] }

    /// Headers of every request that writes or reads bytes of an object, or looks at one.
    var headers: [S3Options.Header] {
        [
            ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
            ("x-amz-server-side-encryption-customer-key", Base64.text(key)),
            (
                "x-amz-server-side-encryption-customer-key-MD5",
                Base64.text(Array(Insecure.MD5.hash(data: key)))
            ),
        ]
    }
}

extension S3CustomerKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    var description: String { "a key" }
    var debugDescription: String { description }
    var customMirror: Mirror { Mirror(self, children: [:]) }
}
