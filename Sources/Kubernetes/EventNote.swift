// SPDX-License-Identifier: Apache-2.0

/// What `kubectl describe` of an object shall tell: an Event of `v1` about it, in its namespace.
package struct EventNote: Sendable, Hashable {
    package let involved: Involved
    /// `Normal` or `Warning`.
    package let type: String
    /// Why, in one word: `BackupCompleted`.
    package let reason: String
    /// Cut to `messageBytesMax`.
    package let message: String
    /// Seconds since 1970.
    package let timeSeconds: Int64
    /// Which process tells it: the name of its pod, say.
    package let reportingInstance: String

    /// The API server refuses a longer one (`NoteLengthLimit` of its validation of events).
    package static let messageBytesMax = 1024

    /// The object that an event is about.
    package struct Involved: Sendable, Hashable {
        package let apiVersion: String
        package let kind: String
        package let namespace: String
        package let name: String
        package let uid: String?

        package init(apiVersion: String, kind: String, namespace: String, name: String, uid: String? = nil) {
            self.apiVersion = apiVersion
            self.kind = kind
            self.namespace = namespace
            self.name = name
            self.uid = uid
        }

        /// The StatefulSet.
        package init(_ set: StatefulSet) {
            self.init(
                apiVersion: "apps/v1",
                kind: "StatefulSet",
                namespace: set.namespace,
                name: set.name,
                uid: set.uid
            )
        }
    }

    package init(
        involved: Involved,
        type: String = "Normal",
        reason: String,
        message: String,
        timeSeconds: Int64,
        reportingInstance: String
    ) {
        self.involved = involved
        self.type = type
        self.reason = reason
        self.message = Self.cut(message)
        self.timeSeconds = timeSeconds
        self.reportingInstance = reportingInstance
    }

    /// Whole characters, as many as there is room for.
    private static func cut(_ message: String) -> String {
        guard message.utf8.count > messageBytesMax else { return message }
        var (count, end) = (0, message.startIndex)
        while end < message.endIndex {
            count += message[end].utf8.count
            guard count <= messageBytesMax else { break }
            end = message.index(after: end)
        }
        return String(message[..<end])
    }
}
