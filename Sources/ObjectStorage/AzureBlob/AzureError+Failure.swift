// SPDX-License-Identifier: Apache-2.0

import Failures

extension AzureError {
    /// The failure that this answer means to an operation.
    func failure(of operation: StoreOperation) -> Failure {
        let (code, hint) = meaning(for: operation)
        return Failure(code, "\(operation.attempt): the store answered \(text)", hint: hint)
    }

    private func meaning(for operation: StoreOperation) -> (Failure.Code, hint: String?) {
        if let meaning = meaningOfCredentials ?? meaningOfRights(operation) ?? meaningOfPlace ?? meaningOfBlob {
            return meaning
        }
        switch status {
        case 404: return (.noSuchObject, nil)
        case 412: return (.alreadyExists, nil)
        case 401: return (.authenticationFailed, "Check the credentials and the account.")
        case 403: return denied(operation)
        case 413: return (.unsupported, "Choose a smaller part with --part-size.")
        case 501: return (.unsupported, "The store does not know this operation.")
        case 507: return (.noSpace, nil)
        default: return (isPassing || status >= 500 ? .storeUnavailable : .unsupported, nil)
        }
    }

    private func denied(_ operation: StoreOperation) -> (Failure.Code, hint: String?) {
        let hint =
            switch proof {
            case .token:
                "Give the identity the role Storage Blob Data Contributor on the container (it needs "
                    + "\(operation.action)). A role takes some minutes to work."
            case .sas: "The SAS does not allow \(operation.action): it needs sp=racwdl on the container."
            case .key: "Look at the network rules of the account, and at the policies of the container."
            }
        return (.permissionDenied, hint)
    }

    private var meaningOfCredentials: (Failure.Code, hint: String?)? {
        switch code {
        case "AuthenticationFailed" where isAboutClock:
            return (.configuration, "The clock of this machine is wrong by more than ten minutes: set it.")
        case "AuthenticationFailed", "InvalidAuthenticationInfo",
            "MissingRequiredHeader" where status == 401:
            let hint =
                switch proof {
                case .key:
                    "The key does not belong to the account: check AZURE_STORAGE_KEY (or the connection string) and "
                        + "AZURE_STORAGE_ACCOUNT."
                case .sas:
                    "Check AZURE_STORAGE_SAS_TOKEN: whether it has expired (se=), is of this account and container, "
                        + "and is complete."
                case .token: "The account does not take this token: is it of the same tenant?"
                }
            return (.authenticationFailed, hint)
        case "NoAuthenticationInformation":
            return (.authenticationFailed, "The store saw no credentials: does a proxy take them away?")
        case "KeyBasedAuthenticationNotPermitted":
            return (.authenticationFailed, "The account takes no keys: use an identity (docs/stores-azure.md).")
        case "AccountIsDisabled":
            return (.authenticationFailed, "The storage account is disabled.")
        default: return nil
        }
    }

    private func meaningOfRights(_ operation: StoreOperation) -> (Failure.Code, hint: String?)? {
        switch code {
        case "AuthorizationPermissionMismatch", "InsufficientAccountPermissions",
            "AuthorizationResourceTypeMismatch", "AuthorizationServiceMismatch":
            return denied(operation)
        case "AuthorizationFailure":
            return (
                .permissionDenied,
                "The network rules of the storage account keep this machine out, or the rights of the identity do: "
                    + "look at its firewall and private endpoints, and for the role Storage Blob Data Contributor."
            )
        case "AuthorizationSourceIPMismatch":
            return (.permissionDenied, "The SAS is for other addresses (sip=) than that of this machine.")
        case "AuthorizationProtocolMismatch":
            return (.permissionDenied, "The SAS wants https (spr=).")
        case "BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold":
            return (
                .retained,
                "An immutability policy or a legal hold keeps it as it is; until that ends nobody can change or remove "
                    + "it."
            )
        case "LeaseIdMissing", "LeaseAlreadyPresent":
            return (.permissionDenied, "Somebody holds a lease of Azure on it; redoubt takes none. Break the lease.")
        case "SnapshotsPresent":
            return (
                .unsupported, "It has snapshots, which redoubt neither makes nor removes: remove them first."
            )
        default: return nil
        }
    }

    private var meaningOfPlace: (Failure.Code, hint: String?)? {
        switch code {
        case "ContainerNotFound", "ContainerDisabled":
            (
                .noSuchStore,
                "Create the container first; redoubt does not. Check its name and that of the account."
            )
        case "ContainerBeingDeleted": (.noSuchStore, "The container is being deleted.")
        case "InvalidResourceName", "OutOfRangeInput": (.configuration, "Check the name of the container.")
        default: nil
        }
    }

    private var meaningOfBlob: (Failure.Code, hint: String?)? {
        switch code {
        case "BlobNotFound", "ResourceNotFound": return (.noSuchObject, nil)
        case "Md5Mismatch", "Crc64Mismatch": return (.digestMismatch, nil)
        // Blocks that the store took and does not know any more.
        case "InvalidBlockList", "InvalidBlobOrBlock", "InvalidBlockId": return (.storeUnavailable, nil)
        case "BlobArchived", "BlobBeingRehydrated":
            return (.unsupported, "It is in the archive tier: rehydrate it first, which takes hours.")
        case "InvalidBlobType":
            return (.alreadyExists, "A blob of another type is there; redoubt writes block blobs.")
        case "InvalidHeaderValue", "UnsupportedHeader", "FeatureVersionMismatch", "EncryptionScopeNotFound",
            "EncryptionScopeDisabled", "AccessTierNotSupportedForBlobType", "InvalidTag", "TagsTooLarge":
            return (.configuration, "Check the options tier, tags and encryption-scope of the URL of the store.")
        default: return isConflict ? (.alreadyExists, nil) : nil
        }
    }
}
