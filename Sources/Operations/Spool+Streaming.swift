// SPDX-License-Identifier: Apache-2.0

import ByteStreams

extension Spool {
    /// Gives `body` the same bytes, which are taken from `blocks` as fast as they come, whatever `body` does: into
    /// memory, and into the file once the server has been kept waiting for a while.
    ///
    /// What `blocks` throws reaches the reader after the bytes before it. When `body` ends, however it ends, nothing of
    /// the stream is left in the spool.
    /// - Parameters:
    ///   - blocks: of `blockBytes` each, the last one shorter.
    ///   - subject: whose bytes they are and where they go, for the log.
    package func streaming<Result: Sendable>(
        _ blocks: ByteStream,
        of subject: String,
        _ body: (ByteStream) async throws -> Result
    ) async throws -> Result {
        let number = state.quietly { state in
            state.begun += 1
            state.lines[state.begun] = Line()
            return state.begun
        }
        defer { remove(number) }
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await self.fill(number, from: blocks, of: subject) }
            defer { group.cancelAll() }
            return try await body(stream(number))
        }
    }

    private func remove(_ number: Int) {
        let left = state.quietly { $0.lines.removeValue(forKey: number)?.stored ?? [] }
        free(left)
    }

    // MARK: - The reader

    private enum Next: Sendable {
        case block([UInt8])
        case stored(Stored)
        case ending(Result<Void, any Error>)
    }

    private func stream(_ number: Int) -> ByteStream {
        ByteStream {
            let next = try await self.state.wait { state -> Next? in
                if let block = state.lines[number]?.memory.popFirst() { return .block(block) }
                if let stored = state.lines[number]?.stored.popFirst() { return .stored(stored) }
                return state.lines[number]?.ending.map(Next.ending)
            }
            switch next {
            case .block(let block): return block
            case .stored(let stored): return try await self.take(stored)
            case .ending(let ending):
                try ending.get()
                return nil
            }
        }
    }

    // MARK: - The producer

    private func fill(_ number: Int, from blocks: ByteStream, of subject: String) async {
        let ending: Result<Void, any Error>
        do {
            for try await block in blocks {
                if try await !putInMemory(block, number) { try await put(block, number, subject) }
            }
            ending = .success(())
        } catch {
            ending = .failure(error)
        }
        state.change { $0.lines[number]?.ending = ending }
    }

    /// - Returns: `false` when there is no room, and the server has waited long enough.
    private func putInMemory(_ block: [UInt8], _ number: Int) async throws -> Bool {
        let (isPut, isSpooling, waited) = state.change { state in
            guard let line = state.lines[number] else { return (false, false, Duration.zero) }
            // The store has caught up: what was waited before is paid for.
            if line.storedBytes > 0, line.stored.isEmpty {
                state.lines[number]?.waited = .zero
                state.lines[number]?.storedBytes = 0
            }
            let hasRoom = line.hasRoomInMemory
            if hasRoom { state.lines[number]?.memory.append(block) }
            return (hasRoom, !line.stored.isEmpty, state.lines[number]?.waited ?? .zero)
        }
        if isPut || isSpooling { return isPut }
        let begun = ContinuousClock.now
        let room: Void? = try await state.wait(atMost: max(.zero, options.patience - waited)) { state in
            state.lines[number]?.hasRoomInMemory == true ? () : nil
        }
        let took = ContinuousClock.now - begun
        return state.change { state in
            state.lines[number]?.waited += took
            if room != nil { state.lines[number]?.memory.append(block) }
            return room != nil
        }
    }

    private enum Room: Sendable {
        case memory
        case place(Int)
    }

    /// Puts the block into the file, if that has room; else, whichever comes first: into the file or into memory.
    private func put(_ block: [UInt8], _ number: Int, _ subject: String) async throws {
        while true {
            if state.quietly({ !$0.hasPlace && $0.isHealthy }) { sayOnce("the spool is full") }
            let room = try await state.wait { state -> Room? in
                if state.lines[number]?.hasRoomInMemory == true {
                    state.lines[number]?.memory.append(block)
                    return .memory
                }
                return state.takePlace().map(Room.place)
            }
            guard case .place(let place) = room else { return }
            guard let stored = await write(block, at: place) else { continue }
            let isFirst = state.change { state in
                state.lines[number]?.stored.append(stored)
                state.lines[number]?.storedBytes += Int64(stored.bytes)
                return state.lines[number]?.storedBytes == Int64(stored.bytes)
            }
            if isFirst { sayThatItIsUsed(for: subject) }
            return
        }
    }
}
