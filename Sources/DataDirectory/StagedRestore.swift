// SPDX-License-Identifier: Apache-2.0

import Failures

/// What a restore into a data directory came to, when it did not fail.
package enum RestoreOutcome<Value: Sendable>: Sendable {
    /// The data is in its place; `Value` is what the body of the scope gave.
    case restored(RestoreMarker, Value)
    /// Nothing was changed.
    case nothingToRestore(NothingToRestore)
}

/// A snapshot that is being written into a data directory and has not taken its place.
///
/// One task uses it: writes, and in the end swaps. What is written is proven by the caller, before the swap.
package actor StagedRestore {
    private let area: StagingArea
    private var failure: Failure?
    private var isSynchronized = false
    /// Of the snapshot.
    package private(set) var writtenBytes: Int64 = 0
    /// Set once the restore is done.
    package private(set) var marker: RestoreMarker?

    init(area: StagingArea) {
        self.area = area
    }

    /// Appends to the snapshot.
    ///
    /// - Throws: `.trailingBytes` where it becomes longer than was announced; `.noSpace`, `.inputOutput`;
    ///   `.interrupted`. After an error nothing can be done with it but to leave the scope.
    package func write(_ chunk: [UInt8]) async throws {
        try await step { [area, writtenBytes] in
            guard area.request.isRewritten || writtenBytes + Int64(chunk.count) <= area.request.bytes else {
                throw Failure(
                    .trailingBytes,
                    "write the snapshot: more than the \(area.request.bytes) bytes that its manifest announces"
                )
            }
            try area.file.write(chunk)
        }
        isSynchronized = false
        writtenBytes += Int64(chunk.count)
    }

    /// Puts what was written onto the disk.
    ///
    /// - Throws: `.truncated` where bytes are missing; `.noSpace`, `.inputOutput`; `.interrupted`.
    package func sync() async throws {
        try await step { [area, writtenBytes] in
            guard area.request.isRewritten || writtenBytes == area.request.bytes else {
                throw Failure(
                    .truncated,
                    "write the snapshot: \(writtenBytes) of the \(area.request.bytes) bytes that its manifest announces"
                )
            }
            try area.file.synchronize()
        }
        isSynchronized = true
    }

    /// Puts the files in their places, and what was there before to `pre-restore-<id>`. Synchronizes first.
    ///
    /// Once it has begun it goes to its end, even if the task is cancelled.
    ///
    /// - Parameter rewritten: what was written, where that is not the snapshot itself.
    /// - Throws: as `sync`; `.truncated` where something else was written than was proven; `.guardRefused` where the
    ///   data directory is not what it was at the beginning of the scope.
    package func swapIn(as rewritten: RewrittenContent? = nil) async throws -> RestoreMarker {
        if !isSynchronized { try await sync() }
        let marker = try await step { [area, writtenBytes] in
            guard area.request.isRewritten == (rewritten != nil), (rewritten?.bytes ?? writtenBytes) == writtenBytes
            else {
                throw Failure(.truncated, "write the snapshot: the \(writtenBytes) bytes are not those that are proven")
            }
            return try area.swapIn(as: rewritten)
        }
        self.marker = marker
        return marker
    }

    private func step<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        if let failure { throw failure }
        do {
            try Task.checkCancellation()
            return try await BlockingCalls.run(body)
        } catch {
            let failure = Failure(wrapping: error, attempting: "restore into \(area.directory.path)")
            self.failure = failure
            throw failure
        }
    }
}

extension DataDirectory {
    /// Restores a snapshot into the data directory, if there is something to restore.
    ///
    /// Locks the folder, ends earlier restores that did not come to their end, looks at what is there, and decides. To
    /// restore, it prepares `.restore-<id>` and calls `body`, which writes the snapshot, proves it, and swaps it in. If
    /// `body` fails, or its task is cancelled, before the swap, nothing of it is left.
    ///
    /// - Returns: which of the two outcomes it was; the third is an error.
    /// - Throws: `.guardRefused`, see `Contents.decision`; `.noSpace` before anything is written; `.locked` where
    ///   another restore is at work; `.permissionDenied` where the files would not be the server's to read;
    ///   `.unsupported` where the file system lacks what the layout or the swap needs; `.inputOutput`; what `body`
    ///   throws.
    package func withStagedRestore<Value: Sendable>(
        _ request: RestoreRequest,
        _ body: (StagedRestore) async throws -> Value
    ) async throws -> RestoreOutcome<Value> {
        let lock = try await BlockingCalls.run { [folder] in try FolderLock(folder) }
        defer { lock.release() }
        try Task.checkCancellation()
        switch try await prepare(request) {
        case .nothing(let reason): return .nothingToRestore(reason)
        case .staged(let area): return try await run(area, body)
        }
    }

    private enum Preparation {
        case nothing(NothingToRestore)
        case staged(StagingArea)
    }

    private func prepare(_ request: RestoreRequest) async throws -> Preparation {
        try await BlockingCalls.run { [folder] in
            _ = try Recovery(directory: folder).run()
            let contents = try Inspection(folder: folder, names: request.layout.names).contents()
            switch try contents.decision(for: request, path: folder.path) {
            case .nothingToRestore(let reason): return .nothing(reason)
            case .restore(let moving): return .staged(try StagingArea(in: folder, for: request, moving: moving))
            }
        }
    }

    private func run<Value: Sendable>(
        _ area: StagingArea,
        _ body: (StagedRestore) async throws -> Value
    ) async throws -> RestoreOutcome<Value> {
        do {
            let restore = StagedRestore(area: area)
            let value = try await body(restore)
            guard let marker = await restore.marker else {
                throw Failure(.unclassified, "restore into \(path): left without swapping the files in")
            }
            return .restored(marker, value)
        } catch {
            // What cannot be removed now is removed by the next run; the first error is the one to be told.
            let name = area.request.restoreID.stagingName
            try? await BlockingCalls.run { [folder] in try Recovery(directory: folder).abandon(name) }
            throw error
        }
    }
}
