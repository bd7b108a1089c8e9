// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import RDB
import Synchronization

/// A snapshot that was written anew on its way to a server: other bytes than those in the store, and another history.
package struct RewrittenSnapshot: Sendable, Hashable {
    /// What was found in the bytes that were written, by a scanner that saw nothing else.
    package let proof: SnapshotProof
    package let changes: RDBChanges
}

extension SnapshotPipeline {
    /// Gives `body` a snapshot as it is to be written, and proves that: a second scanner reads all that comes out, and
    /// holds it against the manifest in whatever must not have changed.
    ///
    ///     replay ─▶ rewriter ─▶ SHA-256 ═▶ scanner ─▶ body
    ///
    /// - Parameters:
    ///   - raw: the snapshot as `replay` gives it: it throws at its end, at the latest, unless it is what the manifest
    ///     says.
    ///   - scanner: how what comes out is read; by default at level deep.
    /// - Throws: `.unsupported` where what was asked for cannot be written; what `raw` and `body` throw.
    /// - Returns: what `body` gives, and the proof; a body that did not read to the end has none.
    package static func rewriting<Result: Sendable>(
        _ raw: ByteStream,
        of member: Manifest.Member,
        as rewriting: RDBRewriting,
        by scanner: RDBScanner = RDBScanner(level: .deep),
        to body: (ByteStream) async throws -> Result
    ) async throws -> (result: Result, rewritten: RewrittenSnapshot) {
        let subject = "the rewritten snapshot of \(member.member)"
        let prover = SnapshotProver(subject, scanner: scanner)
        let rewriter = SharedRewriter(rewriting, subject: subject)
        let result = try await prover.proving(
            rewriter.rewritten(raw),
            accept: { proof in
                guard let difference = member.rdb?.difference(fromRewritten: proof, rewriting) else { return }
                throw Failure(.unclassified, "prove \(subject): \(difference)")
            },
            body
        )
        guard let proof = prover.proof else {
            throw Failure(.truncated, "write \(subject): nobody read it to its end")
        }
        return (result, RewrittenSnapshot(proof: proof, changes: rewriter.changes))
    }
}

extension ByteStream {
    /// The RDB that these bytes are, written anew. Where nothing is to be changed, these bytes.
    package func rewritten(as rewriting: RDBRewriting, subject: String) -> ByteStream {
        rewriting.changesNothing ? self : SharedRewriter(rewriting, subject: subject).rewritten(self)
    }
}

/// A rewriter at work in a stream.
private final class SharedRewriter: Sendable {
    private struct State {
        var rewriter: RDBRewriter
        /// What was received and not given to the rewriter.
        var input: ArraySlice<UInt8> = []
        /// What it gave and nobody took.
        var output: ArraySlice<UInt8> = []
    }

    /// A compressed hash may come out many times as long, so the rewriter gets little at once.
    private static let blockBytes = 64 * 1024

    private let state: Mutex<State>
    private let subject: String

    init(_ rewriting: RDBRewriting, subject: String) {
        state = Mutex(State(rewriter: RDBRewriter(rewriting)))
        self.subject = subject
    }

    var changes: RDBChanges { state.withLock { $0.rewriter.changes } }

    func rewritten(_ raw: ByteStream) -> ByteStream {
        raw.expanded(
            feed: { chunk in self.state.withLock { $0.input = chunk[...] } },
            drain: { try self.state.withLock { try self.next(&$0) } },
            finish: {}
        ).followed { try self.rest() }
    }

    private func next(_ state: inout State) throws -> [UInt8]? {
        while state.output.isEmpty, !state.input.isEmpty {
            let block = Array(state.input.prefix(Self.blockBytes))
            state.input = state.input.dropFirst(block.count)
            state.output = try failing { () throws(RDBError) in try state.rewriter.consume(block) }[...]
        }
        guard !state.output.isEmpty else { return nil }
        let chunk = Array(state.output.prefix(ByteStream.chunkSizeBytes))
        state.output = state.output.dropFirst(chunk.count)
        return chunk
    }

    private func rest() throws -> [UInt8] {
        try state.withLock { state in try failing { () throws(RDBError) in try state.rewriter.finish() } }
    }

    private func failing<Value>(_ rewrite: () throws(RDBError) -> Value) throws -> Value {
        do {
            return try rewrite()
        } catch {
            throw Failure(error.failureCode, "write \(subject): \(error)")
        }
    }
}

extension ByteStream {
    /// The same chunks, and after the last one what `finish` gives.
    fileprivate func followed(by finish: @escaping @Sendable () throws -> [UInt8]) -> ByteStream {
        transformed({ $0 }, finish: finish)
    }
}

extension Manifest.Snapshot {
    /// What a snapshot lost on its way through a rewriter, or `nil` if it says the same but for what was asked.
    fileprivate func difference(fromRewritten proof: SnapshotProof, _ rewriting: RDBRewriting) -> String? {
        let found = Manifest.Snapshot(proof)
        let expected = rewriting.expiries == .persist ? 0 : expires
        if found.version != version { return "its RDB version became \(found.version)" }
        if found.keys != keys { return "its keys a database became \(found.keys)" }
        if found.types != types { return "its keys a type became \(found.types)" }
        if found.expires != expected { return "it has \(found.expires) expiries instead of \(expected)" }
        if found.functions != functions || found.modules != modules { return "it lost functions or data of modules" }
        return nil
    }
}
