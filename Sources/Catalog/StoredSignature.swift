// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import ObjectStorage

/// The name of a signature: what is signed, its SHA-256, and the fingerprint of the key.
///
///     <name>/<id>/manifest-<sha256>-<fingerprint>.sig
///     .removed/<name>/<id>-<sha256>-<fingerprint>.sig
///
/// The digest keeps two pods that conclude one set from writing the signature of each other's manifest, and a record
/// from meeting the signature of another one; the fingerprint lets several keys sign the same. A name without one is
/// read too: there the key is not told.
struct SignatureName: Sendable, Hashable {
    static let manifestStem = "manifest"
    private static let suffix = ".sig"
    private static let digestLength = 64

    let stem: String
    let sha256: String
    let fingerprint: String?

    init(stem: String, of bytes: [UInt8], by key: VerificationKey) {
        self.stem = stem
        sha256 = SHA256Digest.hex(of: bytes)
        fingerprint = key.fingerprint
    }

    /// `nil` for a name that is none of a signature.
    init?(_ text: String) {
        guard text.hasSuffix(Self.suffix) else { return nil }
        var parts = text.dropLast(Self.suffix.count).split(separator: "-", omittingEmptySubsequences: false)[...]
        guard let last = parts.popLast() else { return nil }
        if last.utf8.count == Self.digestLength {
            (sha256, fingerprint) = (String(last), nil)
        } else {
            guard last.utf8.count == VerificationKey.fingerprintLength, last.allSatisfy(\.isHexDigit),
                let digest = parts.popLast(), digest.utf8.count == Self.digestLength
            else { return nil }
            (sha256, fingerprint) = (String(digest), String(last))
        }
        guard !parts.isEmpty else { return nil }
        stem = parts.joined(separator: "-")
    }

    var text: String {
        "\(stem)-\(sha256)" + (fingerprint.map { "-\($0)" } ?? "") + Self.suffix
    }
}

/// The signatures that a listing shows; nothing of them was read.
package struct SignatureIndex: Sendable {
    private struct Place: Hashable {
        let folder: [String]
        let stem: String
        let sha256: String
    }

    private var keys: [Place: [ObjectKey]] = [:]
    private var folders: [[String]: ObjectKey] = [:]

    package init(_ listed: some Sequence<ObjectKey>) {
        for key in listed {
            guard let name = SignatureName(key.components.last ?? "") else { continue }
            let folder = Array(key.components.dropLast())
            keys[Place(folder: folder, stem: name.stem, sha256: name.sha256), default: []].append(key)
            folders[folder] = key
        }
    }

    /// Those whose names fit what is signed.
    func keys(of bytes: [UInt8], stem: String, in folder: [String]) -> [ObjectKey] {
        guard folders[folder] != nil else { return [] }
        return keys[Place(folder: folder, stem: stem, sha256: SHA256Digest.hex(of: bytes))] ?? []
    }

    /// Those of the manifest with these bytes.
    package func keys(ofManifest bytes: [UInt8], name: String, id: BackupID) -> [ObjectKey] {
        keys(of: bytes, stem: SignatureName.manifestStem, in: [name, id.text])
    }

    /// One of those in a folder, whatever it is of.
    func any(in folder: [String]) -> ObjectKey? { folders[folder] }
}

/// A signature as a store holds it.
package struct StoredSignature: Sendable, Hashable {
    package let key: ObjectKey
    /// 64 bytes; none where what lies there cannot be a signature.
    package let bytes: [UInt8]
    /// The fingerprint of the key that is said to have made it; `nil` where its name does not say.
    package let claimedBy: String?

    /// Whether what lies there can be a signature at all.
    package var isUsable: Bool { bytes.count == Self.length }
    /// Ed25519, in bytes.
    static let length = 64

    init(key: ObjectKey, bytes: [UInt8], claimedBy: String?) {
        self.key = key
        self.bytes = bytes
        self.claimedBy = claimedBy
    }
}

extension [StoredSignature] {
    /// Those of the keys that signed these bytes.
    package func signers(of bytes: [UInt8], among keys: [VerificationKey]) -> [VerificationKey] {
        keys.filter { key in contains { key.accepts($0.bytes, of: bytes) } }
    }
}

extension SigningKey {
    /// The signature of a manifest, and where it lies.
    package func signature(ofManifest bytes: [UInt8], name: String, id: BackupID) throws -> StoredSignature {
        let file = SignatureName(stem: SignatureName.manifestStem, of: bytes, by: verificationKey)
        return StoredSignature(
            key: try ObjectKey([name, id.text, file.text]),
            bytes: try signature(of: bytes),
            claimedBy: file.fingerprint
        )
    }

    /// The signature of the record of a removal, and where it lies.
    func signature(ofRemoval record: [UInt8], under key: ObjectKey) throws -> StoredSignature {
        let stem = String(key.components[2].prefix(BackupID.textLength))
        let file = SignatureName(stem: stem, of: record, by: verificationKey)
        return StoredSignature(
            key: try ObjectKey(key.components.dropLast() + [file.text]),
            bytes: try signature(of: record),
            claimedBy: file.fingerprint
        )
    }
}

extension Catalog {
    /// The signatures of the manifest with these bytes, whoever made them.
    /// - Parameter index: what a listing shows; the folder of the set is listed when it is `nil`.
    package func signatures(
        name: String,
        id: BackupID,
        manifest bytes: [UInt8],
        among index: SignatureIndex? = nil
    ) async throws -> [StoredSignature] {
        let index = if let index { index } else { try await signatures(in: KeyFolder([name, id.text])) }
        return try await signatures(of: bytes, stem: SignatureName.manifestStem, in: [name, id.text], among: index)
    }

    /// What a listing shows of signatures.
    package func signatures(in folder: KeyFolder) async throws -> SignatureIndex {
        SignatureIndex(try await store.list(under: folder).map(\.key))
    }

    func signatures(
        of bytes: [UInt8],
        stem: String,
        in folder: [String],
        among index: SignatureIndex
    ) async throws -> [StoredSignature] {
        var found: [StoredSignature] = []
        for key in index.keys(of: bytes, stem: stem, in: folder) {
            guard let signature = try await signature(under: key) else { continue }
            let claimed = SignatureName(key.components.last ?? "")?.fingerprint
            found.append(StoredSignature(key: key, bytes: signature, claimedBy: claimed))
        }
        return found
    }

    /// What lies under the key of a signature, empty where that cannot be one; `nil` where there is nothing.
    private func signature(under key: ObjectKey) async throws -> [UInt8]? {
        do {
            let found = try await store.read(key, bytesMax: StoredSignature.length).bytes
            return found.count == StoredSignature.length ? found : []
        } catch let failure as Failure where failure.code == .unsupported {
            return []
        } catch let failure as Failure where failure.code == .noSuchObject {
            return nil
        }
    }

    /// Writes a signature, unless it is there. What lies in its place and can be none, because it is too short or too
    /// long, makes room for it.
    /// - Throws: `.digestMismatch` when something else lies in its place.
    package func write(_ signature: StoredSignature) async throws {
        do {
            try await store.create(signature.key, signature.bytes)
        } catch let failure as Failure where failure.code == .alreadyExists {
            let found = try await self.signature(under: signature.key)
            if found?.isEmpty == true {
                try await store.remove(signature.key)
                try await store.create(signature.key, signature.bytes)
                return
            }
            // An earlier try of the same: Ed25519 signs the same bytes the same way (RFC 8032, section 5.1.6).
            guard found == signature.bytes else {
                throw Failure(
                    .digestMismatch,
                    "write \(signature.key) in \(store.location): something else lies there",
                    hint: "Find out who wrote it. When it is removed, sign again."
                )
            }
        }
    }
}
