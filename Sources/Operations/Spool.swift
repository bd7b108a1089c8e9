// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Logging
import SystemPackage

/// Where bytes wait that a store cannot take yet, so that the server need not: a little memory for each stream, and
/// behind it one file for all streams of a run.
///
/// The file is used once a server has been kept waiting for a while, and until the store has caught up. It consists of
/// places of one block each, which are used again; it never has more of them than `bytesMax` allows.
package final class Spool: Sendable {
    package struct Options: Sendable {
        package var folder: String
        /// What the file may take of the disk.
        package var bytesMax: Int64
        /// How long a server is kept waiting before the file is used.
        package var patience: Duration

        package init(folder: String, bytesMax: Int64, patience: Duration = .seconds(2)) {
            self.folder = folder
            self.bytesMax = bytesMax
            self.patience = patience
        }
    }

    /// All blocks but the last one of a stream have this size, in bytes.
    package static let blockBytes = ByteStream.chunkSizeBytes
    /// How many blocks of a stream wait in memory.
    package static let blocksInMemoryMax = 16

    /// A block in the file.
    struct Stored: Sendable {
        let place: Int
        let bytes: Int
        let sha256: String
    }

    /// A stream on its way: its blocks in memory are older than those in the file.
    struct Line: Sendable {
        var memory: ArraySlice<[UInt8]> = []
        var stored: ArraySlice<Stored> = []
        var ending: Result<Void, any Error>?
        /// How long the server was kept waiting, since the file was not needed any more.
        var waited: Duration = .zero
        var storedBytes: Int64 = 0

        var hasRoomInMemory: Bool { stored.isEmpty && memory.count < Spool.blocksInMemoryMax }
    }

    struct State: Sendable {
        var lines: [Int: Line] = [:]
        var begun = 0
        /// Places of the file that are free again.
        var free: [Int] = []
        /// How many places the file has, and may have.
        var places = 0
        var placesMax: Int
        var inUseMost = 0
        /// Whether the disk took everything so far.
        var isHealthy = true

        var hasPlace: Bool { !free.isEmpty || places < placesMax }

        mutating func takePlace() -> Int? {
            guard hasPlace else { return nil }
            defer { inUseMost = max(inUseMost, places - free.count) }
            if let place = free.popLast() { return place }
            places += 1
            return places - 1
        }
    }

    let options: Options
    let state: Monitor<State>
    private let file: SpoolFile
    private let logger: Logger
    /// What was said already.
    private let said = Monitor<Set<String>>([])

    init(_ options: Options, file: SpoolFile, logger: Logger) {
        self.options = options
        self.file = file
        self.logger = logger
        state = Monitor(State(placesMax: Int(clamping: options.bytesMax / Int64(Self.blockBytes))))
    }

    /// The most that the file held, in bytes.
    package var mostBytes: Int64 { state.quietly { Int64($0.inUseMost) * Int64(Self.blockBytes) } }

    /// Writes a block to a place that was taken.
    ///
    /// A file that takes no more is no failure: it gets no larger, and the server waits for the store as if the file
    /// were full.
    /// - Returns: `nil` when the block is not in the file.
    func write(_ block: [UInt8], at place: Int) async -> Stored? {
        do {
            let stored = Stored(place: place, bytes: block.count, sha256: SHA256Digest.hex(of: block))
            try await offPool { [file] in try file.write(block, atPlace: place, ofBytes: Self.blockBytes) }
            return stored
        } catch {
            let isFull = [.noSpace, .diskQuotaExceeded].contains(error as? Errno)
            state.change { state in
                state.isHealthy = false
                // Where the disk is full, the places that the file has can still be used. This one is given up.
                state.placesMax = isFull ? min(state.placesMax, state.places) : 0
                if !isFull { state.free = [] }
            }
            sayOnce(isFull ? "the disk of the spool is full" : "the spool cannot be written to", because: error)
            return nil
        }
    }

    /// Reads a block again, and frees its place.
    /// - Throws: `.inputOutput` when it cannot be read, `.digestMismatch` when it is not what was written.
    func take(_ stored: Stored) async throws -> [UInt8] {
        defer { free([stored]) }
        let block: [UInt8]
        do {
            block = try await offPool { [file] in
                try file.read(stored.bytes, atPlace: stored.place, ofBytes: Self.blockBytes)
            }
        } catch let errno as Errno {
            throw Failure(.inputOutput, "read what was spooled in \(file.folder): \(errno)")
        }
        guard SHA256Digest.hex(of: block) == stored.sha256 else {
            throw Failure(
                .digestMismatch,
                "read what was spooled in \(file.folder): it is not what was written",
                hint: "The disk, or the memory of this machine, is broken. Take another folder."
            )
        }
        return block
    }

    func free(_ blocks: some Sequence<Stored> & Sendable) {
        state.change { state in state.free += blocks.map(\.place) }
    }

    func sayOnce(_ what: String, because error: (any Error)? = nil) {
        let isNew = said.quietly { $0.insert(what).inserted }
        guard isNew else { return }
        let cause = error.map { ": \($0)" } ?? ""
        logger.warning("\(what), and the server waits for the store again\(cause)")
    }

    func sayThatItIsUsed(for subject: String) {
        logger.notice("\(subject): the store is slower than the server, the spool in \(file.folder) is used")
    }
}

/// Runs `body` with a spool, whose file is gone when the scope is left.
/// - Throws: `.configuration`, `.permissionDenied` when there can be no file in that folder.
package func withSpool<Result>(
    _ options: Spool.Options,
    logger: Logger,
    _ body: (Spool) async throws -> Result
) async throws -> Result {
    try await withSpool(options, file: { try SpoolFile(in: options.folder) }, logger: logger, body)
}

/// The same with a file of the caller's making.
package func withSpool<Result>(
    _ options: Spool.Options,
    file open: @escaping @Sendable () throws -> SpoolFile,
    logger: Logger,
    _ body: (Spool) async throws -> Result
) async throws -> Result {
    let file = try await offPool(open)
    defer { file.close() }
    let spool = Spool(options, file: file, logger: logger)
    let result = try await body(spool)
    if spool.mostBytes > 0 {
        logger.info("the spool held at most \(ReadableAmount.bytes(spool.mostBytes))")
    }
    return result
}
