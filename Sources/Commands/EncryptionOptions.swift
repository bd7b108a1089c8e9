// SPDX-License-Identifier: Apache-2.0

import Age
import ArgumentParser
import Failures
import Operations

/// Whom snapshots are encrypted for.
struct RecipientOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "Encrypt every snapshot for this recipient of age, age1…; may be repeated. What it encrypts, only the "
                + "identity decrypts that belongs to it.",
            valueName: "age1…"
        )
    )
    var recipient: [String] = []

    @Option(
        help: ArgumentHelp("File with recipients, one a line, as age has it. May be repeated.", valueName: "file")
    )
    var recipientsFile: [String] = []

    var isEmpty: Bool { recipient.isEmpty && recipientsFile.isEmpty }

    /// - Throws: `.configuration`, `.unsupported`.
    func lock() throws -> AgeLock? {
        guard !isEmpty else { return nil }
        var recipients = try recipient.map { try AgeRecipient(parsing: $0) }
        for path in recipientsFile {
            recipients += try AgeKeyFile.recipients(try KeyFile(path).bytes("recipients"), in: path)
        }
        return try AgeLock(recipients: recipients)
    }
}

/// A passphrase in the place of a key.
struct PassphraseOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "File whose only line is the passphrase of the snapshots, where there are no recipients.",
            valueName: "file"
        )
    )
    var passphraseFile: String?

    func passphrase(_ session: Session) throws -> AgePassphrase? {
        try passphraseFile.map { try KeyFile($0).passphrase(session) }
    }
}

extension KeyFile {
    /// The passphrase in it, which is kept out of everything that is said from then on.
    /// - Throws: `.configuration`.
    fileprivate func passphrase(_ session: Session) throws -> AgePassphrase {
        let bytes = try bytes("passphrase")
        warnIfReadableByAll(session)
        Redaction.learn(
            String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).first.map(String.init)
        )
        return try AgeKeyFile.passphrase(bytes, in: path)
    }
}

/// How snapshots are encrypted while they are written.
struct EncryptionOptions: ParsableArguments, Sendable {
    @OptionGroup var recipients: RecipientOptions
    @OptionGroup var passphrase: PassphraseOptions

    func validate() throws {
        if !recipients.isEmpty, passphrase.passphraseFile != nil {
            throw ValidationError(
                "--passphrase-file stands alone: whoever knows the passphrase could make what the recipients read"
            )
        }
    }

    func choice(_ session: Session) throws -> EncryptionChoice {
        if let lock = try recipients.lock() { return EncryptionChoice(lock) }
        return EncryptionChoice(try passphrase.passphrase(session).map { AgeLock(passphrase: $0) })
    }
}

/// What opens snapshots that are encrypted.
struct IdentityOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "File with the identity that opens the snapshots, as age-keygen writes it. May be repeated.",
            valueName: "file"
        )
    )
    var identity: [String] = []

    @Option(
        help: ArgumentHelp(
            "File whose only line is the passphrase of an --identity that is encrypted itself, as age -p does it. "
                + "May be repeated.",
            valueName: "file"
        )
    )
    var identityPassphraseFile: [String] = []

    @OptionGroup var passphrase: PassphraseOptions

    /// - Throws: `.configuration`, `.unsupported`; `.cannotDecrypt` for an identity that no passphrase opens.
    func keyring(_ session: Session) async throws -> AgeKeyring {
        let passphrases = try identityPassphraseFile.map { try KeyFile($0).passphrase(session) }
        var identities: [AgeIdentity] = []
        for path in identity {
            let file = KeyFile(path)
            var bytes = try file.bytes("identities")
            if AgeKeyFile.isEncrypted(bytes) {
                bytes = try await AgeKeyFile.opened(bytes, in: path, by: passphrases)
            } else {
                file.warnIfReadableByAll(session)
            }
            for line in String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
            where line.hasPrefix("AGE-SECRET-KEY-") {
                Redaction.learn(String(line))
            }
            identities += try AgeKeyFile.identities(bytes, in: path)
        }
        return AgeKeyring(identities: identities, passphrase: try passphrase.passphrase(session))
    }

    /// What is said here, for a process that finds the same files.
    var arguments: [String] {
        identity.map { "--identity=\($0)" } + passphraseArguments
            + (passphrase.passphraseFile.map { ["--passphrase-file=\($0)"] } ?? [])
    }

    /// What of it is about identities that are encrypted themselves.
    var passphraseArguments: [String] { identityPassphraseFile.map { "--identity-passphrase-file=\($0)" } }

    var isEmpty: Bool { identity.isEmpty && passphrase.passphraseFile == nil }
}
