// SPDX-License-Identifier: Apache-2.0

import Failures

extension S3Error {
    /// The failure that this answer means to an operation.
    func failure(of operation: StoreOperation) -> Failure {
        let (code, hint) = meaning(for: operation)
        return Failure(code, "\(operation.attempt): the store answered \(text)", hint: hint)
    }

    private func meaning(for operation: StoreOperation) -> (Failure.Code, hint: String?) {
        if let meaning = meaningOfCredentials ?? meaningOfPlace { return meaning }
        switch code {
        case "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage":
            return (.noSpace, "Enlarge the quota of the bucket. `redoubt prune` removes old backups.")
        case "NoSuchKey": return (.noSuchObject, nil)
        case "InvalidObjectState":
            return (.unsupported, "The object is in an archive: ask it back first, as with `aws s3api restore-object`.")
        case "PreconditionFailed": return (.alreadyExists, nil)
        case "BadDigest", "XAmzContentSHA256Mismatch": return (.digestMismatch, nil)
        case "EntityTooSmall": return (.configuration, "The store wants larger parts: AWS takes no less than 5 MiB.")
        // A part that the store took and does not know any more.
        case "InvalidPart", "NoSuchUpload": return (.storeUnavailable, nil)
        default: break
        }
        switch status {
        case 404: return operation.key == nil ? (.noSuchStore, Self.foreignHint) : (.noSuchObject, nil)
        case 412: return (.alreadyExists, nil)
        case 507: return (.noSpace, "Enlarge the store. `redoubt prune` removes old backups.")
        case 401, 403: return denied(operation)
        case 400 where isAboutLock: return (.retained, Self.lockHint)
        case 400 where isAboutEncryption: return (.unsupported, Self.encryptionHint)
        case 501: return (.unsupported, "The store does not know this operation.")
        default:
            if isPassing || status >= 500 { return (.storeUnavailable, nil) }
            return (.unsupported, code == nil ? Self.foreignHint : nil)
        }
    }

    private func denied(_ operation: StoreOperation) -> (Failure.Code, hint: String?) {
        if isAboutLock { return (.retained, Self.lockHint) }
        if isAboutEncryption, operation.action == "s3:GetObject" { return (.permissionDenied, Self.encryptionHint) }
        let lock =
            operation.action == "s3:DeleteObject" ? " What is locked cannot be removed before its lock ends." : ""
        return (
            .permissionDenied,
            "Allow \(operation.action) on the bucket to these credentials, or look at the policy of the bucket and "
                + "of its encryption key.\(lock)"
        )
    }

    static let lockHint = "Object Lock or a retention of the bucket keeps it: it can be removed when that ends."

    private static let foreignHint =
        "The answer has no error of S3 in it: check whether the endpoint is one of S3 (--endpoint-url), and the bucket."

    private static let encryptionHint =
        "Check sse-c-key-file in the URL of the store: an object is read with the key that it was written with, and "
        + "one that was written without it is read without it."

    private var meaningOfCredentials: (Failure.Code, hint: String?)? {
        switch code {
        case "InvalidAccessKeyId":
            (
                .authenticationFailed,
                "The store does not know this access key: check AWS_ACCESS_KEY_ID and the endpoint."
            )
        case "SignatureDoesNotMatch":
            (
                .authenticationFailed,
                "The secret does not belong to the access key: check AWS_SECRET_ACCESS_KEY, also for a line end in it."
            )
        case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired":
            (.authenticationFailed, "The session has expired: get new credentials.")
        case "InvalidToken", "InvalidSecurity", "InvalidClientTokenId", "UnrecognizedClientException":
            (.authenticationFailed, "AWS_SESSION_TOKEN does not belong to these keys: set all three from one source.")
        case "AuthFailure", "NotSignedUp", "AccountProblem", "MissingSecurityHeader", "Unauthorized":
            (.authenticationFailed, "Check the credentials and the account.")
        case "RequestTimeTooSkewed", "RequestInTheFuture":
            (.configuration, "The clock of this machine is wrong by more than a quarter of an hour: set it.")
        default: nil
        }
    }

    private var meaningOfPlace: (Failure.Code, hint: String?)? {
        switch code {
        case "NoSuchBucket":
            return (.noSuchStore, "Create the bucket first; redoubt does not. Check its name and the endpoint.")
        case "InvalidBucketName": return (.configuration, "Check the name of the bucket.")
        case "PermanentRedirect", "TemporaryRedirect", "Redirect", "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException", "IncorrectEndpoint", "WrongRegion":
            return (.configuration, regionHint)
        default: return [301, 302, 307, 308].contains(status) ? (.configuration, regionHint) : nil
        }
    }

    private var regionHint: String {
        guard let region else { return "The bucket is in another region: set AWS_REGION or --endpoint-url." }
        return "The bucket is in the region \(region): set AWS_REGION=\(region)."
    }
}
