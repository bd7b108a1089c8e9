// SPDX-License-Identifier: Apache-2.0

/// Chunks on their way from one producing task to one reading task, never more than `depth` of them.
struct Handover: Sendable {
    private struct Line: Sendable {
        var chunks: [[UInt8]] = []
        /// How the producer ended; the chunks before it are read first.
        var ending: Result<Void, any Error>?
        /// Whether the reader has gone: then there is always room, and what is put is dropped.
        var isAbandoned = false
    }

    private let depth: Int
    private let line = Monitor(Line())

    init(depth: Int) {
        precondition(depth > 0, "a hand-over needs room for at least one chunk")
        self.depth = depth
    }

    /// Suspends until a chunk can be put without exceeding the depth.
    func waitForRoom() async throws {
        try await line.wait { line in line.chunks.count < depth || line.isAbandoned ? () : nil }
    }

    /// The same, but not for longer than the limit.
    /// - Returns: whether there is room.
    func waitForRoom(atMost limit: Duration) async throws -> Bool {
        let depth = depth
        return try await line.wait(atMost: limit) { line in
            line.chunks.count < depth || line.isAbandoned ? () : nil
        } != nil
    }

    func put(_ chunk: [UInt8]) {
        line.change { line in
            if !line.isAbandoned { line.chunks.append(chunk) }
        }
    }

    /// The reader goes, and holds nobody up any more.
    func abandon() {
        line.change { line in
            line.isAbandoned = true
            line.chunks = []
        }
    }

    var isAbandoned: Bool { line.quietly { $0.isAbandoned } }

    /// Runs the producer, and tells the reader how it ended.
    func fill(by produce: () async throws -> Void) async {
        do {
            try await produce()
            end(.success(()))
        } catch {
            end(.failure(error))
        }
    }

    func end(_ ending: Result<Void, any Error>) {
        line.change { line in
            if line.ending == nil { line.ending = ending }
        }
    }

    /// What the reader sees.
    var stream: ByteStream {
        ByteStream {
            try await line.wait { line -> Result<[UInt8]?, any Error>? in
                guard line.chunks.isEmpty else { return .success(line.chunks.removeFirst()) }
                return line.ending?.map { nil }
            }.get()
        }
    }
}
