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
    /// Leaves room for our own keys within the 1024 bytes of Google.
    private static let prefixLengthMax = 512

    /// - Parameter text: what follows `gs://`.
    init(parsing text: Substring) throws {
        let halves = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let parts = halves[0].split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        bucket = String(parts[0])
        let components = (parts.count > 1 ? parts[1] : "").split(separator: "/")
        prefix = components.joined(separator: "/")
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
        guard prefix.utf8.count <= Self.prefixLengthMax, !components.contains(where: { $0 == "." || $0 == ".." }) else {
            throw Failure(
                .usage,
                "open gs://\(bucket): the prefix is longer than \(Self.prefixLengthMax) bytes or has . or .. in it"
            )
        }
        if halves.count > 1 { try take(options: halves[1]) }
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
