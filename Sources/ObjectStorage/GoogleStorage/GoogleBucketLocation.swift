// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// `gs://bucket/prefix`, with options: `?endpoint-url=…&user-project=…&storage-class=…&kms-key=…`.
package struct GoogleBucketLocation: Sendable, Hashable, CustomStringConvertible {
    package let bucket: String
    /// Without a slash at either end; empty for the whole bucket.
    package let prefix: String
    /// `endpoint-url`
    package private(set) var endpointURL: String?
    /// `user-project`: the project that pays, where the bucket wants the caller to.
    package private(set) var userProject: String?
    /// `storage-class` of what is written: `NEARLINE`.
    package private(set) var storageClass: String?
    /// `kms-key`, by its whole name.
    package private(set) var kmsKey: String?

    /// The longest name that a bucket can have, with dots in it.
    private static let bucketLengthMax = 222

    /// - Parameter text: what follows `gs://`.
    init(parsing text: Substring) throws {
        let path = BucketPath(parsing: text)
        bucket = path.bucket
        prefix = path.prefix
        guard (1...Self.bucketLengthMax).contains(bucket.utf8.count), bucket != ".", bucket != "..",
            bucket.utf8.allSatisfy(ObjectKey.isAllowed)
        else {
            // Not quoted: it may be a secret that somebody wrote before an @.
            throw Failure(
                .usage,
                "open a Google Cloud Storage store: what follows gs:// is not the name of a bucket",
                hint:
                    "A store is gs://bucket/prefix. Credentials are not part of it: use GOOGLE_APPLICATION_CREDENTIALS."
            )
        }
        try path.requirePlainPrefix(of: "gs://\(bucket)")
        if let options = path.options { try take(options: options) }
    }

    package var description: String { "gs://\(bucket)" + (prefix.isEmpty ? "" : "/" + prefix) }

    private mutating func take(options text: Substring) throws {
        let options = try LocationOptions(
            parsing: text,
            of: "\(self)",
            known: ["endpoint-url", "user-project", "storage-class", "kms-key"]
        )
        endpointURL = options["endpoint-url"]
        userProject = options["user-project"]
        storageClass = options["storage-class"]
        kmsKey = options["kms-key"]
    }
}
