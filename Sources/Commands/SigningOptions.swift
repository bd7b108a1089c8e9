// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import Failures

/// What manifests, and the records of removals, are signed with.
struct SigningOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "Sign what says that a backup exists, or was removed: a file with an Ed25519 key as PEM.",
            valueName: "file"
        )
    )
    var signKey: String?

    /// - Throws: `.configuration`.
    func key(_ session: Session) throws -> SigningKey? {
        guard let signKey else { return nil }
        let key = try SigningKey(pem: KeyFile(signKey).text(), file: signKey)
        // A public key, which is refused, may be read by all.
        KeyFile(signKey).warnIfReadableByAll(session)
        return key
    }
}

/// Whose signatures are believed.
struct PublicKeyOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "A file with the Ed25519 key that must have signed, as PEM. Repeatable.",
            valueName: "file"
        )
    )
    var publicKey: [String] = []

    /// - Throws: `.configuration`.
    func keys() throws -> [VerificationKey] {
        try publicKey.map { try VerificationKey(pem: KeyFile($0).text(), file: $0) }
    }
}

extension KeyFile {
    /// The text of a PEM file.
    /// - Throws: `.configuration`.
    func text() throws -> String { String(decoding: try bytes("key"), as: UTF8.self) }
}
