// SPDX-License-Identifier: Apache-2.0

import HTTPTransport

/// What `PROPFIND` tells of a folder or a file (RFC 4918, section 9.1).
struct WebDAVEntry: Sendable {
    /// The components of its path, decoded.
    let components: [String]
    let isFolder: Bool
    /// `nil` when the server does not say.
    let bytes: Int64?
    let modifiedAtSeconds: Int64?
    let tag: String?
}

/// Reads the `multistatus` documents of WebDAV. Each is complete, or reading it throws.
enum WebDAVAnswers {
    /// What is asked for.
    static let propertyRequest = Array(
        ("<?xml version=\"1.0\" encoding=\"utf-8\"?><propfind xmlns=\"DAV:\"><prop><resourcetype/><getcontentlength/>"
            + "<getlastmodified/><getetag/></prop></propfind>").utf8
    )

    static func entries(_ response: HTTPResponse) throws(StoreMalformed) -> [WebDAVEntry] {
        let document = try XMLElement(of: response, by: "WebDAV", root: ["multistatus"])
        var entries: [WebDAVEntry] = []
        for each in document.all("response") { entries.append(try entry(each)) }
        return entries
    }

    private static func entry(_ response: XMLElement) throws(StoreMalformed) -> WebDAVEntry {
        guard let href = response["href"], let components = components(of: href) else {
            throw StoreMalformed(reason: "the list has an entry whose path is not understood")
        }
        // So a server says that it left something out: 507 for the whole, or an error for one.
        if let status = response["status"], !isOK(status) {
            throw StoreMalformed(reason: "the list is not whole: the server says \(status.prefix(40)) of an entry")
        }
        let found = response.all("propstat").filter { isOK($0["status"] ?? "") }.flatMap { $0.all("prop") }
        func text(_ name: String) -> String? { found.lazy.compactMap { $0[name] }.first { !$0.isEmpty } }
        let kinds = found.flatMap { $0.all("resourcetype") }.flatMap(\.children)
        return WebDAVEntry(
            components: components,
            isFolder: kinds.contains { $0.name == "collection" },
            bytes: text("getcontentlength").flatMap { Int64($0) },
            modifiedAtSeconds: text("getlastmodified").flatMap(CivilTime.init(httpDate:))?.secondsSince1970,
            tag: text("getetag")
        )
    }

    /// `HTTP/1.1 200 OK`
    private static func isOK(_ status: String) -> Bool {
        let words = status.split(separator: " ")
        return words.count >= 2 && words[1] == "200"
    }

    /// An absolute path, or an absolute URL.
    private static func components(of href: String) -> [String]? {
        var path = href[...]
        if let scheme = path.firstRange(of: "://") {
            path = path[scheme.upperBound...]
            path = path[(path.firstIndex(of: "/") ?? path.endIndex)...]
        }
        let parts = path.split(separator: "/").map { PercentEncoding.decode($0) }
        return parts.contains { $0 == nil } ? nil : parts.compactMap(\.self)
    }
}
