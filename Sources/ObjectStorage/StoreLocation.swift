// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// Which store is meant: what `--to` and `--from` say.
package enum StoreLocation: Sendable, Hashable {
    /// `file:///dir`: an absolute path without a slash at its end.
    case folder(path: String)
    /// `s3://bucket/prefix`.
    case bucket(BucketLocation)
    /// `webdavs://host/path`.
    case webDAV(WebDAVLocation)
    /// `gs://bucket/prefix`.
    case googleBucket(GoogleBucketLocation)
    /// `sftp://user@host/dir`.
    case server(SFTPLocation)
    /// `azblob://container/prefix`.
    case container(ContainerLocation)
    /// `https://host/path?signature`: one object under a pre-signed URL.
    case object(SingleObjectLocation)

    /// - Throws: `.usage` when the URL is none of a store.
    package init(parsing text: String) throws {
        if text.contains(where: { $0.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F } }) {
            throw Failure(.usage, "open a store: its URL holds a control character")
        }
        guard let (scheme, rest) = Self.split(text) else {
            if let form = Self.forms.first(where: { text.lowercased().hasPrefix($0.scheme + ":") }) {
                throw Failure(
                    .usage,
                    "open a store: two slashes are missing after \(form.scheme):",
                    hint: "Write it as \(form.text)."
                )
            }
            throw Failure(
                .usage,
                // Not quoted but for a path: it may be anything that was pasted, a connection string with its key too.
                "open a store: \(text.hasPrefix("/") ? text : "what is given") is not a URL",
                hint: text.hasPrefix("/") ? "A folder is written file://\(text)." : Self.supported
            )
        }
        switch scheme {
        case "file": self = try .folder(path: Self.folderPath(rest, of: text))
        case "s3": self = .bucket(try BucketLocation(parsing: rest))
        case "webdav", "webdavs": self = .webDAV(try WebDAVLocation(parsing: rest, isSecure: scheme == "webdavs"))
        case "gs": self = .googleBucket(try GoogleBucketLocation(parsing: rest))
        case "sftp": self = .server(try SFTPLocation(parsing: rest))
        case "azblob": self = .container(try ContainerLocation(parsing: rest))
        case "https", "http": self = .object(try SingleObjectLocation(parsing: rest, isSecure: scheme == "https"))
        default: throw Failure(.usage, "open a store: there is no kind of store \(scheme)://", hint: Self.supported)
        }
    }

    private static let forms: [(scheme: String, text: String)] = [
        ("file", "file:///dir"), ("s3", "s3://bucket/prefix"), ("gs", "gs://bucket/prefix"),
        ("azblob", "azblob://container/prefix"), ("sftp", "sftp://host/dir"), ("webdavs", "webdavs://host/path"),
        ("webdav", "webdav://host/path"), ("https", "https://host/object"), ("http", "http://host/object"),
    ]

    private static let supported =
        "A store is " + forms.prefix(6).map(\.text).joined(separator: ", ")
        + ", or a pre-signed https:// URL of one object."

    /// The longest of ours has seven letters.
    private static let schemeLengthMax = 12

    private static func split(_ text: String) -> (scheme: String, rest: Substring)? {
        guard let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") else { return nil }
        let scheme = text[..<colon]
        guard (1...schemeLengthMax).contains(scheme.utf8.count),
            scheme.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) })
        else { return nil }
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
        case .webDAV(let folder): folder.description
        case .googleBucket(let bucket): bucket.description
        case .server(let server): server.description
        case .container(let container): container.description
        case .object(let object): object.description
        }
    }
}
