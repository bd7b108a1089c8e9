// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import Failures
import Operations

/// Which part of a backup this pod takes, where the pods of an Indexed Job make one set together.
struct PartOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "Take one part of a set that the pods of an Indexed Job make together: how many pods there are.",
            valueName: "count"
        )
    )
    var shardCount: Int?

    @Option(
        help: ArgumentHelp("Which of them this is, from 0. Otherwise JOB_COMPLETION_INDEX.", valueName: "index")
    )
    var shardIndex: Int?

    @Option(
        help: ArgumentHelp(
            "What the pods of this Job, and of no other, have in common: its UID, from the downward API.",
            valueName: "id"
        )
    )
    var jobID: String?

    /// As many as an Indexed Job may have with a parallelism of its own choice (kubernetes.io, "Job").
    private static let countMax = 100_000

    func validate() throws {
        guard let shardCount else {
            guard shardIndex == nil, jobID == nil else {
                throw ValidationError("--shard-index and --job-id need --shard-count")
            }
            return
        }
        guard (1...Self.countMax).contains(shardCount) else {
            throw ValidationError("--shard-count is 1 to \(Self.countMax)")
        }
        // A name that comes back the next night would find the set of the last one, and do nothing.
        guard let jobID, Self.isUUID(jobID) else {
            throw ValidationError(
                "--shard-count needs --job-id, a UUID: the label batch.kubernetes.io/controller-uid of the pod"
            )
        }
    }

    /// RFC 9562, section 4: 36 characters, hyphens at four places.
    private static func isUUID(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        return parts.map(\.count) == [8, 4, 4, 4, 12]
            && parts.allSatisfy { $0.allSatisfy { $0.isASCII && $0.isHexDigit } }
    }

    /// - Throws: `.usage` when the index is not known, or is none of this Job.
    func part(_ environment: [String: String]) throws -> IndexedBackup.Part? {
        guard let shardCount, let jobID else { return nil }
        let told = environment["JOB_COMPLETION_INDEX"]
        guard let index = shardIndex ?? told.flatMap({ Int($0) }) else {
            throw Failure(
                .usage,
                "take a part of a backup: which one is not known",
                hint:
                    "Give --shard-index, or run as a Job with `completionMode: Indexed`: it sets JOB_COMPLETION_INDEX."
            )
        }
        guard (0..<shardCount).contains(index) else {
            throw Failure(
                .usage,
                "take part \(index) of a backup: there are \(shardCount), from 0",
                hint: "Give --shard-count the `completions` of the Job."
            )
        }
        return IndexedBackup.Part(index: index, count: shardCount, job: jobID)
    }
}

/// What one pod did, as a person and a program read it.
struct PartText {
    /// The same for programs.
    struct Document: Encodable {
        let name: String
        let id: String
        let index: Int
        let count: Int
        let members: [Manifest.Member]
        /// Snapshots of all pods, and how many of them are over.
        let turns: Int
        let turnsOver: Int
        /// The manifest, where the set is committed.
        let committed: Manifest?
    }

    let document: Document
    private let outcome: IndexedBackup.Outcome

    init(_ outcome: IndexedBackup.Outcome, _ part: IndexedBackup.Part, of name: String) {
        self.outcome = outcome
        document = Document(
            name: name,
            id: outcome.id.text,
            index: part.index,
            count: part.count,
            members: outcome.members,
            turns: outcome.turnCount,
            turnsOver: outcome.recordCount,
            committed: outcome.committed?.manifest
        )
    }

    var text: String {
        var lines: [String] = []
        for member in document.members {
            if let error = member.error { lines.append("FAILED    \(member.member): \(error.message) [\(error.code)]") }
            if let rdb = member.rdb { lines.append("proven    \(member.member): \(rdb.keyCount) keys") }
        }
        guard let committed = outcome.committed else {
            return (lines + ["part      \(verdict)"]).joined(separator: "\n")
        }
        return (lines + [BackupText(committed).text]).joined(separator: "\n")
    }

    /// What came of it, in a sentence.
    var verdict: String {
        if let committed = outcome.committed { return BackupText(committed).verdict }
        return "\(document.name)/\(document.id): part \(document.index) of \(document.count) is done, "
            + "\(document.turnsOver) of \(document.turns) snapshots; the last pod commits the set"
    }
}
