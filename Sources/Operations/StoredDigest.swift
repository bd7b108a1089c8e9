// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import Synchronization

extension ByteStream {
    /// The same stored bytes, which throw at their end, at the latest, when they are not those of the manifest.
    func held(against object: Manifest.Stored, of subject: String) -> ByteStream {
        let digest = StoredDigest(object, of: subject)
        return transformed(
            { chunk in
                try digest.observe(chunk)
                return chunk
            },
            finish: {
                try digest.finish()
                return []
            }
        )
    }
}

/// Holds the stored bytes against the manifest while they come.
private final class StoredDigest: Sendable {
    private let digest = Mutex(SHA256Digest())
    private let expected: Manifest.Stored
    private let subject: String

    init(_ expected: Manifest.Stored, of subject: String) {
        self.expected = expected
        self.subject = subject
    }

    func observe(_ chunk: [UInt8]) throws {
        let bytes = digest.withLock { digest in
            digest.update(chunk)
            return digest.bytes
        }
        guard bytes <= expected.bytes else {
            throw Failure(
                .digestMismatch,
                "verify \(subject): \(expected.key) has more than the \(expected.bytes) bytes that the manifest says"
            )
        }
    }

    func finish() throws {
        let (bytes, sha256) = digest.withLock { ($0.bytes, $0.hex) }
        guard bytes == expected.bytes, sha256 == expected.sha256 else {
            throw Failure(
                .digestMismatch,
                "verify \(subject): \(expected.key) has \(bytes) bytes with the SHA-256 \(sha256), "
                    + "the manifest says \(expected.bytes) and \(expected.sha256)"
            )
        }
    }
}
