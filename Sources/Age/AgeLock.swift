// SPDX-License-Identifier: Apache-2.0

import Crypto
import Failures

/// Who can open the files that are encrypted: recipients, or those who know a passphrase; never both, because whoever
/// knew the passphrase could have made such a file.
package struct AgeLock: Sendable {
    private enum Kind {
        case recipients([AgeRecipient])
        case passphrase(AgePassphrase, workFactor: Int)
    }

    private let kind: Kind

    /// - Throws: `.configuration` where there is none, where those of both kinds are mixed, and where there are too
    ///   many for a header that is read again.
    package init(recipients: [AgeRecipient]) throws {
        var seen: Set<AgeRecipient> = []
        let distinct = recipients.filter { seen.insert($0).inserted }
        guard !distinct.isEmpty else { throw Failure(.configuration, "encrypt: there is no recipient") }
        let weaker = distinct.filter { !$0.isPostQuantum }
        guard weaker.isEmpty || weaker.count == distinct.count else {
            throw Failure(
                .configuration,
                "encrypt: of \(distinct.count) recipients \(weaker.count) are not post-quantum "
                    + "(\(weaker[0].fingerprint))",
                hint: "A file is as safe as the weakest of its recipients: all of them begin with age1pq1, or none."
            )
        }
        let bytes = distinct.reduce(AgeHeader.frameBytes) { $0 + $1.kind.stanzaBytes }
        guard bytes <= AgeHeaderReader.bytesMax else {
            throw Failure(
                .configuration,
                "encrypt for \(distinct.count) recipients: their header would be \(bytes) bytes, and at most "
                    + "\(AgeHeaderReader.bytesMax) are read"
            )
        }
        kind = .recipients(distinct)
    }

    package init(passphrase: AgePassphrase, workFactor: Int = AgePassphrase.workFactorUsual) {
        kind = .passphrase(passphrase, workFactor: workFactor)
    }

    /// What a manifest says of a passphrase in the place of a recipient.
    package static let passphraseFingerprint = "scrypt"

    /// Whom the files are for, as a manifest says it.
    package var fingerprints: [String] {
        switch kind {
        case .recipients(let recipients): recipients.map(\.fingerprint)
        case .passphrase: [Self.passphraseFingerprint]
        }
    }

    /// Whether making a header takes long, and much memory.
    package var isSlow: Bool {
        if case .passphrase = kind { true } else { false }
    }

    func header(_ fileKey: SymmetricKey) throws -> AgeHeader {
        switch kind {
        case .recipients(let recipients):
            AgeHeader(for: try recipients.map { try $0.stanza(for: fileKey) }, fileKey: fileKey)
        case .passphrase(let passphrase, let workFactor):
            AgeHeader(for: [try passphrase.stanza(for: fileKey, workFactor: workFactor)], fileKey: fileKey)
        }
    }
}

/// What opens files: identities, a passphrase, both or nothing.
package struct AgeKeyring: Sendable {
    package let identities: [AgeIdentity]
    package let passphrase: AgePassphrase?

    package init(identities: [AgeIdentity] = [], passphrase: AgePassphrase? = nil) {
        self.identities = identities
        self.passphrase = passphrase
    }

    package var isEmpty: Bool { identities.isEmpty && passphrase == nil }

    /// Whether one of those whom a file is for is here, by their fingerprints.
    package func opens(_ fingerprints: [String]) -> Bool {
        (passphrase != nil && fingerprints.contains(AgeLock.passphraseFingerprint))
            || identities.contains { fingerprints.contains($0.recipient.fingerprint) }
    }

    /// The key of a file, by its header.
    /// - Throws: `.cannotDecrypt` when nothing here opens it; `.corruptEncryption` when the header was changed;
    ///   `.unsupported` when its passphrase asks for too much work.
    func fileKey(of header: AgeHeader) throws -> SymmetricKey {
        guard let key = try unwrapped(header) else { throw refusal(of: header) }
        try header.requireCode(of: key)
        return key
    }

    private func unwrapped(_ header: AgeHeader) throws -> SymmetricKey? {
        for stanza in header.stanzas {
            if let key = try passphrase?.fileKey(of: stanza) { return key }
            for identity in identities {
                if let key = try identity.fileKey(of: stanza) { return key }
            }
        }
        return nil
    }

    private func refusal(of header: AgeHeader) -> Failure {
        let recipients = header.stanzas.count == 1 ? "1 recipient" : "\(header.stanzas.count) recipients"
        let reason: String
        switch (header.isForPassphrase, isEmpty) {
        case (true, _) where passphrase != nil: reason = "the passphrase is not the right one"
        case (true, _): reason = "it is encrypted with a passphrase, and none is given"
        case (false, true): reason = "it is encrypted for \(recipients), and no identity is given"
        case (false, false) where header.knownCount == 0:
            reason = "it is encrypted for \(recipients), none of them of a kind that is known here"
        case (false, false): reason = "it is encrypted for \(recipients), and no identity that is given is one of them"
        }
        return Failure(.cannotDecrypt, "decrypt: \(reason)", hint: Self.hint(isForPassphrase: header.isForPassphrase))
    }

    package static func hint(isForPassphrase: Bool) -> String {
        isForPassphrase
            ? "Give the passphrase in a file with --passphrase-file." : "Give the right one with --identity FILE."
    }
}
