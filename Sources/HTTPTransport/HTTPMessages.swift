// SPDX-License-Identifier: Apache-2.0

/// One HTTP request, exactly as it goes out: the URL is sent as it is written, nothing is added to a signed request but
/// what HTTP itself needs (`Content-Length`, `Host`).
package struct HTTPRequest: Sendable {
    /// `GET`, `PUT`, `POST`, `PATCH`, `HEAD` or `DELETE`.
    package var method: String
    /// Absolute, with an already encoded path and query.
    package var url: String
    /// Sent in this order. A value with CR, LF or NUL is refused with `.configuration`.
    package var headers: [(name: String, value: String)]
    /// The whole body; kept by the caller, so that a request can be sent again. Empty: no body.
    package var body: [UInt8]
    package var deadlines: HTTPDeadlines
    /// Who we are, where TLS asks; wins over the files of the client's configuration.
    package var identity: HTTPClientIdentity?
    /// Over a connection of its own, so that it goes out once and no more: on a kept one that turns out to be dead,
    /// libcurl sends it again, and nobody knows whether the first was carried out.
    package var isSentOnce: Bool
    /// A body that is made while it is sent, instead of `body`.
    var outgoing: OutgoingBody?

    package init(
        method: String,
        url: String,
        headers: [(name: String, value: String)] = [],
        body: [UInt8] = [],
        deadlines: HTTPDeadlines = HTTPDeadlines(),
        identity: HTTPClientIdentity? = nil,
        isSentOnce: Bool = false
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.deadlines = deadlines
        self.identity = identity
        self.isSentOnce = isSentOnce
    }
}

/// A certificate and its key, as bytes: for those that change while the client lives. A connection that was made as
/// somebody else is not used again.
package struct HTTPClientIdentity: Sendable, Hashable {
    /// PEM: the certificate, then what it needs to reach the authority.
    package let certificate: [UInt8]
    /// PEM, not encrypted.
    package let key: [UInt8]

    package init(certificate: [UInt8], key: [UInt8]) {
        self.certificate = certificate
        self.key = key
    }
}

extension HTTPClientIdentity: CustomStringConvertible, CustomReflectable {
    /// No output shows the key.
    package var description: String { "***" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// How long to wait, in seconds. There is no total limit: what moves may go on.
package struct HTTPDeadlines: Sendable {
    /// For name resolution, TCP and TLS together.
    package var connectSeconds: Int
    /// For the time in which not one byte moves, in either direction.
    package var noProgressSeconds: Int

    package init(connectSeconds: Int = 10, noProgressSeconds: Int = 60) {
        self.connectSeconds = connectSeconds
        self.noProgressSeconds = noProgressSeconds
    }
}

/// The status and the headers of an answer.
package struct HTTPResponseHead: Sendable {
    package let status: Int
    package let headers: [(name: String, value: String)]

    package init(status: Int, headers: [(name: String, value: String)]) {
        self.status = status
        self.headers = headers
    }

    /// The first header of that name; names are compared without case.
    package subscript(name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}

/// An answer with its whole body, which the request capped.
package struct HTTPResponse: Sendable {
    package let head: HTTPResponseHead
    package let body: [UInt8]

    package init(head: HTTPResponseHead, body: [UInt8]) {
        self.head = head
        self.body = body
    }
}
