// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures

extension HTTPClient {
    /// Sends a request whose body is made while it is sent, and whose answer is small.
    ///
    /// The body is read at the pace of the server, with about a mebibyte in memory. It goes out once: nothing can be
    /// sent again. An answer that comes before the end of the body ends it.
    /// - Parameter length: how many bytes the body has, where that is known; `Transfer-Encoding: chunked` otherwise.
    /// - Throws: as `send`, and what the stream throws.
    package func upload(
        _ request: HTTPRequest,
        _ body: ByteStream,
        length: Int64? = nil,
        bodyBytesMax: Int
    ) async throws -> HTTPResponse {
        let outgoing = OutgoingBody(length: length)
        var request = request
        request.outgoing = outgoing
        request.isSentOnce = true
        let transfer = try begin(request)
        return try await withThrowingTaskGroup(of: Void.self) { [request] group in
            group.addTask { await fill(outgoing, of: transfer, from: body) }
            defer { group.cancelAll() }
            do {
                let head = try await transfer.head()
                let chunks = ByteStream { try await transfer.nextChunk() }
                let answer = try await Self.collected(chunks, head, of: request, bytesMax: bodyBytesMax)
                await transfer.abandon()
                return answer
            } catch {
                await transfer.abandon()
                throw error
            }
        }
    }

    private func fill(_ outgoing: OutgoingBody, of transfer: HTTPTransfer, from body: ByteStream) async {
        do {
            for try await chunk in body where try await outgoing.put(chunk) { transfer.resume() }
            outgoing.end()
            transfer.resume()
        } catch {
            // The first word about a transfer counts: the reader of the answer hears why there is none.
            transfer.end(.failure(error))
            thread.obey(.abort(transfer))
        }
    }
}
