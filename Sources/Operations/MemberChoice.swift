// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures

/// Which member of a set is restored.
struct MemberChoice {
    private let manifest: Manifest

    init(_ manifest: Manifest) {
        self.manifest = manifest
    }

    /// The member of that name; without a name, the one that is furthest in its history, where all share one history.
    /// - Throws: `.noSuchBackup`; `.usage` when the members are of several shards.
    func member(named name: String?) throws -> Manifest.Member {
        let set = "\(manifest.name)/\(manifest.id)"
        let stored = manifest.storedMembers
        let names = stored.map(Self.described).joined(separator: ", ")
        if let name {
            if let member = stored.first(where: { $0.member == name }) { return member }
            let reason = manifest.members.first { $0.member == name }?.error?.message
            throw Failure(
                .noSuchBackup,
                "restore \(name) of \(set): the set holds no snapshot of it\(reason.map { ": \($0)" } ?? "")",
                hint: "It holds: \(names)."
            )
        }
        guard let best = stored.max(by: { ($0.replication?.offset ?? -1) < ($1.replication?.offset ?? -1) }) else {
            throw Failure(.noSuchBackup, "restore \(set): it holds no snapshot")
        }
        guard sharesOneHistory else {
            let missing = manifest.members.filter { $0.stored == nil && $0.replication == nil }.map(\.member)
            let reason =
                missing.isEmpty
                ? "its members do not share one history"
                : "it holds no snapshot of \(missing.joined(separator: ", ")), and whether that was a replica of the "
                    + "others or has data of its own is not known"
            let isClustered = stored.contains { $0.shard != nil }
            throw Failure(
                .usage,
                "choose a member of \(set): \(reason)",
                hint: "Add --member with one of: \(names)."
                    + (isClustered ? " For a folder, --shard N takes the best of a shard." : "")
            )
        }
        return best
    }

    /// Its name, and its shard where it is a node of a cluster.
    private static func described(_ member: Manifest.Member) -> String {
        guard let shard = member.shard else { return member.member }
        return "\(member.member) (\(shard.slots.isEmpty ? "no slots" : "slots \(shard.slots)"))"
    }

    /// Members that failed count too: the one that is missing may be of another shard, whose data must not be replaced
    /// by what happens to be there. One whose history is not known is taken for a replica only where two others share
    /// theirs.
    private var sharesOneHistory: Bool {
        let stored = manifest.storedMembers
        if manifest.members.count == 1 { return true }
        let failed = manifest.members.filter { $0.stored == nil }.map { $0.replication?.id }
        guard stored.count > 1 || !failed.contains(nil) else { return false }
        return Set(stored.map { $0.replication?.id ?? $0.member } + failed.compactMap { $0 }).count == 1
    }
}
