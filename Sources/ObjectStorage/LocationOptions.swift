// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// What follows the question mark in the URL of a store: `?region=eu-central-1&path-style=true`.
struct LocationOptions: Sendable {
    private let values: [String: String]
    private let location: String

    /// - Parameters:
    ///   - location: the URL without its options, for messages.
    ///   - known: the names that there are.
    /// - Throws: `.usage` when an option is not known, stands there twice or has no value.
    init(parsing text: Substring, of location: String, known: [String]) throws {
        var values: [String: String] = [:]
        for option in text.split(separator: "&") {
            let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            guard known.contains(name) else {
                throw Failure(
                    .usage,
                    "open \(location): there is no option \(name)",
                    hint: "The options of such a URL are \(known.joined(separator: ", "))."
                )
            }
            guard parts.count == 2, let value = PercentEncoding.decode(parts[1]), !value.isEmpty else {
                throw Failure(.usage, "open \(location): the option \(name) has no value")
            }
            guard values.updateValue(value, forKey: name) == nil else {
                throw Failure(.usage, "open \(location): the option \(name) is given twice")
            }
        }
        self.values = values
        self.location = location
    }

    subscript(name: String) -> String? { values[name] }

    /// What to throw when a value does not do. The value is not quoted: it may be a secret that was misplaced.
    func refused(_ name: String, _ reason: String) -> Failure {
        Failure(.usage, "open \(location): the option \(name) \(reason)")
    }

    /// `true` or `false`; `nil` when it is not given.
    /// - Throws: `.usage`.
    func flag(_ name: String) throws -> Bool? {
        guard let text = values[name] else { return nil }
        guard let value = Bool(text) else { throw refused(name, "is neither true nor false") }
        return value
    }
}
