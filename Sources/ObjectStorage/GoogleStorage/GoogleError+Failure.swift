// SPDX-License-Identifier: Apache-2.0

import Failures

extension GoogleError {
    /// The failure that this answer means to an operation.
    func failure(of operation: StoreOperation) -> Failure {
        let (code, hint) = meaning(for: operation)
        return Failure(code, "\(operation.attempt): the store answered \(text)", hint: hint)
    }

    private func meaning(for operation: StoreOperation) -> (Failure.Code, hint: String?) {
        if isPassing { return (.storeUnavailable, nil) }
        // A list and a write need no object to be there.
        if isStoreMissing || (status == 404 && (operation.key == nil || operation.method == "POST")) {
            return (.noSuchStore, "Create the bucket first; redoubt does not. Check its name.")
        }
        switch status {
        case 400: return badRequest
        case 401:
            return (
                .authenticationFailed,
                "Google does not take the token, also after it was renewed: check the credentials and the clock."
            )
        case 403: return denied(operation)
        case 404: return (.noSuchObject, nil)
        // Of an upload: the store forgot it.
        case 410, 499: return (.storeUnavailable, nil)
        case 412: return (.alreadyExists, nil)
        case 301, 302, 307: return (.configuration, "The endpoint sends requests on to another: check endpoint-url.")
        default: return (status >= 500 ? .storeUnavailable : .unsupported, nil)
        }
    }

    private var badRequest: (Failure.Code, hint: String?) {
        if message?.contains("requester pays") == true || reason == "userProjectMissing" {
            return (.configuration, "The bucket wants the caller to pay: name your project with ?user-project=….")
        }
        if message?.contains("hash") == true || message?.contains("crc32c") == true
            || message?.contains("checksum") == true
        {
            return (.digestMismatch, nil)
        }
        return (.unsupported, nil)
    }

    private func denied(_ operation: StoreOperation) -> (Failure.Code, hint: String?) {
        switch reason {
        case "retentionPolicyNotMet", "objectUnderActiveHold":
            return (
                .retained, "A retention policy or a hold keeps the object: it can be removed when that ends."
            )
        case "quotaExceeded", "dailyLimitExceeded":
            return (.noSpace, "Raise the quota of the project.")
        case "accountDisabled", "accessNotConfigured":
            return (.permissionDenied, "Check the billing of the project, and that Cloud Storage is enabled in it.")
        default: break
        }
        let scope =
            message?.contains("scope") == true
            ? " The token has too small a scope: give the node or the virtual machine read and write access to storage."
            : ""
        return (
            .permissionDenied,
            "\(operation.action) on the bucket is missing: backups need the role roles/storage.objectUser; to "
                + "only write is roles/storage.objectCreator, to only read is roles/storage.objectViewer.\(scope)"
        )
    }
}
