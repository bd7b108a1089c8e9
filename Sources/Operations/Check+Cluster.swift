// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Kubernetes

extension Check {
    /// What a backup asks of the API server.
    package struct ClusterRights: Sendable {
        package let set: StatefulSet
        /// The Lease that a run takes, unless it shall take none.
        package let leaseName: String?
        package let writesEvents: Bool

        package init(set: StatefulSet, leaseName: String?, writesEvents: Bool) {
            self.set = set
            self.leaseName = leaseName
            self.writesEvents = writesEvents
        }

        /// Without the first ones there is no backup; without the others it goes on, and says so.
        var questions: [(question: AccessQuestion, isNeeded: Bool)] {
            func ask(_ verb: String, _ group: String, _ resource: String, _ name: String? = nil) -> AccessQuestion {
                AccessQuestion(verb: verb, group: group, resource: resource, name: name, namespace: set.namespace)
            }
            var questions = [(ask("get", "apps", "statefulsets", set.name), true)]
            questions += ["get", "list", "watch"].map { (ask($0, "", "pods"), $0 != "watch") }
            if let leaseName {
                let group = "coordination.k8s.io"
                questions += ["get", "update"].map { (ask($0, group, "leases", leaseName), false) }
                questions.append((ask("create", group, "leases"), false))
            }
            if writesEvents { questions.append((ask("create", "", "events"), false)) }
            return questions
        }
    }

    /// Looks at the API server: who it is, whether its clock is ours, and each right that a backup uses.
    package func run(_ client: KubernetesClient, _ rights: ClusterRights) async -> [Finding] {
        let subject = client.server
        var findings: [Finding] = []
        do {
            let version = try await client.version()
            findings.append(Finding(subject, "connection", .good, "Kubernetes \(version.gitVersion)"))
            if let time = version.serverTimeSeconds {
                findings.append(
                    Self.clock(
                        subject,
                        aheadSeconds: Timestamp.now().secondsSince1970 - time,
                        hint: "Set the clock of this machine: tokens are good for a time by the server's clock."
                    )
                )
            }
            for (question, isNeeded) in rights.questions {
                findings.append(try await right(question, isNeeded, client))
            }
        } catch {
            findings.append(
                Finding(subject, "connection", failed: Failure(wrapping: error, attempting: "ask \(subject)"))
            )
        }
        return findings
    }

    /// Looks at the slots of a cluster, as a run does before it begins.
    package func run(slotsOf members: [BackupMember]) async -> [Finding] {
        let survey = await Survey.take(of: members, logger: logger)
        guard let cluster = ClusterSurvey(survey) else { return [] }
        do {
            try cluster.requireRest(allowsSlotMigration: false)
        } catch {
            let failure = Failure(wrapping: error, attempting: "look at the slots")
            return [Finding("cluster", "slots", failed: failure)]
        }
        let answered = survey.answers.filter { $0.info != nil }.map(\.member.name)
        let missing = cluster.slotsMissing(from: Set(answered))
        guard missing.isEmpty else {
            return [
                Finding(
                    "cluster",
                    "slots",
                    failed: Failure(
                        .guardRefused,
                        "no member is in the shards of \(missing.count) slots (\(missing))",
                        hint: "Name the nodes of every shard, or take a set without those slots with "
                            + "--allow-missing-slots."
                    )
                )
            ]
        }
        return [Finding("cluster", "slots", .good, "\(cluster.assignedSlots) are at rest, and each has a member here")]
    }

    private func right(
        _ question: AccessQuestion,
        _ isNeeded: Bool,
        _ client: KubernetesClient
    ) async throws -> Finding {
        let answer = try await client.mayI(question)
        let what = "\(question.verb) \(question.resource)\(question.name.map { "/\($0)" } ?? "")"
        let item = "right to \(what)"
        if answer.isAllowed { return Finding(client.server, item, .good, "in \(question.namespace)") }
        let detail = "this account may not \(what) in \(question.namespace)"
        let hint = "Grant it: the Role in jobs/backup has the verb \(question.verb) of \(question.resource)."
        guard isNeeded else {
            return Finding(client.server, item, .warning, detail + "; a backup goes on without it", hint: hint)
        }
        return Finding(client.server, item, failed: Failure(.permissionDenied, detail, hint: hint))
    }
}
