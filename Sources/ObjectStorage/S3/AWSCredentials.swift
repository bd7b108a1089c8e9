// SPDX-License-Identifier: Apache-2.0

/// What requests are signed with. It cannot be printed.
package struct AWSCredentials: Sendable, Hashable {
    package let accessKeyID: String
    package let secretAccessKey: String
    package let sessionToken: String?

    package init(accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil) {
        self.accessKeyID = accessKeyID
        self.secretAccessKey = secretAccessKey
        self.sessionToken = sessionToken
    }

    /// What must not stand in any message, should a server quote it. Shorter ones would strike out half of each
    /// sentence.
    var secrets: [String] {
        [secretAccessKey, sessionToken, accessKeyID].compactMap(\.self).filter { $0.utf8.count >= 4 }
    }
}

extension AWSCredentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "AWS credentials" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}
