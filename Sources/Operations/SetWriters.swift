// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import Logging
import ObjectStorage

/// A member's bytes, staged in every store that is still part of the run.
package struct StagedCopies: Sendable {
    package struct Copy: Sendable {
        package let destination: Destination
        package let object: any StagedObject
    }

    package let copies: [Copy]
    /// The same in every store.
    package let key: ObjectKey
    package let bytes: Int64

    fileprivate init(_ first: Copy, _ others: [Copy] = []) {
        copies = [first] + others
        key = first.object.key
        bytes = first.object.bytes
    }

    func discard() async {
        await withTaskGroup(of: Void.self) { group in
            for copy in copies { group.addTask { await copy.object.discard() } }
        }
    }

    fileprivate func object(in destination: Destination) -> (any StagedObject)? {
        copies.first { $0.destination === destination }?.object
    }
}

/// Makes one backup set in every store of a run at the same time: one pass over the bytes, the same keys and the same
/// manifest everywhere.
package struct SetWriters: Sendable {
    let destinations: Destinations
    private let writers: [SetWriter]
    private let logger: Logger

    /// How long a store may take nothing while others wait for it.
    private let patience: Duration

    /// Less than the `repl-timeout` of a server, 60 s, after which none of them would have a backup.
    package static let patienceUsual = Duration.seconds(45)

    package init(
        name: String,
        id: BackupID,
        destinations: Destinations,
        signingKey: SigningKey? = nil,
        isShared: Bool = false,
        patience: Duration = patienceUsual
    ) {
        self.destinations = destinations
        self.patience = patience
        logger = destinations.logger
        writers = destinations.all.map {
            SetWriter(
                name: name,
                id: id,
                store: $0.catalog.store,
                isShared: isShared,
                signingKey: signingKey,
                logger: destinations.logger
            )
        }
    }

    /// What is to be written to each store.
    package struct Object: Sendable {
        let member: String
        /// What follows the name of the member: `.rdb.zst`.
        let suffix: String
        let estimatedBytes: Int64?

        package init(member: String, suffix: String, estimatedBytes: Int64?) {
            self.member = member
            self.suffix = suffix
            self.estimatedBytes = estimatedBytes
        }
    }

    /// Streams a member's bytes into every store, visible in none.
    /// - Throws: what `chunks` throws; when no store is left, the failure that tells most about why.
    package func stage(_ object: Object, from chunks: ByteStream) async throws -> StagedCopies {
        let chunks = destinations.spool == nil ? chunks : chunks.rechunked(to: Spool.blockBytes)
        guard destinations.all.count > 1 else {
            let only = destinations.all[0]
            return StagedCopies(.init(destination: only, object: try await stage(object, in: only, from: chunks)))
        }
        let open = destinations.remaining
        let patience = BranchPatience(limit: patience) { [standstill] branch in
            destinations.dropOut(open[branch], standstill)
        }
        let branched = await chunks.withBranches(
            open.count,
            depth: SnapshotPipeline.chunksAhead,
            patience: patience
        ) { branch, chunks in
            try await open[branch].working {
                try await stage(object, in: open[branch], from: chunks)
            } undo: {
                await $0.discard()
            }
        }
        return try await settle(branched, open, object)
    }

    private var standstill: Failure {
        Failure(
            .timeout,
            "write to the store: it took nothing for \(ReadableAmount.seconds(patience / .seconds(1))) while others "
                + "waited for it",
            hint: "Look what holds it up; with --spool DIR the others need not wait."
        )
    }

    /// Decides what became of a member: the failure of the server is that of the member, the failure of a store is
    /// that of the store.
    private func settle(
        _ branched: Branched<any StagedObject>,
        _ open: [Destination],
        _ object: Object
    ) async throws -> StagedCopies {
        var copies: [StagedCopies.Copy] = []
        var failures: [(destination: Destination, error: any Error)] = []
        for (destination, result) in zip(open, branched.results) {
            switch result {
            case .success(let staged): copies.append(.init(destination: destination, object: staged))
            case .failure(let error): failures.append((destination, error))
            }
        }
        do {
            if let failure = branched.sourceFailure { throw failure }
            try Task.checkCancellation()
            for (destination, error) in failures {
                destinations.dropOut(
                    destination,
                    Failure(wrapping: error, attempting: "stage \(object.member) in \(destination.label)")
                )
            }
            try destinations.requireOne()
        } catch {
            for copy in copies { await copy.object.discard() }
            throw error
        }
        guard let first = copies.first else {
            throw Failure(.storeUnavailable, "stage \(object.member): no store took it")
        }
        return StagedCopies(first, Array(copies.dropFirst()))
    }

    private func stage(
        _ object: Object,
        in destination: Destination,
        from chunks: ByteStream
    ) async throws -> any StagedObject {
        let writer = writers[destination.number]
        let subject = "\(object.member) to \(destination.label)"
        guard let spool = destinations.spool else {
            return try await writer.stage(
                member: object.member,
                suffix: object.suffix,
                estimatedBytes: object.estimatedBytes,
                from: StoreLag(of: subject, logger: logger).watching(chunks)
            )
        }
        return try await spool.streaming(chunks, of: subject) { chunks in
            try await writer.stage(
                member: object.member,
                suffix: object.suffix,
                estimatedBytes: object.estimatedBytes,
                from: chunks
            )
        }
    }

    /// Commits the set in each store: its members, then its manifest. A store where that fails takes back what it got,
    /// and drops out.
    /// - Throws: when no store has the set.
    package func commit(_ manifest: Manifest, staged: [StagedCopies], under leases: RunLeases) async throws {
        try await destinations.each("commit the set in") { destination in
            try await writers[destination.number].commit(
                manifest,
                staged: staged.compactMap { $0.object(in: destination) },
                under: leases.of(destination)
            )
        }
        await takeBack(staged, in: destinations.all.filter { !$0.isIn })
    }

    /// Discards what is staged, in every store.
    package func takeBack(_ staged: [StagedCopies]) async {
        await takeBack(staged, in: destinations.all)
    }

    private func takeBack(_ staged: [StagedCopies], in destinations: [Destination]) async {
        await withTaskGroup(of: Void.self) { group in
            for destination in destinations {
                let objects = staged.compactMap { $0.object(in: destination) }
                if !objects.isEmpty { group.addTask { await writers[destination.number].takeBack(objects) } }
            }
        }
    }
}
