// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// Which store is meant: what `--to` and `--from` say.
package enum StoreLocation: Sendable, Hashable {
    /// `file:///dir`: an absolute path without a slash at its end.
    case folder(path: String)
    /// `s3://bucket/prefix`.
    case bucket(BucketLocation)

    /// - Throws: `.usage` when the URL is none of a store.
    package init(parsing text: String) throws {
        if text.contains(where: { $0.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F } }) {
            throw Failure(.usage, "open a store: its URL holds a control character")
        }
        guard let (scheme, rest) = Self.split(text) else {
            throw Failure(
                .usage,
                "open a store: \(text.contains("@") ? "what is given" : text) is not a URL",
                hint: text.hasPrefix("/") ? "A folder is written file://\(text)." : Self.supported
            )
        }
        switch scheme {
        case "file": self = try .folder(path: Self.folderPath(rest, of: text))
        case "s3": self = .bucket(try BucketLocation(parsing: rest))
        default: throw Failure(.usage, "open a store: there is no kind of store \(scheme)://", hint: Self.supported)
        }
    }

    private static let supported = "A store is file:///dir or s3://bucket/prefix."

    private static func split(_ text: String) -> (scheme: String, rest: Substring)? {
        guard let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") else { return nil }
        let scheme = text[..<colon]
        guard !scheme.isEmpty, scheme.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
        return (scheme.lowercased(), text[colon...].dropFirst(3))
    }

    private static func folderPath(_ rest: Substring, of text: String) throws -> String {
        var rest = rest
        if rest.hasPrefix("localhost/") { rest = rest.dropFirst("localhost".count) }
        guard rest.hasPrefix("/") else {
            throw Failure(
                .usage,
                "open the store \(text): a folder needs an absolute path",
                hint: "Three slashes: file:///backups is the folder /backups."
            )
        }
        guard !rest.contains(where: { $0 == "?" || $0 == "#" }), let path = PercentEncoding.decode(rest),
            !path.utf8.contains(0)
        else {
            throw Failure(
                .usage,
                "open the store \(text): the path is not percent-encoded as a URL wants it",
                hint: "In a URL, % is written %25, ? is written %3F and # is written %23."
            )
        }
        let components = path.split(separator: "/")
        guard !components.isEmpty else {
            throw Failure(.usage, "open the store \(text): the root of the file system is no place for a store")
        }
        return "/" + components.joined(separator: "/")
    }
}

extension StoreLocation: CustomStringConvertible {
    /// As it is typed, without options.
    package var description: String {
        switch self {
        case .folder(let path): "file://" + PercentEncoding.path(path)
        case .bucket(let bucket): bucket.description
        }
    }
}

/// `s3://bucket/prefix`, with options: `?endpoint-url=…&region=…&profile=…&path-style=true`.
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

    /// The longest name a bucket ever had (before 2018, in us-east-1).
    private static let bucketLengthMax = 255
    /// Leaves room for our own keys within the 1024 bytes of S3.
    private static let prefixLengthMax = 512

    /// - Parameter text: what follows `s3://`.
    init(parsing text: Substring) throws {
        let halves = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let parts = halves[0].split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        bucket = String(parts[0])
        let components = (parts.count > 1 ? parts[1] : "").split(separator: "/")
        prefix = components.joined(separator: "/")
        guard Self.isValid(bucket: bucket) else {
            // Not quoted: it may be a secret that somebody wrote before an @.
            throw Failure(
                .usage,
                "open an S3 store: what follows s3:// is not the name of a bucket",
                hint: "A store is s3://bucket/prefix. Credentials and hosts are not part of it: use AWS_ACCESS_KEY_ID, "
                    + "AWS_SECRET_ACCESS_KEY and --endpoint-url."
            )
        }
        guard prefix.utf8.count <= Self.prefixLengthMax, !components.contains(where: { $0 == "." || $0 == ".." }) else {
            throw Failure(
                .usage,
                "open s3://\(bucket): the prefix is longer than \(Self.prefixLengthMax) bytes or has . or .. in it"
            )
        }
        if halves.count > 1 { try take(options: halves[1]) }
    }

    package var description: String { "s3://\(bucket)" + (prefix.isEmpty ? "" : "/" + prefix) }

    private mutating func take(options: Substring) throws {
        for option in options.split(separator: "&") {
            let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let value = PercentEncoding.decode(parts[1]), !value.isEmpty else {
                throw Failure(.usage, "open \(self): the option \(parts[0]) has no value")
            }
            switch parts[0] {
            case "endpoint-url": endpointURL = value
            case "region": region = value
            case "profile": profile = value
            case "path-style":
                guard let choice = Bool(value) else {
                    throw Failure(.usage, "open \(self): the option path-style is neither true nor false")
                }
                pathStyle = choice
            default:
                throw Failure(
                    .usage,
                    "open \(self): there is no option \(parts[0])",
                    hint: "The options of an S3 URL are endpoint-url, region, profile and path-style."
                )
            }
        }
    }

    /// Whether it can name a bucket at some provider; wider than the rules of AWS.
    private static func isValid(bucket: String) -> Bool {
        (1...bucketLengthMax).contains(bucket.utf8.count) && bucket != "." && bucket != ".."
            && bucket.utf8.allSatisfy(ObjectKey.isAllowed)
    }
}
