// SPDX-License-Identifier: Apache-2.0

import Age
import ByteStreams
import Catalog
import Failures
import RDB

/// Reads a snapshot, all of it, and says what is in it. What is said is proven: a snapshot that breaks a rule of its
/// format, or is not what its manifest says, is an error and not a finding.
package struct Inspect: Sendable {
    /// What is found out, and how.
    package struct Request: Sendable, Hashable {
        /// How many of the largest keys are remembered.
        package var top: Int
        /// What ends a prefix.
        package var delimiter: String
        /// How closely the snapshot is read; as it was proven, and no closer than deep, when `nil`.
        package var proof: RDBLevel?

        package init(top: Int = 10, delimiter: String = ":", proof: RDBLevel? = nil) {
            self.top = top
            self.delimiter = delimiter
            self.proof = proof
        }
    }

    /// What was found.
    package struct Findings: Sendable {
        package let summary: RDBSummary
        package let census: RDBCensus
        /// What expiries are measured from: the time of the snapshot, or of this run where the snapshot has none.
        package let measuredFrom: Timestamp

        /// What a server must be and have so that it loads the snapshot.
        package var loader: RDBLoader { RDBLoader(RDBRequirements(summary)) }
    }

    private let request: Request
    private let meter: ProgressMeter
    /// What expiries are measured from where the snapshot has no time.
    private let begun = Timestamp.now()

    package init(_ request: Request, meter: ProgressMeter) {
        self.request = request
        self.meter = meter
    }

    /// Inspects a file that is in no store: a plain RDB, or one compressed and encrypted by its suffixes.
    /// - Throws: `.corruptSnapshot`, `.truncated`, `.trailingBytes`, `.corruptCompression`, `.corruptEncryption`,
    ///   `.cannotDecrypt`, `.inputOutput`.
    package func run(file path: String, with keyring: AgeKeyring = AgeKeyring()) async throws -> Findings {
        try await withSnapshotFile(path) { sizeBytes, chunks in
            let step = meter.begin("inspect \(path)", expectedBytes: sizeBytes)
            defer { step.end() }
            let counted = chunks.observed { step.advance(by: $0.count) }
            let prover = SnapshotProver(path, scanner: scanner(.deep))
            try await counted.withContent(ofFile: path, with: keyring) { raw in
                try await prover.proving(raw) { proven in
                    for try await _ in proven {}
                }
            }
            return findings(of: prover)
        }
    }

    /// Inspects a member of a backup set, and holds every byte of it against the manifest on the way.
    /// - Throws: `.digestMismatch`, `.truncated`, `.corruptCompression`, `.corruptSnapshot`.
    package func run(_ member: Manifest.Member, in catalog: Catalog) async throws -> Findings {
        let step = meter.begin("inspect \(member.member)", expectedBytes: member.rdb?.bytes)
        defer { step.end() }
        return try await catalog.withStoredBytes(of: member) { stored in
            let replayed = try await SnapshotPipeline.replay(
                stored,
                of: member,
                with: catalog.keyring,
                by: scanner(member.provenLevel),
                progress: step
            ) { raw in
                for try await _ in raw {}
            }
            return findings(of: replayed.prover)
        }
    }

    /// The member that is meant: the one of that name, or the first one that is stored.
    /// - Throws: `.noSuchBackup` when the set holds no snapshot of it.
    package static func member(_ name: String?, of manifest: Manifest) throws -> Manifest.Member {
        let stored = manifest.storedMembers
        if let member = stored.first(where: { name == nil || $0.member == name }) { return member }
        let names = stored.map(\.member).joined(separator: ", ")
        throw Failure(
            .noSuchBackup,
            "find \(name.map { "the snapshot of \($0)" } ?? "a snapshot") in \(manifest.name)/\(manifest.id): "
                + "the set holds none",
            hint: stored.isEmpty ? nil : "It holds those of \(names)."
        )
    }

    /// One that takes note of every key.
    private func scanner(_ level: RDBLevel) -> RDBScanner {
        let census = RDBCensus(
            top: request.top,
            delimiter: Array(request.delimiter.utf8),
            clock: begun.secondsSince1970 * 1000
        )
        return RDBScanner(level: request.proof ?? level, census: census)
    }

    /// - Parameter prover: one whose stream came to its end.
    private func findings(of prover: SnapshotProver) -> Findings {
        let notes = prover.notes
        guard let summary = prover.proof?.summary, let census = notes.census else {
            preconditionFailure("a stream that ended is proven")
        }
        let time = notes.snapshotTime.map { Timestamp(secondsSince1970: $0 / 1000) }
        return Findings(summary: summary, census: census, measuredFrom: time ?? begun)
    }
}
