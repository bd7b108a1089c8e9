// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// Requests to a WebDAV server.
struct WebDAVDialect: StoreDialect {
    let location: WebDAVLocation
    let credentials: WebDAVCredentials

    func url(key: String?, query: [(name: String, value: String)]) -> String {
        guard let key else { return location.root + "/" }
        return "\(location.root)/\(PercentEncoding.path(key))"
    }

    func authorized(
        _ request: HTTPRequest,
        for operation: StoreOperation,
        atSecondsSince1970 seconds: Int64
    ) async throws -> HTTPRequest {
        guard let header = credentials.header else { return request }
        var request = request
        request.headers.append(("Authorization", header))
        return request
    }

    func refusal(_ head: HTTPResponseHead, _ body: [UInt8]) -> any StoreRefusal {
        WebDAVRefusal(status: head.status)
    }
}

/// A status of a WebDAV server that is an error. Its page is HTML for people, and is not quoted.
struct WebDAVRefusal: StoreRefusal {
    let status: Int

    var isPassing: Bool { [408, 423, 429, 500, 502, 503, 504, 509].contains(status) }
    var isStoreMissing: Bool { false }
    var isAboutClock: Bool { false }
    var areCredentialsStale: Bool { false }

    func failure(of operation: StoreOperation) -> Failure {
        let (code, hint) = meaning(for: operation)
        return Failure(code, "\(operation.attempt): the server answered \(status)", hint: hint)
    }

    private func meaning(for operation: StoreOperation) -> (Failure.Code, String?) {
        switch status {
        case 401:
            (
                .authenticationFailed,
                "Set WEBDAV_USER and WEBDAV_PASSWORD, or WEBDAV_TOKEN. Digest authentication is not supported."
            )
        case 403: (.permissionDenied, "Allow \(operation.action) in this folder to the user.")
        case 404: (.noSuchObject, nil)
        case 405, 501:
            (.unsupported, "Is this the URL of a WebDAV folder? The server does not know \(operation.method).")
        case 411: (.unsupported, "The server takes no upload whose length is not known before (chunked).")
        case 412: (.alreadyExists, nil)
        case 413, 507: (.noSpace, "Enlarge the quota or the limit of the server. `redoubt prune` removes old backups.")
        case 423: (.storeUnavailable, "Another client has locked the resource.")
        case 300...399:
            (.configuration, "Redirects are not followed. Use the address that the server itself uses.")
        default: (isPassing || status >= 500 ? .storeUnavailable : .unsupported, nil)
        }
    }
}
