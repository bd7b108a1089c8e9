// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The last net under every message: secrets that are known to this process, and the user information of URLs, are
/// struck out of all that it says on standard error and of the error it reports.
///
/// Messages are made without secrets in the first place; this catches what a server, a library or the parser of the
/// command line may quote. Results are left as they are: an id that happens to hold a password must stay an id.
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
        var text = withoutUserInformation(text)
        for secret in secrets.withLock({ $0.sorted { $0.utf8.count > $1.utf8.count } }) {
            text = text.replacing(secret, with: "***")
        }
        return text
    }

    /// `redis://user:password@host` becomes `redis://***@host`. The last `@` before the path counts, as a password may
    /// hold one.
    private static func withoutUserInformation(_ text: String) -> String {
        var parts = text.split(separator: "://", omittingEmptySubsequences: false).map(String.init)
        for index in parts.indices.dropFirst() {
            let end = parts[index].firstIndex { $0 == "/" || $0.isWhitespace || $0 == "'" || $0 == "\"" }
            let authority = parts[index][..<(end ?? parts[index].endIndex)]
            guard let at = authority.lastIndex(of: "@") else { continue }
            parts[index] = "***" + parts[index][at...]
        }
        return parts.joined(separator: "://")
    }
}
