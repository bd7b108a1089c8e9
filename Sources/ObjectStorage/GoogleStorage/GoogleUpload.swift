// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// A resumable upload that has begun. It cannot be printed: whoever knows its URL may write.
struct GoogleUpload: Sendable, CustomStringConvertible, CustomReflectable {
    let key: ObjectKey
    let url: String
    let identity: String

    var description: String { "an upload of \(key)" }
    var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// Bytes of an upload, and where in the object they stand.
struct GooglePiece: Sendable {
    let bytes: [UInt8]
    let start: Int64
    /// How large the object is, and its checksum: with the last piece alone, which makes the object visible.
    var ending: (bytes: Int64, checksum: String)?

    var end: Int64 { start + Int64(bytes.count) }
}

/// What became of a piece.
enum GooglePushed: Sendable {
    /// The store has all of it, and waits for more.
    case kept
    /// It was the last one, and this is the object.
    case finished(GoogleObject)
    /// The store does not know the upload, or not any more.
    case gone
    /// Another object has the key.
    case refused
}

extension GoogleStore {
    /// Statuses of an upload that was given up, or ended long ago; 499 is what its `DELETE` is answered with.
    static let goneStatuses: Set<Int> = [404, 410, 499]

    /// Sends a piece until the store has all of it. After whatever goes wrong the store is asked how much it has, and
    /// the rest is sent from there.
    /// - Parameter asksFirst: whether it may have been sent before.
    func push(_ piece: GooglePiece, to upload: GoogleUpload, asksFirst: Bool = false) async throws -> GooglePushed {
        var asks = asksFirst
        var kept = piece.start
        var tries = StoreTries(operation: sending(piece, from: kept, to: upload), exchange: exchange)
        while true {
            do {
                let operation = asks ? asking(upload) : sending(piece, from: kept, to: upload)
                let response = try await exchange.client.send(
                    try await tries.signed(operation),
                    bodyBytesMax: XMLLimits.bytesMax
                )
                try exchange.check(response.head, response.body, of: operation)
                switch response.head.status {
                case 308: break
                case 412: return .refused
                case let status where Self.goneStatuses.contains(status): return .gone
                default: return try finished(piece, response)
                }
                let now = try keptBytes(response.head, of: piece, upload)
                if now == piece.end, piece.ending == nil {
                    tries.succeeded()
                    return .kept
                }
                guard asks || now > kept else {
                    throw StoreMalformed(reason: "the store took nothing of what was sent")
                }
                if now > kept { tries.progressed() }
                (kept, asks) = (now, false)
            } catch {
                asks = true
                try await tries.waitAfter(error)
            }
        }
    }

    private func finished(_ piece: GooglePiece, _ response: HTTPResponse) throws -> GooglePushed {
        guard piece.ending != nil else {
            throw Failure(.unsupported, "the store ended an upload that has no end yet")
        }
        return .finished(try GoogleObject(response))
    }

    /// How many bytes of the object the store has, by an answer that it wants more.
    private func keptBytes(
        _ head: HTTPResponseHead,
        of piece: GooglePiece,
        _ upload: GoogleUpload
    ) throws(StoreMalformed) -> Int64 {
        var kept: Int64 = 0
        if let range = head["range"] {
            guard range.hasPrefix("bytes=0-"), let last = Int64(range.dropFirst("bytes=0-".count)), last >= 0 else {
                throw StoreMalformed(reason: "the store did not say how much it has: \(range.prefix(60))")
            }
            kept = last + 1
        }
        guard kept >= piece.start else {
            throw StoreMalformed(reason: "the store has \(kept) of the \(piece.start) bytes that it had confirmed")
        }
        guard kept <= piece.end else {
            throw StoreMalformed(reason: "the store has \(kept) bytes, and \(piece.end) were sent")
        }
        return kept
    }

    private func sending(_ piece: GooglePiece, from start: Int64, to upload: GoogleUpload) -> StoreOperation {
        let isLast = piece.ending != nil
        var operation = operation(isLast ? "complete the upload of" : "upload", upload)
        operation.body = start == piece.start ? piece.bytes : Array(piece.bytes.dropFirst(Int(start - piece.start)))
        let range = operation.body.isEmpty ? "*" : "\(start)-\(piece.end - 1)"
        operation.headers = [("Content-Range", "bytes \(range)/\(piece.ending.map { "\($0.bytes)" } ?? "*")")]
        if let ending = piece.ending { operation.headers.append(("x-goog-hash", "crc32c=\(ending.checksum)")) }
        return operation
    }

    private func asking(_ upload: GoogleUpload) -> StoreOperation {
        var operation = operation("ask how far the upload has come of", upload)
        operation.headers = [("Content-Range", "bytes */*")]
        return operation
    }

    private func operation(_ attempt: String, _ upload: GoogleUpload) -> StoreOperation {
        var operation = StoreOperation(
            "\(attempt) \(shown(upload.key))",
            action: "storage.objects.create",
            "PUT",
            key: fullKey(upload.key)
        )
        operation.url = upload.url
        operation.answers = Self.goneStatuses.union([201, 308, 412])
        return operation
    }
}
