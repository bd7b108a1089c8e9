// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// `s3://bucket/prefix`, with options: `?endpoint-url=…&region=…&profile=…&path-style=true`, and those of `S3Options`.
///
/// The options make two stores at different providers possible in one command; elsewhere the environment and the flags
/// of the command say the same. The prefix is taken as it is written, not decoded, as other S3 tools do.
package struct BucketLocation: Sendable, Hashable, CustomStringConvertible {
    package let bucket: String
    /// Without a slash at either end; empty for the whole bucket.
    package let prefix: String
    /// `endpoint-url`
    package private(set) var endpointURL: String?
    package private(set) var region: String?
    package private(set) var profile: String?
    /// `path-style`
    package private(set) var pathStyle: Bool?
    package private(set) var options = S3Options()

    /// The longest name a bucket ever had (before 2018, in us-east-1).
    private static let bucketLengthMax = 255

    /// - Parameter text: what follows `s3://`.
    init(parsing text: Substring) throws {
        let path = BucketPath(parsing: text)
        bucket = path.bucket
        prefix = path.prefix
        guard Self.isValid(bucket: bucket) else {
            // Not quoted: it may be a secret that somebody wrote before an @.
            throw Failure(
                .usage,
                "open an S3 store: what follows s3:// is not the name of a bucket",
                hint: "A store is s3://bucket/prefix. Credentials and hosts are not part of it: use AWS_ACCESS_KEY_ID, "
                    + "AWS_SECRET_ACCESS_KEY and --endpoint-url."
            )
        }
        try path.requirePlainPrefix(of: "s3://\(bucket)")
        if let options = path.options { try take(options: options) }
    }

    package var description: String { "s3://\(bucket)" + (prefix.isEmpty ? "" : "/" + prefix) }

    private mutating func take(options text: Substring) throws {
        let options = try LocationOptions(
            parsing: text,
            of: "\(self)",
            known: ["endpoint-url", "region", "profile", "path-style"] + S3Options.names
        )
        endpointURL = options["endpoint-url"]
        region = options["region"]
        profile = options["profile"]
        pathStyle = try options.flag("path-style")
        self.options = try S3Options(options)
    }

    /// Whether it can name a bucket at some provider; wider than the rules of AWS.
    private static func isValid(bucket: String) -> Bool {
        (1...bucketLengthMax).contains(bucket.utf8.count) && bucket != "." && bucket != ".."
            && bucket.utf8.allSatisfy(ObjectKey.isAllowed)
    }
}
