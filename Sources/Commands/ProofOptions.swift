// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import RDB

extension RDBLevel: ExpressibleByArgument {}

/// How closely a snapshot is read.
struct ProofOptions: ParsableArguments, Sendable {
    @Option(
        help: """
            How closely the RDB is read: framing (records and checksum), deep (also inside every value), content (also \
            the digest of what the dataset says).
            """
    )
    var proof: RDBLevel = .deep
}

/// How closely a snapshot is read that was proven before.
struct ReplayProofOptions: ParsableArguments, Sendable {
    @Option(
        help: """
            How closely the snapshot is read: framing, deep or content. Otherwise as closely as it was proven, and no \
            closer than deep.
            """
    )
    var proof: RDBLevel?
}
