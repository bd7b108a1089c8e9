// SPDX-License-Identifier: Apache-2.0

import Failures

/// `bucket/prefix?options`: what follows the scheme in the URL of a store that has buckets, or calls them containers.
struct BucketPath: Sendable {
    let bucket: String
    /// Without a slash at either end; empty for the whole bucket. Taken as it is written, not decoded.
    let prefix: String
    /// What follows the question mark, if there is one.
    let options: Substring?
    private let isPlain: Bool

    /// Leaves room for our own keys within the 1024 bytes that all providers allow.
    private static let prefixLengthMax = 512

    init(parsing text: Substring) {
        let halves = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let parts = halves[0].split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let components = (parts.count > 1 ? parts[1] : "").split(separator: "/")
        bucket = String(parts[0])
        prefix = components.joined(separator: "/")
        options = halves.count > 1 ? halves[1] : nil
        isPlain = !components.contains { $0 == "." || $0 == ".." }
    }

    /// - Parameter location: the URL without its prefix, for the message.
    /// - Throws: `.usage` when the prefix is too long or could lead out of itself.
    func requirePlainPrefix(of location: String) throws {
        guard prefix.utf8.count <= Self.prefixLengthMax, isPlain else {
            throw Failure(
                .usage,
                "open \(location): the prefix is longer than \(Self.prefixLengthMax) bytes or has . or .. in it"
            )
        }
    }
}
