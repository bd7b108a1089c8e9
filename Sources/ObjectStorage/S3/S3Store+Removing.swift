// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// How a bucket removes, and what keeps it from it.
extension S3Store {
    @discardableResult
    package func remove(_ key: ObjectKey) async throws -> Removal {
        var operation = StoreOperation("remove \(shown(key))", action: "s3:DeleteObject", "DELETE", key: fullKey(key))
        operation.answers = [204, 404]
        do {
            return Self.isHidden(try await exchange.perform(operation).head) ? .hidden : .gone
        } catch let failure as Failure where failure.code == .permissionDenied {
            throw await explained(failure, key)
        }
    }

    /// Whether the object is now a version that is not current, behind a delete marker. Where versions are suspended
    /// the marker is the version `null`, and takes the place of what was written since ("Deleting objects from
    /// versioning-suspended buckets", Amazon S3 User Guide).
    private static func isHidden(_ head: HTTPResponseHead) -> Bool {
        head["x-amz-delete-marker"] == "true" && head["x-amz-version-id"] != "null"
    }

    /// A refusal that does not say why, with what the object itself tells of it: its lock, to whom may read locks
    /// (`s3:GetObjectRetention`, `s3:GetObjectLegalHold`).
    ///
    /// Where the bucket keeps versions, no lock stands in the way of a removal that names none: it adds a marker ("How
    /// S3 Object Lock works", Amazon S3 User Guide). Then it is the right that is missing, locked or not, and to take
    /// it for a lock would be to remove nothing for ever and to call that well.
    private func explained(_ failure: Failure, _ key: ObjectKey) async -> Failure {
        guard let head = try? await look(at: key)?.head, let lock = lock(head) else { return failure }
        guard head["x-amz-version-id"] ?? "null" != "null" else {
            return Failure(
                .retained,
                "\(failure.message), and the object is \(lock)",
                cause: failure.cause,
                hint: S3Error.lockHint
            )
        }
        return Failure(
            .permissionDenied,
            "\(failure.message); the object is \(lock), but the bucket keeps versions, and hides what is locked too",
            cause: failure.cause,
            hint: "Allow s3:DeleteObject on the bucket to these credentials, or look at the policy of the bucket."
        )
    }

    /// `locked (GOVERNANCE) until 2026-12-26T00:00:00Z`; `nil` when nothing holds it now, or we may not know.
    private func lock(_ head: HTTPResponseHead) -> String? {
        if head["x-amz-object-lock-legal-hold"] == "ON" { return "under a legal hold" }
        guard let mode = head["x-amz-object-lock-mode"], ["GOVERNANCE", "COMPLIANCE"].contains(mode),
            let until = head["x-amz-object-lock-retain-until-date"].flatMap(CivilTime.init(iso8601:)),
            until.secondsSince1970 > exchange.secondsSince1970()
        else { return nil }
        return "locked (\(mode)) until \(until.iso8601)"
    }
}
