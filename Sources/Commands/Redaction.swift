// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The last net under every message: secrets that are known to this process are struck out of all that it prints.
///
/// Messages are made without secrets in the first place; this catches what a server or a library may quote.
package enum Redaction {
    /// Shorter texts would strike out half of every sentence.
    private static let secretLengthMin = 4
    private static let secrets = Mutex<Set<String>>([])

    /// Makes a secret known.
    package static func learn(_ secret: String?) {
        guard let secret, secret.utf8.count >= secretLengthMin else { return }
        secrets.withLock { _ = $0.insert(secret) }
    }

    /// The text without any known secret, and with the user information of every URL in it struck out.
    package static func apply(to text: String) -> String {
        var text = text
        for secret in secrets.withLock({ $0.sorted { $0.utf8.count > $1.utf8.count } }) {
            text = text.replacing(secret, with: "***")
        }
        return text
    }
}
