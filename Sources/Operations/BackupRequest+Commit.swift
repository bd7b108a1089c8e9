// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Logging

extension BackupRequest {
    /// Asks the members of a cluster once more, before a set is committed.
    /// - Throws: `.memberChanged` when slots moved since the plan was made, or move now; the failure of a member when
    ///   none can be asked.
    func requireSameSlots(as before: Manifest.ClusterFacts?, logger: Logger) async throws {
        guard let before, !overrides.allowsSlotMigration else { return }
        let survey = try await Survey.settled(of: members, logger: logger)
        guard let now = ClusterSurvey(survey) else {
            throw Failure.mostTelling(of: survey.answers.compactMap(\.failure))
        }
        try now.requireSameSlots(as: before)
        do {
            try now.requireRest(allowsSlotMigration: false)
        } catch {
            // Another run may find the cluster at rest: unlike at the beginning, nothing is to be decided by a
            // person.
            throw Failure(.memberChanged, "\(error)", hint: "Run again.")
        }
    }

    /// The manifest of a set with these members.
    func manifest(
        _ id: BackupID,
        after previous: Manifest.Link?,
        of members: [Manifest.Member],
        in cluster: Manifest.ClusterFacts?,
        startedAt: Timestamp
    ) -> Manifest {
        var members = members.sorted { $0.member < $1.member }
        if let trouble = cluster?.trouble {
            for index in members.indices where members[index].stored != nil {
                members[index].warnings =
                    (members[index].warnings ?? []) + [
                        "taken with --allow-slot-migration although \(trouble): keys may be stored twice, or not at all"
                    ]
            }
        }
        return Manifest(
            id: id,
            name: name,
            startedAt: startedAt,
            finishedAt: .now(),
            tool: tool,
            source: source,
            cluster: cluster.map { Manifest.Cluster($0, storing: members) },
            tags: tags.isEmpty ? nil : Set(tags).sorted(),
            previous: previous,
            members: members
        )
    }
}
