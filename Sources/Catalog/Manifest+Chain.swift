// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Logging
import ObjectStorage

extension Manifest {
    /// The set before this one, as it was when this one was taken: what has changed or gone since shows.
    package struct Link: Sendable, Hashable, Codable {
        package var id: BackupID
        /// SHA-256 of the bytes of its manifest: 64 hexadecimal digits.
        package var manifestSha256: String

        package init(id: BackupID, manifestSha256: String) {
            self.id = id
            self.manifestSha256 = manifestSha256
        }

        package init(to id: BackupID, manifest bytes: [UInt8]) {
            self.init(id: id, manifestSha256: SHA256Digest.hex(of: bytes))
        }
    }
}

extension Catalog {
    /// The newest set of a subject, for the manifest of the next one. Called under the lease of the subject.
    /// - Parameter isRequired: whether a manifest that cannot be read is an error, because the next one is signed; the
    ///   chain begins anew otherwise.
    /// - Returns: `nil` where there is none.
    package func newestLink(
        of name: String,
        before limit: BackupID? = nil,
        isRequired: Bool = false,
        logger: Logger
    ) async throws -> Manifest.Link? {
        try await newestLink(in: listing(of: name), before: limit, isRequired: isRequired, logger: logger)
    }

    /// The same, of what was listed already.
    package func newestLink(
        in listing: SubjectListing,
        before limit: BackupID? = nil,
        isRequired: Bool = false,
        logger: Logger
    ) async throws -> Manifest.Link? {
        let name = listing.name
        let ids = listing.keys.filter(Self.isManifest).compactMap { BackupID($0.components[1]) }
        guard let id = ids.filter({ id in limit.map { id < $0 } ?? true }).max() else { return nil }
        do {
            let bytes = try await store.read(
                Self.manifestKey(name: name, id: id),
                bytesMax: Manifest.sizeBytesMax
            ).bytes
            if !isRequired, SignatureIndex(listing.keys).any(in: [name, id.text]) != nil {
                logger.warning("\(name)/\(id) is signed, and the set that follows it will not be (--sign-key)")
            }
            return Manifest.Link(to: id, manifest: bytes)
        } catch let failure as Failure where !isRequired && [.permissionDenied, .unsupported].contains(failure.code) {
            logger.warning("the next manifest will not name the one before it: \(failure)")
            return nil
        }
    }
}
