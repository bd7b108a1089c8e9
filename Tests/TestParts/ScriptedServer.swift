// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// Listens on a free loopback port and plays exact bytes: `serve` reads and writes each connection as it likes.
///
/// A connection is closed when its `serve` returns; all are closed when `body` returns. `index` counts from 1.
/// What `serve` throws is thrown after a `body` that succeeded, unless it only tells that the connection ended.
@discardableResult
package func withScriptedServer<Value: Sendable>(
    _ serve: @escaping @Sendable (_ connection: ByteChannel, _ index: Int) async throws -> Void,
    body: (_ port: Int) async throws -> Value
) async throws -> Value {
    try await withByteServer(serve: serve, body)
}

/// A request as a scripted HTTP server saw it.
package struct SeenRequest: Sendable {
    package let method: String
    /// Path and query, as sent.
    package let target: String
    /// Names in lower case.
    package let headers: [String: String]
    package let body: [UInt8]
    /// Which connection it came over, from 1.
    package let connection: Int
}

extension ByteChannel {
    /// Reads one HTTP/1.1 request; `nil` when the peer ends instead. Answers `Expect: 100-continue`, knows
    /// `Content-Length` and chunks.
    package func readRequest(connection: Int = 0) async throws -> SeenRequest? {
        guard let first = try await read(upTo: 1) else { return nil }
        let head = String(decoding: try await first + read(through: "\r\n\r\n"), as: UTF8.self)
        let lines = head.split(separator: "\r\n")
        let words = (lines.first ?? "").split(separator: " ")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            headers[line[..<colon].lowercased()] = value
        }
        if headers["expect"]?.lowercased() == "100-continue" { try await write("HTTP/1.1 100 Continue\r\n\r\n") }
        var body: [UInt8] = []
        if headers["transfer-encoding"]?.lowercased() == "chunked" {
            while let count = Int(try await readLine(), radix: 16), count > 0 {
                body += try await readExactly(count)
                _ = try await readLine()
            }
            _ = try await readLine()
        } else if let count = headers["content-length"].flatMap({ Int($0) }) {
            body = try await readExactly(count)
        }
        return SeenRequest(
            method: String(words.first ?? ""),
            target: words.count > 1 ? String(words[1]) : "",
            headers: headers,
            body: body,
            connection: connection
        )
    }
}

/// An HTTP server that answers each request with the bytes that `answer` gives, and keeps what it saw.
package final class ScriptedHTTP: Sendable {
    package let port: Int
    private let seen: Seen

    fileprivate final class Seen: Sendable {
        let list = Mutex<[SeenRequest]>([])
    }

    fileprivate init(port: Int, seen: Seen) {
        self.port = port
        self.seen = seen
    }

    package var url: String { "http://127.0.0.1:\(port)" }
    /// What was asked so far, in order of arrival.
    package var requests: [SeenRequest] { seen.list.withLock { $0 } }

    /// A whole response, with a `Content-Length` unless the headers have one.
    package static func response(_ status: String, headers: [String] = [], body: String = "") -> String {
        let hasLength = headers.contains { $0.lowercased().hasPrefix("content-length:") }
        let all = headers + (hasLength ? [] : ["Content-Length: \(body.utf8.count)"])
        return "HTTP/1.1 \(status)\r\n\(all.joined(separator: "\r\n"))\r\n\r\n\(body)"
    }
}

/// Serves HTTP on a free loopback port. `answer` gets the request and its number over all connections, from 1, and
/// gives raw bytes as text; an empty answer closes the connection without one.
@discardableResult
package func withScriptedHTTP<Value: Sendable>(
    _ answer: @escaping @Sendable (_ request: SeenRequest, _ number: Int) async throws -> String,
    body: (ScriptedHTTP) async throws -> Value
) async throws -> Value {
    let seen = ScriptedHTTP.Seen()
    return try await withByteServer { connection, index in
        while let request = try await connection.readRequest(connection: index) {
            let number = seen.list.withLock { list in
                list.append(request)
                return list.count
            }
            let response = try await answer(request, number)
            if response.isEmpty { return }
            try await connection.write(response)
        }
    } _: { port in
        try await body(ScriptedHTTP(port: port, seen: seen))
    }
}
