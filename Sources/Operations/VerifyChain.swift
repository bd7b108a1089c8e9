// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import ObjectStorage

/// Holds the history of a subject against itself: each manifest names the one before by its digest, and what prune
/// removed is on record. So a set that was removed, changed or put in another's place shows; with signatures also when
/// somebody did it who may write to the store.
///
/// What no store can show by itself is that its newest sets are gone: that takes an anchor, kept elsewhere.
package struct VerifyChain: Sendable {
    /// What is believed without the store.
    package struct Trust: Sendable {
        /// Who may have signed; empty: signatures are not asked for.
        package var keys: [VerificationKey] = []
        /// Sets that are older need no signature, and nothing has to lead to them: the history that counts begins here.
        package var signedSince: BackupID?
        /// The newest set when the history was looked at the last time.
        package var anchor: Manifest.Link?

        package init() {}
    }

    /// What became of the history.
    package struct Outcome: Sendable {
        /// Newest first.
        package let findings: [Finding]
        /// The newest set: the anchor for the next time.
        package let newest: Manifest.Link?

        package var bad: [Finding] { findings.filter(\.isBad) }
    }

    /// What is to be said of one set.
    package struct Finding: Sendable, Hashable {
        package enum Verdict: String, Sendable {
            /// It is what the set after it says, and signed where it has to be.
            case intact
            /// The chain begins here.
            case beginning
            /// Prune removed it, and left a record.
            case pruned
            /// It is not here, and was pruned from the store from which the sets were copied. Whether it ever was here
            /// cannot be told.
            case prunedElsewhere = "pruned-elsewhere"
            /// It is not what the set after it says.
            case changed
            /// It is gone, and no record says why.
            case removed
            /// Nothing after it leads to it.
            case detached
            case unsigned
            /// The signature is not of this manifest, or not by a key that was given.
            case forged
            case unreadable
            /// A member is missing, or has another size.
            case incomplete
            /// The newest set that was seen the last time is not there.
            case rolledBack = "rolled-back"
        }

        package let id: BackupID
        package let verdict: Verdict
        package let detail: String
        /// The fingerprints of the keys, of those that were given.
        package var signedBy: String?

        package var isBad: Bool { ![.intact, .beginning, .pruned, .prunedElsewhere].contains(verdict) }
    }

    private let catalog: Catalog
    private let name: String
    private let trust: Trust

    package init(_ catalog: Catalog, name: String, trusting trust: Trust) {
        self.catalog = catalog
        self.name = name
        self.trust = trust
    }

    /// - Throws: `.noSuchBackup` when there is no set and none was expected; what the store answers.
    package func run() async throws -> Outcome {
        // Nothing has to lead to what is older: so years of records need not be read.
        let history = try await catalog.history(of: name) { id in
            trust.signedSince.map { id >= $0 } ?? true || id == trust.anchor?.id
        }
        guard let newest = history.sets.last else {
            guard let anchor = trust.anchor else {
                throw Failure(
                    .noSuchBackup,
                    "verify the chain of \(name) in \(catalog.store.location): it has no backup"
                )
            }
            return Outcome(findings: [rolledBack(anchor, "no backup is there at all")], newest: nil)
        }
        var findings: [Finding] = []
        if let finding = anchored(history) { findings.append(finding) }
        var walk = ChainWalk(history, rank: rank)
        while let step = walk.next() {
            switch step {
            case .set(let set, let words): findings.append(judged(set, words))
            case .pruned(let removal): findings.append(judged(removal))
            // From before the history that is asked for.
            case .missing(let link, _) where trust.signedSince.map({ link.id < $0 }) == true: continue
            case .missing(let link, let after):
                findings.append(
                    Finding(
                        id: link.id,
                        verdict: .removed,
                        detail: "\(after) names it, it is gone, and no record of prune says why"
                    )
                )
            }
        }
        return Outcome(findings: findings, newest: newest.link)
    }

    // MARK: Judging

    private func judged(_ set: ChainedSet, _ words: ChainWalk.Words) -> Finding {
        func finding(_ verdict: Finding.Verdict, _ detail: String, by keys: [VerificationKey] = []) -> Finding {
            Finding(id: set.id, verdict: verdict, detail: detail, signedBy: keys.fingerprints)
        }
        guard set.manifest != nil else { return finding(.unreadable, set.trouble ?? "its manifest cannot be read") }
        if case .differs(let after) = words {
            return finding(.changed, "\(after) was taken after another manifest than this one")
        }
        let signers = set.signatures.signers(of: set.bytes, among: trust.keys)
        if !trust.keys.isEmpty, signers.isEmpty, trust.signedSince.map({ set.id >= $0 }) ?? true {
            return set.signatures.isEmpty
                ? finding(.unsigned, "no signature lies beside its manifest")
                : finding(.forged, forgery(set.signatures, of: "this manifest"))
        }
        if let missing = set.missing {
            return finding(.incomplete, "\(missing) is not there as its manifest says", by: signers)
        }
        switch words {
        case .detached(let detail):
            // From before the history that is asked for.
            if trust.signedSince.map({ set.id < $0 }) == true { return finding(.beginning, detail) }
            return finding(.detached, detail, by: signers)
        case .newest, .agrees, .differs:
            let begins = set.manifest?.previous == nil
            let detail = set.wasPruned ? "a record says that it was pruned, and it is there" : ""
            return finding(begins ? .beginning : .intact, detail, by: signers)
        }
    }

    /// A record that is believed before one that is not, and of those the word of this store.
    private func rank(_ removal: ChainedRemoval) -> Int {
        (judged(removal).isBad ? 2 : 0) + (removal.isFromElsewhere ? 1 : 0)
    }

    private func judged(_ removal: ChainedRemoval) -> Finding {
        let id = removal.record.backup
        let place = removal.isFromElsewhere ? " from the store of the originals" : ""
        let detail = "pruned\(place) \(removal.record.removedAt): \(removal.record.reason)"
        let signers = removal.signers(among: trust.keys)
        if !trust.keys.isEmpty, signers.isEmpty, trust.signedSince.map({ id >= $0 }) ?? true {
            return Finding(
                id: id,
                verdict: removal.signatures.isEmpty ? .unsigned : .forged,
                detail: "it is gone, and the record of its removal is not signed by a key that was given"
                    + (removal.signatures.isEmpty ? "" : ": " + forgery(removal.signatures, of: "this record"))
            )
        }
        let verdict: Finding.Verdict = removal.isFromElsewhere ? .prunedElsewhere : .pruned
        return Finding(id: id, verdict: verdict, detail: detail, signedBy: signers.fingerprints)
    }

    /// The names of signatures say who made them: often it is a key of one's own that was not given.
    private func forgery(_ signatures: [StoredSignature], of what: String) -> String {
        let given = trust.keys.map(\.fingerprint)
        let claimed = Set(signatures.compactMap(\.claimedBy)).sorted()
        guard !claimed.isEmpty, claimed.allSatisfy({ !given.contains($0) }) else {
            return "its signature is not of \(what) by a key that was given"
        }
        return "its signature is by \(claimed.prefix(3).joined(separator: ", ")), as its name says, and what was given "
            + "is \(given.joined(separator: ", "))"
    }

    /// Whether what was the newest set the last time is part of this history.
    private func anchored(_ history: ChainHistory) -> Finding? {
        guard let anchor = trust.anchor else { return nil }
        if let set = history.sets.first(where: { $0.id == anchor.id }) {
            return set.link == anchor ? nil : rolledBack(anchor, "another manifest is in its place")
        }
        // A record that is not signed where it has to be may have been written by whoever removed the set. And the set
        // was here: that it was pruned from another store is no reason why it is gone.
        if history.removals.contains(where: { $0.record.link == anchor && judged($0).verdict == .pruned }) {
            return nil
        }
        return rolledBack(anchor, "it was the newest the last time; it is gone, and no record says why")
    }

    private func rolledBack(_ anchor: Manifest.Link, _ detail: String) -> Finding {
        Finding(id: anchor.id, verdict: .rolledBack, detail: detail)
    }
}

extension [VerificationKey] {
    /// `nil` where there is none.
    fileprivate var fingerprints: String? { isEmpty ? nil : map(\.fingerprint).joined(separator: ", ") }
}
