// SPDX-License-Identifier: Apache-2.0

import HTTPTransport

/// One request to a store, before it is signed; it can be sent any number of times.
struct StoreOperation: Sendable {
    /// What people read in an error: `list s3://bucket/prefix`.
    let attempt: String
    /// The right it needs, as the provider names it: `s3:GetObject`.
    let action: String
    let method: String
    /// The whole key, prefix included; none for the bucket itself.
    var key: String?
    var query: [(name: String, value: String)] = []
    /// A URL that the store gave, instead of what `key` and `query` make.
    var url: String?
    var headers: [(name: String, value: String)] = []
    /// Statuses beside 200 that are answers and not errors.
    var answers: Set<Int> = []
    /// Where they differ from the usual ones.
    var deadlines: HTTPDeadlines?
    var body: [UInt8] = []

    init(_ attempt: String, action: String, _ method: String, key: String? = nil) {
        self.attempt = attempt
        self.action = action
        self.method = method
        self.key = key
    }
}
