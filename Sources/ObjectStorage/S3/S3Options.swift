// SPDX-License-Identifier: Apache-2.0

/// What the URL of a bucket says about how objects are kept, who may have them and who pays.
package struct S3Options: Sendable, Hashable {
    /// `sse` with what belongs to it.
    struct Encryption: Sendable, Hashable {
        /// `AES256`, `aws:kms`, `aws:kms:dsse`
        var algorithm: String
        var keyID: String?
        var usesBucketKey: Bool?
        /// The base64 of a JSON object of texts.
        var context: String?
    }

    /// `lock-mode` with `lock-for`
    struct Lock: Sendable, Hashable {
        /// `GOVERNANCE`, `COMPLIANCE`
        var mode: String
        var seconds: Int64
    }

    /// `checksum`
    enum Checksum: Sendable, Hashable {
        case off
        case on(S3Checksum)
    }

    var encryption: Encryption?
    /// `sse-c-key-file`: a file with a key that the store uses and forgets.
    var customerKeyFile: String?
    /// `sse-c-over-http`
    var isCustomerKeySentInClear = false
    /// `storage-class`
    var storageClass: String?
    /// `tags`, as the header wants them.
    var tags: String?
    var lock: Lock?
    /// `legal-hold`
    var hasLegalHold = false
    /// `requester-pays`
    var isRequesterPaying = false
    /// `expected-owner`
    var expectedOwner: String?
    var acl: String?
    var checksum: Checksum?
    var provider: S3Provider?

    /// Classes whose objects cannot be read before they were asked back.
    private static let archives: Set<String> = ["GLACIER", "DEEP_ARCHIVE"]

    typealias Header = (name: String, value: String)

    /// Headers of every request.
    var headers: [Header] {
        var headers: [Header] = []
        if isRequesterPaying { headers.append(("x-amz-request-payer", "requester")) }
        if let expectedOwner { headers.append(("x-amz-expected-bucket-owner", expectedOwner)) }
        return headers
    }

    /// Headers of the request that makes an object.
    ///
    /// Leases and records of runs, in folders that start with a dot, must stay removable and readable at once; and what
    /// is read to list backups, the small objects, does not go to an archive.
    /// - Parameter seconds: now, by the clock of the store.
    func headers(writing key: ObjectKey, isSmall: Bool, atSecondsSince1970 seconds: Int64) -> [Header] {
        var headers: [Header] = []
        if let encryption {
            headers.append(("x-amz-server-side-encryption", encryption.algorithm))
            if let keyID = encryption.keyID {
                headers.append(("x-amz-server-side-encryption-aws-kms-key-id", keyID))
            }
            if let context = encryption.context { headers.append(("x-amz-server-side-encryption-context", context)) }
            if let uses = encryption.usesBucketKey {
                headers.append(("x-amz-server-side-encryption-bucket-key-enabled", "\(uses)"))
            }
        }
        if let acl { headers.append(("x-amz-acl", acl)) }
        if key.isOfWork { return headers }
        if let storageClass, !isSmall || !Self.archives.contains(storageClass) {
            headers.append(("x-amz-storage-class", storageClass))
        }
        if let tags { headers.append(("x-amz-tagging", tags)) }
        if let lock {
            let until = CivilTime(secondsSince1970: seconds + lock.seconds)
            headers.append(("x-amz-object-lock-mode", lock.mode))
            headers.append(("x-amz-object-lock-retain-until-date", until.iso8601))
        }
        if hasLegalHold { headers.append(("x-amz-object-lock-legal-hold", "ON")) }
        return headers
    }

    /// The rights that such a request needs.
    func action(writing key: ObjectKey) -> String {
        var rights = ["s3:PutObject"]
        if acl != nil { rights.append("s3:PutObjectAcl") }
        if !key.isOfWork {
            if tags != nil { rights.append("s3:PutObjectTagging") }
            if lock != nil { rights.append("s3:PutObjectRetention") }
            if hasLegalHold { rights.append("s3:PutObjectLegalHold") }
        }
        return rights.joined(separator: ", ")
    }

    /// What an object that was just written does not show of what was asked for. A store that does not know a header
    /// takes it and says nothing.
    func unmet(by header: (String) -> String?, of key: ObjectKey) -> [String] {
        var unmet: [String] = []
        if let encryption, header("x-amz-server-side-encryption") != encryption.algorithm {
            unmet.append("sse=\(encryption.algorithm)")
        }
        if customerKeyFile != nil, header("x-amz-server-side-encryption-customer-algorithm") == nil {
            unmet.append("sse-c-key-file")
        }
        if key.isOfWork { return unmet }
        if let lock, header("x-amz-object-lock-mode") != lock.mode { unmet.append("lock-mode=\(lock.mode)") }
        if hasLegalHold, header("x-amz-object-lock-legal-hold-status") ?? header("x-amz-object-lock-legal-hold") != "ON"
        {
            unmet.append("legal-hold")
        }
        return unmet
    }
}

extension ObjectKey {
    /// Whether it is part of the work on backups and not of a backup: in a folder that starts with a dot.
    var isOfWork: Bool { components.dropLast().contains { $0.hasPrefix(".") } }
}
