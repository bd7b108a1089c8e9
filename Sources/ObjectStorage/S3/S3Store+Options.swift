// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport
import Logging

extension S3Store {
    var options: S3Options { dialect.settings.location.options }

    /// Headers of every request that reads bytes of an object, looks at one, or goes on writing one.
    var keyHeaders: [S3Options.Header] { dialect.settings.customerKey?.headers ?? [] }

    /// Headers of the request that makes an object.
    func headers(writing key: ObjectKey, isSmall: Bool) -> [S3Options.Header] {
        options.headers(writing: key, isSmall: isSmall, atSecondsSince1970: exchange.secondsSince1970()) + keyHeaders
    }

    /// Compares the checksum that the store keeps of an object with ours, and says what the store does not show of what
    /// was asked of it.
    /// - Parameter expected: as the store should show it; `nil` when none was asked for.
    /// - Throws: `.digestMismatch`.
    func prove(_ look: S3Look, hasChecksum expected: String?, _ attempt: String) throws {
        var unmet = options.unmet(by: { look.head[$0] }, of: look.object.key)
        defer { warn(ofIgnored: unmet) }
        guard let checksum = dialect.settings.checksum, let expected else { return }
        // Some keep another kind than they were asked for: of the whole object, or of the parts.
        guard let shown = look.head[checksum.header], shown.contains("-") == expected.contains("-") else {
            unmet.append("checksum=\(checksum.rawValue)")
            return
        }
        guard shown == expected else {
            throw Failure(
                .digestMismatch,
                "\(attempt): the store holds bytes with the \(checksum.name) \(shown.prefix(60)), "
                    + "and \(expected) was sent"
            )
        }
    }

    /// A warning and no failure: a store also hides what these credentials may not see, such as a lock.
    private func warn(ofIgnored unmet: [String]) {
        let news = findings.ignores(unmet)
        if news.isEmpty { return }
        exchange.logger.warning(
            "the store does not show of a new object what was asked for; it may have ignored it",
            metadata: ["options": "\(news.joined(separator: ", "))", "store": "\(location)"]
        )
    }
}
