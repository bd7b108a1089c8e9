// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures

/// Runs `body` with a client, whose one thread and all of whose connections are gone when the scope is left.
/// - Throws: what `body` throws; `.unclassified` when libcurl or the thread cannot be started.
nonisolated(nonsending) package func withHTTPClient<Result>(
    _ configuration: HTTPClientConfiguration = HTTPClientConfiguration(),
    _ body: (HTTPClient) async throws -> Result
) async throws -> Result {
    let thread = try TransferThread.start(maxConnections: configuration.maxConnections)
    do {
        let result = try await body(HTTPClient(thread: thread, configuration: configuration))
        await thread.stop()
        return result
    } catch {
        await thread.stop()
        throw error
    }
}

/// Sends requests over HTTP/1.1, through libcurl. Any number of tasks may use it at once.
///
/// Redirects are not followed, answers of any status are answers, nothing is sent twice but on a kept connection that
/// turned out to be dead, and not even there when the request says so. A failure names the request without its query
/// and without credentials. Its codes:
/// - `.unreachable`: the name, the connection, or a connection that broke, also in the middle of an answer.
/// - `.timeout`: the deadlines of the request.
/// - `.tlsFailed`: the certificate of the server cannot be verified, or TLS cannot be agreed on.
/// - `.protocolViolation`: what came is not HTTP, or larger than allowed.
/// - `.configuration`: the request, a certificate file, the proxy.
/// - `.authenticationFailed`: the proxy asks for credentials.
/// A cancelled task throws `CancellationError`; its transfer is over by then.
package struct HTTPClient: Sendable {
    let thread: TransferThread
    let configuration: HTTPClientConfiguration

    /// Sends a request whose answer is small.
    /// - Throws: as above; `.protocolViolation` when the body of the answer is larger than `bodyBytesMax`.
    nonisolated(nonsending) package func send(_ request: HTTPRequest, bodyBytesMax: Int) async throws -> HTTPResponse {
        try await withResponse(to: request) { head, chunks in
            try await Self.collected(chunks, head, of: request, bytesMax: bodyBytesMax)
        }
    }

    nonisolated(nonsending) static func collected(
        _ chunks: ByteStream,
        _ head: HTTPResponseHead,
        of request: HTTPRequest,
        bytesMax: Int
    ) async throws -> HTTPResponse {
        var body: [UInt8] = []
        for try await chunk in chunks {
            guard body.count + chunk.count <= bytesMax else {
                throw Failure(
                    .protocolViolation,
                    "\(request.shown): the answer, of status \(head.status), is larger than \(bytesMax) bytes"
                )
            }
            if body.isEmpty { body = chunk } else { body += chunk }
        }
        return HTTPResponse(head: head, body: body)
    }

    /// Sends a request and gives `body` the answer as a stream, as soon as its headers are there.
    ///
    /// The reader sets the pace: while it does not read, the server is held back, with about a mebibyte in memory.
    /// The stream throws `.unreachable` when fewer bytes come than the server announced. When `body` is left, the
    /// transfer is over: if the answer was not read to its end, its connection is closed.
    /// - Throws: as above, and what `body` throws.
    nonisolated(nonsending) package func withResponse<Result>(
        to request: HTTPRequest,
        _ body: (HTTPResponseHead, ByteStream) async throws -> Result
    ) async throws -> Result {
        let transfer = try begin(request)
        do {
            let head = try await transfer.head()
            let result = try await body(head, ByteStream { try await transfer.nextChunk() })
            await transfer.abandon()
            return result
        } catch {
            await transfer.abandon()
            throw error
        }
    }

    /// Hands a request to the thread. Whoever calls this abandons the transfer.
    func begin(_ request: HTTPRequest) throws -> HTTPTransfer {
        try request.check()
        if configuration.pinnedPublicKey != nil, !request.isSecure {
            throw Failure(.configuration, "\(request.shown): a key is pinned, and without TLS no server shows one")
        }
        try Task.checkCancellation()
        let transfer = HTTPTransfer(request, shown: request.shown, on: thread) { [configuration] transfer, mayAsk in
            try RunningTransfer(transfer, configuration, mayAsk: mayAsk)
        }
        thread.obey(.start(transfer))
        return transfer
    }
}
