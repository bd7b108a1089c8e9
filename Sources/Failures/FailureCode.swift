// SPDX-License-Identifier: Apache-2.0

extension Failure {
    /// The stable name of a kind of failure. The raw value stands in manifests and JSON output and never changes.
    package enum Code: String, Sendable, Codable, CaseIterable {
        /// Anything that has no better name: a defect of this program until proven otherwise.
        case unclassified
        /// A signal or the cancellation of the run.
        case interrupted
        /// The command line is not understood.
        case usage

        // The source is not fit to be backed up.

        /// The member is a replica whose link to its primary is down, or which never synchronized.
        case replicaLinkDown = "replica-link-down"
        /// The member is too far behind its primary.
        case replicaLagging = "replica-lagging"
        /// The member is loading its dataset, or in the middle of a synchronization.
        case memberLoading = "member-loading"
        /// The server restarted, or changed its role or history, while the snapshot was taken.
        case memberChanged = "member-changed"
        /// The server could not save: fork failed, its disk is full, its folder is gone.
        case saveFailed = "save-failed"
        /// The file that the server left is not the snapshot that was asked for.
        case snapshotNotFresh = "snapshot-not-fresh"
        /// None of the members asked for can be backed up.
        case noFitMember = "no-fit-member"

        // Bytes that are not what they should be.

        /// The RDB breaks a rule of its format, or its checksum does not match.
        case corruptSnapshot = "corrupt-snapshot"
        /// The stream ended before its end.
        case truncated
        /// Bytes follow where there should be none.
        case trailingBytes = "trailing-bytes"
        /// A SHA-256 or a size differs from what the manifest says.
        case digestMismatch = "digest-mismatch"
        /// A compressed stream cannot be decompressed.
        case corruptCompression = "corrupt-compression"
        /// Encrypted bytes were changed, cut or put together after they were written.
        case corruptEncryption = "corrupt-encryption"
        /// A manifest cannot be read as one.
        case corruptManifest = "corrupt-manifest"

        // Try again.

        /// A server cannot be reached, or the connection broke.
        case unreachable
        /// Nothing moved for as long as the deadline allows.
        case timeout
        /// The peer does not speak the protocol that was expected of it.
        case protocolViolation = "protocol-violation"
        /// The store answered with an error that passes (5xx, 429, a lost reply).
        case storeUnavailable = "store-unavailable"

        // Permanent: configuration, permission.

        /// An option, a file or an environment variable is wrong.
        case configuration
        /// The server or the store does not accept these credentials.
        case authenticationFailed = "authentication-failed"
        /// The credentials are good, but the right is missing.
        case permissionDenied = "permission-denied"
        /// The store keeps the object: a lock, a hold or a rule of retention that nobody can go around.
        case retained
        /// The certificate of the peer cannot be verified, or TLS cannot be agreed on.
        case tlsFailed = "tls-failed"
        /// The server, the store or the file is of a kind or version that cannot be served.
        case unsupported
        /// The bucket, folder or volume does not exist.
        case noSuchStore = "no-such-store"
        /// No space, or no quota, is left where bytes should go.
        case noSpace = "no-space"
        /// A file or folder cannot be read or written.
        case inputOutput = "input-output"

        // Verdicts.

        /// The backups are older, smaller or less proven than was asked for.
        case backupUnfit = "backup-unfit"
        /// A guard refuses; the message names the flag that overrides it.
        case guardRefused = "guard-refused"
        /// There is no such backup, or the store holds none.
        case noSuchBackup = "no-such-backup"
        /// There is no such object. Internal to stores; a command turns it into something that its user asked for.
        case noSuchObject = "no-such-object"
        /// An object of that key exists already, or changed under our hands; keys are never overwritten.
        case alreadyExists = "already-exists"
        /// Another run holds the lock.
        case locked
        /// The bytes cannot be decrypted with this key.
        case cannotDecrypt = "cannot-decrypt"
    }
}

extension Failure.Code {
    /// Whether the same attempt may succeed later without anybody changing anything.
    package var isTransient: Bool {
        switch self {
        case .unreachable, .timeout, .protocolViolation, .storeUnavailable: true
        default: false
        }
    }
}
