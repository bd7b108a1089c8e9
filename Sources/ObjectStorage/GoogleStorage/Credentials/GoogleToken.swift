// SPDX-License-Identifier: Apache-2.0

/// An access token, and what is sent beside it. It cannot be printed.
struct GoogleToken: Sendable {
    let text: String
    /// The project whose quota is used, where the credentials name one.
    let quotaProject: String?
}

extension GoogleToken: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    var description: String { "Google access token" }
    var debugDescription: String { description }
    var customMirror: Mirror { Mirror(self, children: [:]) }
}
