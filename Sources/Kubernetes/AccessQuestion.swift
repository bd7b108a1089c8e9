// SPDX-License-Identifier: Apache-2.0

/// "May I?", of one verb on one resource.
package struct AccessQuestion: Sendable, Hashable {
    /// `get`, `list`, `watch`, `create`, `update`, `patch` …
    package let verb: String
    /// `apps`, `coordination.k8s.io`; empty for `v1`.
    package let group: String
    /// `pods`, `leases` …
    package let resource: String
    /// `scale` of a StatefulSet, say.
    package let subresource: String?
    /// One object alone; `nil` asks for all of the namespace.
    package let name: String?
    package let namespace: String

    package init(
        verb: String,
        group: String = "",
        resource: String,
        subresource: String? = nil,
        name: String? = nil,
        namespace: String
    ) {
        self.verb = verb
        self.group = group
        self.resource = resource
        self.subresource = subresource
        self.name = name
        self.namespace = namespace
    }
}

/// What the API server answered to it.
package struct AccessAnswer: Sendable, Hashable {
    package let isAllowed: Bool
    /// Why, in the words of the authorizer, if it has any.
    package let reason: String?

    package init(isAllowed: Bool, reason: String? = nil) {
        self.isAllowed = isAllowed
        self.reason = reason
    }
}

/// Which version the API server is of, and what its clock says.
package struct ServerVersionAnswer: Sendable, Hashable {
    /// `v1.33.13`
    package let gitVersion: String
    /// Seconds since 1970, from the `Date` of the answer; `nil` when it has none.
    package let serverTimeSeconds: Int64?

    package init(gitVersion: String, serverTimeSeconds: Int64? = nil) {
        self.gitVersion = gitVersion
        self.serverTimeSeconds = serverTimeSeconds
    }
}
