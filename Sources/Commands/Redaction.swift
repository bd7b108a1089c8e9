// SPDX-License-Identifier: Apache-2.0

import Catalog
import Synchronization

/// The last net under every message: secrets that are known to this process, and the user information of URLs, are
/// struck out of all that it says on standard error and of the error it reports.
///
/// Messages are made without secrets in the first place; this catches what a server, a library or the parser of the
/// command line may quote. Results are left as they are: an id that happens to hold a password must stay an id. So it
/// must in a message, as the scheme of a URL and a time. Any other word is struck out also where it is our own: nobody
/// can tell here which of them came from outside.
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
            text = replacing(secret, in: text)
        }
        return text
    }

    private static func replacing(_ secret: String, in text: String) -> String {
        var shown = ""
        var rest = text.startIndex
        for range in text.ranges(of: secret) {
            shown += text[rest..<range.lowerBound]
            shown += isFixedText(text, range) ? text[range] : "***"
            rest = range.upperBound
        }
        return shown + text[rest...]
    }

    private static let schemes: Set<String> = [
        "redis", "rediss", "valkey", "valkeys", "unix", "file", "s3", "azblob", "gs", "sftp", "webdav", "webdavs",
        "http",
        "https",
    ]

    /// Whether a part of a text is but a piece of what has one form only: the scheme of a URL, a time, or an id, which
    /// begins with one.
    private static func isFixedText(_ text: String, _ part: Range<String.Index>) -> Bool {
        let word = run(of: text, around: part) { $0.isASCII && ($0.isLetter || $0.isNumber) }
        if schemes.contains(word), text[part.upperBound...].drop(while: \.isLetter).hasPrefix("://") { return true }
        let id = run(of: text, around: part) { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
        if BackupID(id) != nil { return id.utf8.count > text[part].utf8.count }
        var time = run(of: text, around: part) { $0.isNumber || "-:TZ".contains($0) }
        if time.last == ":" { time.removeLast() }
        return Timestamp(time)?.description == time && time.utf8.count > text[part].utf8.count
    }

    /// The longest run of such characters that a part of the text stands in.
    private static func run(
        of text: String,
        around part: Range<String.Index>,
        where belongs: (Character) -> Bool
    ) -> String {
        guard text[part].allSatisfy(belongs) else { return "" }
        let before = text[..<part.lowerBound].reversed().prefix(while: belongs).reversed()
        return String(before) + text[part] + text[part.upperBound...].prefix(while: belongs)
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
