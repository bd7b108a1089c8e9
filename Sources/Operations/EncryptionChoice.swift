// SPDX-License-Identifier: Apache-2.0

import Age
import ByteStreams
import Catalog
import Failures
import Synchronization

/// Whether snapshots are encrypted, and for whom.
package struct EncryptionChoice: Sendable {
    /// The only one that is known here, as in the manifest.
    static let format = "age"

    private let lock: AgeLock?

    package static let none = EncryptionChoice(nil)

    package init(_ lock: AgeLock?) {
        self.lock = lock
    }

    /// Whether it is to be encrypted at all.
    package var isAsked: Bool { lock != nil }
    /// `age` or nothing, as in the manifest.
    var name: String? { lock.map { _ in Self.format } }
    /// `.age` or nothing.
    var fileSuffix: String { lock == nil ? "" : Self.fileSuffix }
    /// Whom snapshots are for, as in the manifest.
    package var recipients: [String]? { lock?.fingerprints }

    static let fileSuffix = ".age"

    /// Gives `body` the encrypted bytes. They are made in a task of their own, a few chunks behind the producer.
    func encrypted<Result: Sendable>(
        _ plain: ByteStream,
        _ body: (ByteStream) async throws -> Result
    ) async throws -> Result {
        guard let lock else { return try await body(plain) }
        let encryptor = Mutex(try await SlowKeys.making(isSlow: lock.isSlow) { try AgeEncryptor(for: lock) })
        return try await plain.withOverlap(depth: SnapshotPipeline.chunksAhead) { plain in
            try await body(
                plain.transformed(
                    { chunk in try encryptor.withLock { try $0.encrypt(chunk) } },
                    finish: { try encryptor.withLock { try $0.finish() } }
                )
            )
        }
    }
}

/// Turning a passphrase into a key takes about a second and 256 MiB: one at a time in the whole process, and not on the
/// threads of Swift's concurrency.
private enum SlowKeys {
    private static let working = Monitor(false)

    static func making<Value: Sendable>(
        isSlow: Bool,
        _ make: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        guard isSlow else { return try make() }
        try await working.wait { isWorking -> Void? in
            guard !isWorking else { return nil }
            isWorking = true
            return ()
        }
        defer { working.change { $0 = false } }
        return try await offPool(make)
    }
}

extension AgeKeyFile {
    /// As `decrypted`, in its turn among what is slow.
    package static func opened(
        _ bytes: [UInt8],
        in place: String,
        by passphrases: [AgePassphrase]
    ) async throws -> [UInt8] {
        try await SlowKeys.making(isSlow: !passphrases.isEmpty) { try decrypted(bytes, in: place, by: passphrases) }
    }
}

extension ByteStream {
    /// Gives `body` the bytes of an object without their encryption, if they have one. They are read ahead, a few
    /// chunks, in a task of their own.
    /// - Throws: `.cannotDecrypt`; `.corruptEncryption` when the object is not encrypted for those whom the manifest
    ///   names; `.unsupported` for another encryption.
    func withOpened<Result>(
        _ object: Manifest.Stored,
        of subject: String,
        by keyring: AgeKeyring,
        _ body: (ByteStream) async throws -> Result
    ) async throws -> Result {
        guard try object.isEncrypted(subject) else {
            return try await withOverlap(depth: SnapshotPipeline.chunksAhead, body)
        }
        try keyring.require(for: object, of: subject)
        do {
            return try await withDecrypted(by: keyring, body)
        } catch let failure as Failures.Failure where failure.code == .cannotDecrypt {
            // The manifest and the object would have to name the same recipients. A passphrase may just be wrong.
            let isNamed = keyring.identities.contains {
                object.recipients?.contains($0.recipient.fingerprint) ?? false
            }
            guard isNamed else { throw failure.during("read \(subject)") }
            throw Failures.Failure(
                .corruptEncryption,
                "read \(subject): its manifest says that it is encrypted for this identity, and it is not",
                cause: failure
            )
        }
    }

    /// Gives `body` the bytes of a file of the age format, decrypted.
    func withDecrypted<Result>(
        by keyring: AgeKeyring,
        _ body: (ByteStream) async throws -> Result
    ) async throws -> Result {
        try await Self.withProduced(depth: SnapshotPipeline.chunksAhead) { put in
            var decryptor = AgeDecryptor()
            for try await chunk in self {
                var plain = try decryptor.decrypt(chunk)
                if decryptor.lockedHeader != nil {
                    (decryptor, plain) = try await Self.opened(decryptor, by: keyring)
                }
                if !plain.isEmpty { try await put(plain) }
            }
            let rest = try decryptor.finish()
            if !rest.isEmpty { try await put(rest) }
        } reading: {
            try await body($0)
        }
    }

    fileprivate static func opened(
        _ decryptor: AgeDecryptor,
        by keyring: AgeKeyring
    ) async throws -> (AgeDecryptor, [UInt8]) {
        let isSlow = decryptor.lockedHeader?.isForPassphrase == true && keyring.passphrase != nil
        return try await SlowKeys.making(isSlow: isSlow) {
            var decryptor = decryptor
            let plain = try decryptor.open(with: keyring)
            return (decryptor, plain)
        }
    }
}

extension Manifest.Stored {
    /// - Throws: `.unsupported` where it is encrypted in another way than is known here.
    func isEncrypted(_ subject: String) throws -> Bool {
        guard let encryption else { return false }
        guard encryption == EncryptionChoice.format else {
            throw Failure(
                .unsupported,
                "read \(subject): it is encrypted with \(String(reflecting: encryption)), which is not known here",
                hint: "Use a newer redoubt."
            )
        }
        return true
    }
}

extension AgeKeyring {
    /// Whether a member can be opened, by the word of the manifest. What is not encrypted can.
    func canOpen(_ object: Manifest.Stored) -> Bool {
        guard object.encryption != nil else { return true }
        guard let recipients = object.recipients, !recipients.isEmpty else { return !isEmpty }
        return opens(recipients)
    }

    /// Refuses what cannot be opened, by the word of the manifest, before anything is read.
    /// - Throws: `.cannotDecrypt`.
    func require(for object: Manifest.Stored, of subject: String) throws {
        guard !canOpen(object) else { return }
        let recipients = object.recipients ?? []
        let isForPassphrase = recipients == [AgeLock.passphraseFingerprint]
        let given = identities.map(\.recipient.fingerprint).joined(separator: ", ")
        let lack: String =
            switch (isEmpty, isForPassphrase) {
            case (true, true): "no passphrase is given"
            case (true, false): "no identity is given"
            case (false, true): "what is given is no passphrase"
            case (false, false): given.isEmpty ? "a passphrase does not open it" : "what is given is for \(given)"
            }
        let whom =
            isForPassphrase
            ? "with a passphrase" : "for " + (recipients.isEmpty ? "somebody" : recipients.joined(separator: ", "))
        throw Failure(
            .cannotDecrypt,
            "read \(subject): it is encrypted \(whom), and \(lack)",
            hint: Self.hint(isForPassphrase: isForPassphrase)
        )
    }
}

extension Catalog {
    /// Finds out whether a member can be opened, before anything is done for it: reads the beginning of its object, and
    /// takes the key out of it.
    /// - Throws: `.cannotDecrypt`, `.corruptEncryption`; what the store throws.
    func requireOpenable(_ member: Manifest.Member) async throws {
        let subject = member.subject
        guard let stored = member.stored, try stored.isEncrypted(subject) else { return }
        try keyring.require(for: stored, of: subject)
        try await withStoredBytes(of: member) { chunks in
            try await chunks.withOpened(stored, of: subject, by: keyring) { plain in
                for try await _ in plain { return }
            }
        }
    }

    /// Reads the object of a member, and holds it against the manifest as far as that goes without a key: its size and
    /// SHA-256, and that an encrypted one begins like one.
    /// - Throws: `.digestMismatch`, `.corruptEncryption`, `.truncated`; what the store throws.
    func requireSound(_ member: Manifest.Member, progress: ProgressMeter.Step) async throws {
        try await withStoredBytes(of: member) { chunks in
            try await SnapshotPipeline.requireSound(chunks, of: member, progress: progress)
        }
    }
}

extension SnapshotPipeline {
    /// As `Catalog.requireSound`, for bytes that are read already.
    static func requireSound(
        _ stored: ByteStream,
        of member: Manifest.Member,
        progress: ProgressMeter.Step
    ) async throws {
        let subject = member.subject
        guard let object = member.stored else {
            throw Failure(.noSuchBackup, "read \(subject): the set holds none")
        }
        let isEncrypted = try object.isEncrypted(subject)
        var beginning = AgeDecryptor()
        for try await chunk in stored.held(against: object, of: subject) {
            progress.advance(by: chunk.count)
            if isEncrypted, beginning.lockedHeader == nil { _ = try beginning.decrypt(chunk) }
        }
        guard !isEncrypted || beginning.lockedHeader != nil else {
            throw Failure(.truncated, "verify \(subject): it ends inside of the header of its encryption")
        }
    }
}
