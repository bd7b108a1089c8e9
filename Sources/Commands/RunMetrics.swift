// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// A run that is over, as metrics: docs/monitoring.md lists them.
struct RunMetrics: Sendable {
    /// `backup`, `verify` …
    let command: String
    let exitCode: Int32
    /// Seconds since 1970.
    let endedAt: Int64
    let seconds: Double
    let facts: RunFacts
    let subject: WatchedSubject
    /// The subject of the runs before, for one that failed before it knew its own.
    var subjectBefore: String?

    var samples: [MetricSample] {
        guard !facts.hasNoMetrics, !(facts.isPart && exitCode == 0) else { return [] }
        var samples: [MetricSample] = []
        for (name, subject) in subjects {
            let succeeded = subject.succeeded ?? (exitCode == 0)
            samples += common(succeeded: succeeded, labels: [MetricLabel("name", name)])
            samples += subject.values.map { sample($0, name) }
        }
        if subject == .all {
            samples += common(succeeded: exitCode == 0, labels: [])
            samples += facts.values.map { sample($0, "") }
        }
        guard !samples.isEmpty else { return [] }
        let build = MetricFamily("redoubt_build_info", "The version of the program that ran last.")
        return samples + [MetricSample(build, labels: [MetricLabel("version", redoubtVersion)], 1)]
    }

    /// Of a subject that nobody knows nothing is said: a value without a name would stay there for ever.
    private var subjects: [String: RunFacts.Subject] {
        if !facts.subjects.isEmpty { return facts.subjects }
        switch subject {
        case .named(let name): return [name: RunFacts.Subject()]
        case .all: return [:]
        case .unknown: return subjectBefore.map { [$0: RunFacts.Subject()] } ?? [:]
        }
    }

    private func sample(_ value: RunFacts.Value, _ name: String) -> MetricSample {
        MetricSample(value.family, labels: [MetricLabel("name", name)] + value.labels, value.value)
    }

    /// What is said of every run. The time of the last success only when there was one: whoever keeps what was said
    /// before keeps that of the one before.
    private func common(succeeded: Bool, labels: [MetricLabel]) -> [MetricSample] {
        func family(_ name: String, _ help: String) -> MetricFamily {
            MetricFamily("redoubt_\(command)_\(name)", help)
        }
        var samples = [
            MetricSample(
                family("last_attempt_timestamp_seconds", "When the last \(command) ended, however it did."),
                labels: labels,
                Double(endedAt)
            ),
            MetricSample(
                family("last_status", "Exit code of the last \(command)."),
                labels: labels,
                succeeded ? 0 : Double(exitCode)
            ),
            MetricSample(
                family("duration_seconds", "How long the last \(command) took, by phase."),
                labels: labels + [MetricLabel("phase", "total")],
                seconds
            ),
        ]
        samples.append(
            MetricSample(
                family("store_retries", "Requests to stores that the last \(command) sent again."),
                labels: labels,
                Double(facts.storeRetries)
            )
        )
        if succeeded {
            samples.append(
                MetricSample(
                    family("last_success_timestamp_seconds", "When the last \(command) ended that succeeded."),
                    labels: labels,
                    Double(endedAt)
                )
            )
        }
        return samples
    }
}
