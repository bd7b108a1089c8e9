// SPDX-License-Identifier: Apache-2.0

import Failures
import Testing

@Suite struct FailureTests {
    /// Manifests and JSON output carry these names: one may be added, none may change.
    private static let pinnedNames: [Failure.Code: String] = [
        .unclassified: "unclassified", .interrupted: "interrupted", .usage: "usage",
        .replicaLinkDown: "replica-link-down", .replicaLagging: "replica-lagging", .memberLoading: "member-loading",
        .memberChanged: "member-changed", .saveFailed: "save-failed", .snapshotNotFresh: "snapshot-not-fresh",
        .noFitMember: "no-fit-member", .corruptSnapshot: "corrupt-snapshot", .truncated: "truncated",
        .trailingBytes: "trailing-bytes", .digestMismatch: "digest-mismatch",
        .corruptCompression: "corrupt-compression", .corruptEncryption: "corrupt-encryption",
        .corruptManifest: "corrupt-manifest",
        .unreachable: "unreachable", .timeout: "timeout", .protocolViolation: "protocol-violation",
        .storeUnavailable: "store-unavailable", .configuration: "configuration",
        .authenticationFailed: "authentication-failed", .permissionDenied: "permission-denied",
        .retained: "retained",
        .tlsFailed: "tls-failed", .unsupported: "unsupported", .noSuchStore: "no-such-store", .noSpace: "no-space",
        .inputOutput: "input-output", .guardRefused: "guard-refused", .noSuchBackup: "no-such-backup",
        .noSuchObject: "no-such-object", .alreadyExists: "already-exists", .locked: "locked",
        .cannotDecrypt: "cannot-decrypt", .backupUnfit: "backup-unfit",
    ]

    @Test(arguments: Failure.Code.allCases)
    func nameOfTheCodeIsPinned(_ code: Failure.Code) {
        #expect(Self.pinnedNames[code] == code.rawValue)
        #expect(Failure.Code(rawValue: code.rawValue) == code)
    }

    @Test func namesAreUniqueLowerCaseWords() {
        let names = Failure.Code.allCases.map(\.rawValue)
        #expect(Set(names).count == names.count)
        #expect(names.allSatisfy { $0.allSatisfy { "abcdefghijklmnopqrstuvwxyz-".contains($0) } })
    }

    @Test func onlyWhatMaySucceedLaterIsTransient() {
        let transient = Failure.Code.allCases.filter(\.isTransient)
        #expect(transient == [.unreachable, .timeout, .protocolViolation, .storeUnavailable])
    }

    @Test func descriptionIsOneLineOfMessageAndCausesWithoutTheHint() {
        let bottom = Failure(.timeout, "read from 127.0.0.1:6379: nothing came for 30 s", hint: "Try again.")
        let top = Failure(.saveFailed, "take a snapshot of redis-0", cause: bottom)
        #expect("\(bottom)" == "read from 127.0.0.1:6379: nothing came for 30 s")
        #expect("\(top)" == "take a snapshot of redis-0: read from 127.0.0.1:6379: nothing came for 30 s")
    }

    @Test func attemptAroundAFailureKeepsItsCodeAndHint() {
        let failure = Failure(.noSpace, "write 5 bytes: no space", hint: "Free some.").during("store redis-0.rdb")
        #expect(failure.code == .noSpace)
        #expect(failure.hint == "Free some.")
        #expect("\(failure)" == "store redis-0.rdb: write 5 bytes: no space")
    }

    @Test func wrappingKeepsAFailureAsItIs() {
        let failure = Failure(wrapping: Failure(.locked, "held by another run"), attempting: "back up")
        #expect(failure.code == .locked)
        #expect("\(failure)" == "held by another run")
    }

    @Test func wrappingNamesACancellation() {
        let failure = Failure(wrapping: CancellationError(), attempting: "back up redis-0")
        #expect(failure.code == .interrupted)
        #expect("\(failure)" == "back up redis-0: cancelled")
    }

    @Test func wrappingAnyOtherErrorIsUnclassifiedAndKeepsTheCause() {
        struct Strange: Error, CustomStringConvertible {
            let description = "something strange"
        }
        let failure = Failure(wrapping: Strange(), attempting: "back up redis-0")
        #expect(failure.code == .unclassified)
        #expect(failure.cause is Strange)
        #expect("\(failure)" == "back up redis-0: something strange")
    }
}
