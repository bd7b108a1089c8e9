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
    func key() throws -> SigningKey? {
        try signKey.map { try SigningKey(pem: KeyFile($0).text(), file: $0) }
    }
}

extension KeyFile {
    /// The text of a PEM file.
    /// - Throws: `.configuration`.
    func text() throws -> String { String(decoding: try bytes("key"), as: UTF8.self) }
}
