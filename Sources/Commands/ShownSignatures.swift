// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures

/// Who signed a set, for whoever looks at it.
struct ShownSignatures {
    struct Signature: Encodable {
        /// The fingerprint: of the key that is right, or of the one that it says itself; absent where it does not say.
        let key: String?
        /// Whether one of the keys that were given made it; absent where none was given.
        let accepted: Bool?

        var text: String {
            let signer = key ?? "a key that it does not name"
            return switch accepted {
            case true: "by \(signer): checks out"
            case false: "by \(signer): of other bytes, or by none of the keys that were given"
            default: "by \(signer), unchecked: --public-key checks it"
            }
        }
    }

    let all: [Signature]
    private let isAsked: Bool

    /// A store that does not let us look for them still shows its sets, unless they are asked for.
    static func find(
        _ manifest: Manifest,
        _ bytes: [UInt8],
        in catalog: Catalog,
        by keys: [VerificationKey],
        _ session: Session
    ) async throws -> ShownSignatures? {
        let found: [StoredSignature]
        do {
            found = try await catalog.signatures(name: manifest.name, id: manifest.id, manifest: bytes)
        } catch let failure as Failure where keys.isEmpty && failure.code != .interrupted {
            session.logger.warning("could not look for signatures of \(manifest.name)/\(manifest.id): \(failure)")
            return nil
        }
        let signatures = found.map { signature in
            let signer = [signature].signers(of: bytes, among: keys).first
            return Signature(
                key: signer?.fingerprint ?? signature.claimedBy,
                accepted: keys.isEmpty ? nil : signer != nil
            )
        }
        return ShownSignatures(all: signatures, isAsked: !keys.isEmpty)
    }

    var text: String {
        if all.isEmpty { return "unsigned" }
        return all.map { "signed    \($0.text)" }.joined(separator: "\n")
    }

    /// - Throws: `.digestMismatch` when keys were given, and none of them signed the set.
    func requireAccepted(of manifest: Manifest) throws {
        guard isAsked, !all.contains(where: { $0.accepted == true }) else { return }
        throw Failure(
            .digestMismatch,
            "check the signature of \(manifest.name)/\(manifest.id): "
                + (all.isEmpty ? "it is not signed" : "none of the keys that were given signed it"),
            hint: "`redoubt verify --chain` looks at the whole history; `redoubt sign` signs what is there."
        )
    }
}
