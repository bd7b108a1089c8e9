// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// An object as `HEAD` shows it.
struct S3Look: Sendable {
    let object: StoredObject
    /// The identity that its writer gave it; `nil` when the provider does not keep metadata, or somebody else wrote it.
    let identity: String?
    /// All that it says.
    let head: HTTPResponseHead
}

extension S3Store {
    /// The header that carries the identity of a write.
    static let identityHeader = "x-amz-meta-redoubt-upload"

    /// An identity that no other write has.
    static func newIdentity() -> String {
        Hexadecimal.text((0..<16).map { _ in UInt8.random(in: 0...255) })
    }

    /// What the bucket holds under a key, or `nil`.
    func look(at key: ObjectKey) async throws -> S3Look? {
        var operation = StoreOperation("look at \(shown(key))", action: "s3:GetObject", "HEAD", key: fullKey(key))
        operation.answers = [400, 403, 404]
        operation.headers = keyHeaders
        if dialect.settings.checksum != nil { operation.headers.append((S3Checksum.modeHeader, "ENABLED")) }
        for _ in 0..<exchange.attemptsMax {
            let look = try await exchange.perform(operation) { response throws(StoreMalformed) -> S3Look?? in
                switch response.head.status {
                case 200:
                    .some(
                        S3Look(
                            object: try self.object(key, response.head),
                            identity: response.head[Self.identityHeader],
                            head: response.head
                        )
                    )
                case 404: .some(nil)
                default: nil
                }
            }
            if let look {
                if look == nil { try await confirmBucket() } else { findings.hasSeenBucket.value = true }
                return look
            }
            // An answer to HEAD has no body, so that it cannot say why. This one can, and throws it.
            try await explain(operation)
        }
        throw Failure(
            .permissionDenied,
            "\(operation.attempt): the store refuses HEAD, although it allows GET",
            hint: "Allow s3:GetObject and s3:ListBucket on the bucket to these credentials."
        )
    }

    /// Asks for one byte of what `HEAD` was refused for.
    private func explain(_ refused: StoreOperation) async throws {
        var operation = StoreOperation(refused.attempt, action: refused.action, "GET", key: refused.key)
        operation.headers = keyHeaders + [("Range", "bytes=0-0")]
        operation.answers = [206, 404, 416]
        _ = try await exchange.perform(operation)
    }

    /// A key that is not there may also mean that the bucket is not, and some providers begin an upload to a bucket
    /// that does not exist; so that is asked once.
    /// - Throws: `.noSuchStore`.
    func confirmBucket() async throws {
        if findings.hasSeenBucket.value { return }
        var operation = StoreOperation("look at the bucket of \(location)", action: "s3:ListBucket", "HEAD")
        operation.answers = [400, 403, 404]
        let status = try await exchange.perform(operation).head.status
        guard status != 404 else {
            throw Failure(
                .noSuchStore,
                "\(operation.attempt): there is no such bucket",
                hint: "Create the bucket first; redoubt does not. Check its name and the endpoint."
            )
        }
        // Refused, it is there all the same, or the next request will say why, which an answer to HEAD cannot.
        findings.hasSeenBucket.value = true
    }
}
