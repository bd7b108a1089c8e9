// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import Failures
import FoundationEssentials

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
        try signKey.map { try SigningKey(pem: PEMFile.text(of: $0), file: $0) }
    }
}

/// Small files with keys.
enum PEMFile {
    private static let bytesMax = 64 << 10

    /// - Throws: `.configuration`.
    static func text(of path: String) throws -> String {
        do {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            guard bytes.count <= bytesMax else {
                throw Failure(.configuration, "read the key in \(path): it is too large")
            }
            return String(decoding: bytes, as: UTF8.self)
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(.configuration, "read the key in \(path)", cause: error)
        }
    }
}
