// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Telemetry

/// What a run found out, for those who watch: the command notes it, and when the run ends it is told.
struct RunFacts: Sendable {
    /// What is known of one subject.
    struct Subject: Sendable {
        /// Whether all of it went well; by the exit code where nothing is noted.
        var succeeded: Bool?
        /// The set that it is about.
        var backup: String?
        var values: [Value] = []
    }

    /// A value of a family `redoubt_<noun>_<name>`.
    struct Value: Sendable {
        let family: MetricFamily
        let labels: [MetricLabel]
        let value: Double

        init(_ name: String, _ help: String, labels: [MetricLabel] = [], _ value: Double) {
            family = MetricFamily("redoubt_" + name, help)
            self.labels = labels
            self.value = value
        }
    }

    var subjects: [String: Subject] = [:]
    /// Of the run as a whole, where it is about all subjects.
    var values: [Value] = []
    /// Requests to stores that had to be sent again.
    var storeRetries = 0
    /// Nothing is told of a run that did its part and not the whole.
    var isPart = false
    /// It is no proof of what is in backups, and no metric may take it for one, nor lose the last one over it.
    var hasNoMetrics = false

    private static let noted = Mutex(RunFacts())

    static func note(_ change: (inout RunFacts) -> Void) {
        noted.withLock { change(&$0) }
    }

    static var current: RunFacts { noted.withLock { $0 } }
}
