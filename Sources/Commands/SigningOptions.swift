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
        KeyFile(signKey).warnIfReadableByAll(session)
        return try SigningKey(pem: KeyFile(signKey).text(), file: signKey)
    }
}

extension KeyFile {
    /// The text of a PEM file.
    /// - Throws: `.configuration`.
    func text() throws -> String { String(decoding: try bytes("key"), as: UTF8.self) }
}
