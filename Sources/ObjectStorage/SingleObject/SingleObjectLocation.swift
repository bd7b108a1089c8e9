// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// `https://host/path?signature`: one object, under a URL that carries the right to write it, or to read it (a
/// pre-signed URL of S3 or Google, a SAS of Azure).
///
/// What follows the path is a secret, and is sent as it is given. What follows a `#` is ours, and is not sent.
package struct SingleObjectLocation: Sendable, Hashable, CustomStringConvertible {
    /// The whole URL, as it is sent.
    let url: String
    /// `overwrite`: whether an object that is there already may be replaced.
    let overwrites: Bool
    /// The query, percent-encoded; empty where there is none.
    private let query: Substring

    /// How often a request is sent, counting the first time, where nobody says it.
    static let attemptsUsual = 8

    private static let hint =
        "Such a store is https://host/path?signature, as it was given; after a # may stand overwrite=true."

    /// - Parameter text: what follows the scheme.
    /// - Throws: `.usage`. No message quotes anything behind the host.
    init(parsing text: Substring, isSecure: Bool) throws {
        let halves = text.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        let scheme = isSecure ? "https" : "http"
        url = "\(scheme)://\(halves[0])"
        let path = halves[0].prefix { $0 != "?" }
        query = halves[0].dropFirst(path.count + 1)
        let authority = path.prefix { $0 != "/" }
        guard !authority.isEmpty, !authority.contains("@"), url.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
            path.count > authority.count + 1, !path.hasSuffix("/")
        else {
            throw Failure(
                .usage,
                "open a single object: what follows \(scheme):// does not name one on a host",
                hint: Self.hint
            )
        }
        description = "\(scheme)://\(path)"
        guard isSecure || Loopback.contains(authority.lowercased()) else {
            throw Failure(
                .usage,
                "open \(description): without TLS everybody in between can read the signature and the backup",
                hint: "Use the https:// URL of the object."
            )
        }
        guard halves.count > 1 else {
            overwrites = false
            return
        }
        let options = try LocationOptions(parsing: halves[1], of: description, known: ["overwrite"])
        overwrites = try options.flag("overwrite") ?? false
    }

    /// Without the signature.
    package let description: String

    /// Whether the signature is that of a SAS, by its parameters (Microsoft, "Create a service SAS").
    var isSharedAccess: Bool {
        let names = query.split(separator: "&").map { $0.prefix { $0 != "=" } }
        return names.contains("sig") && names.contains("sv")
    }

    /// The values of the query, which no message may show.
    package var secrets: [String] {
        query.split(separator: "&").map { String($0.drop { $0 != "=" }.dropFirst()) }.filter { $0.utf8.count >= 16 }
    }
}
