// SPDX-License-Identifier: Apache-2.0

import Failures

/// The exit codes of the command, which `podFailurePolicy` and scripts read. A code that is not in here is a failure
/// too.
package enum ExitCode: Int32, Sendable, CaseIterable {
    case done = 0
    case unclassified = 1
    case partial = 3
    case corrupt = 4
    case transient = 5
    case sourceUnfit = 6
    case permanent = 7
    case guardRefused = 8
    case notFound = 10
    case locked = 11
    case cannotDecrypt = 12
    case usage = 64
    case interrupted = 130
    case terminated = 143

    /// The one place where a kind of failure becomes an exit code.
    package init(_ code: Failure.Code) {
        switch code {
        case .unclassified, .noSuchObject:
            self = .unclassified
        case .interrupted:
            self = .interrupted
        case .usage:
            self = .usage
        case .replicaLinkDown, .replicaLagging, .memberLoading, .memberChanged, .saveFailed, .snapshotNotFresh,
            .noFitMember, .backupUnfit:
            self = .sourceUnfit
        case .corruptSnapshot, .truncated, .trailingBytes, .digestMismatch, .corruptCompression, .corruptEncryption,
            .corruptManifest:
            self = .corrupt
        case .unreachable, .timeout, .protocolViolation, .storeUnavailable, .alreadyExists:
            self = .transient
        case .configuration, .authenticationFailed, .permissionDenied, .retained, .tlsFailed, .unsupported,
            .noSpace, .inputOutput:
            self = .permanent
        case .guardRefused:
            self = .guardRefused
        case .noSuchBackup, .noSuchStore:
            self = .notFound
        case .locked:
            self = .locked
        case .cannotDecrypt:
            self = .cannotDecrypt
        }
    }
}
