// SPDX-License-Identifier: Apache-2.0

import Catalog
import DataDirectory
import Failures
import Operations

/// How a restore ended, for people and for programs.
struct RestoreReport: Encodable {
    /// `restored`, `would-restore`, `would-refuse`, `already-restored`, `left-alone`, `nothing-to-restore`
    /// or `starts-unproven`.
    let outcome: String
    let dataDirectory: String
    var backup: String?
    var member: String?
    var bytes: Int64?
    var keys: UInt64?
    var files: [String]?
    var movedTo: String?
    var plan: RestorePlan?
    var expiries: ExpiryReport?
    /// What a guard has to say beside it.
    var remarks: [String]?
    var detail: String

    init(
        _ outcome: DataDirectoryOutcome,
        dataDirectory: String,
        remarks: [String] = [],
        isGuarded: Bool = false
    ) {
        self.dataDirectory = dataDirectory
        self.remarks = remarks.isEmpty ? nil : remarks
        switch outcome {
        case .restored(let manifest, let member, let marker, let plan, let expiries):
            self.outcome = "restored"
            backup = "\(manifest.name)/\(manifest.id)"
            files = marker.files
            movedTo = marker.archive
            let proof = marker.rewriting == nil ? "equal to the manifest" : "written anew and proven"
            detail = "\(marker.files.joined(separator: ", ")) in place, \(proof)"
            self.expiries = ExpiryReport(expiries)
            self.plan = plan
            describe(member)
        case .wouldRestore(let manifest, let member, let plan):
            self.outcome = plan.isGo ? "would-restore" : "would-refuse"
            backup = "\(manifest.name)/\(manifest.id)"
            detail = "nothing was done (--dry-run)"
            self.plan = plan
            expiries = member.rdb.map { ExpiryReport(keys: $0.expires) }
            describe(member)
        case .alreadyRestored(let marker):
            self.outcome = "already-restored"
            backup = marker.backupID
            member = marker.member
            detail =
                "it was restored at \(marker.finishedAt), and the folder holds data since; "
                + "another --request-id, or the id of another backup, restores again"
        case .leftAlone(let contents):
            self.outcome = "left-alone"
            let names = contents.data.map(\.name).joined(separator: ", ")
            detail =
                "the folder holds data (\(names))"
                + (isGuarded ? "" : "; --replace moves it to pre-restore-<id>/ and restores")
        case .nothingToRestore(let others):
            self.outcome = "nothing-to-restore"
            let known =
                others.isEmpty
                ? "the store holds no backup" : "the store holds backups of \(others.joined(separator: ", "))"
            detail = "a complete listing shows no backup of that name: \(known)"
        }
    }

    /// A server that starts empty although nobody knows whether it should be.
    init(startsUnproven failure: Failure, dataDirectory: String) {
        self.outcome = "starts-unproven"
        self.dataDirectory = dataDirectory
        detail = "the server starts EMPTY, and may have had data: \(Redaction.apply(to: failure.description))"
    }

    private mutating func describe(_ member: Manifest.Member) {
        self.member = member.member
        bytes = member.rdb?.bytes
        keys = member.rdb?.keyCount
    }

    /// With the plan, where nothing but that was asked for.
    var text: String {
        guard outcome.hasPrefix("would-"), let plan else { return sentence }
        return "\(sentence)\n\n\(RestorePlanText.text(plan))"
    }

    var sentence: String { ([result] + (remarks ?? [])).joined(separator: "\n") }

    private var result: String {
        switch outcome {
        case "restored", "would-restore", "would-refuse":
            let size = "\(Quantity.count(keys ?? 0)) keys, \(Quantity.bytes(bytes ?? 0))"
            let moved = movedTo.map { "\nthe data from before is in \($0)/" } ?? ""
            return
                "\(outcome): \(backup ?? ""), member \(member ?? ""), \(size), into \(dataDirectory)\n\(detail)"
                + (expiries?.text.map { "\n\($0)" } ?? "") + moved
        case "already-restored":
            return "already restored: \(backup ?? ""), member \(member ?? ""), in \(dataDirectory): \(detail)"
        case "starts-unproven":
            return "nothing restored into \(dataDirectory): \(detail)"
        case "left-alone":
            return "left alone: \(dataDirectory): \(detail)"
        default:
            return "nothing to restore into \(dataDirectory): \(detail)"
        }
    }
}
