// SPDX-License-Identifier: Apache-2.0

/// Chunks on their way from one producing task to one reading task, never more than `depth` of them.
struct Handover: Sendable {
    private struct Line: Sendable {
        var chunks: [[UInt8]] = []
        /// How the producer ended; the chunks before it are read first.
        var ending: Result<Void, any Error>?
    }

    private let depth: Int
    private let line = Monitor(Line())

    init(depth: Int) {
        precondition(depth > 0, "a hand-over needs room for at least one chunk")
        self.depth = depth
    }

    /// Suspends until a chunk can be put without exceeding the depth.
    func waitForRoom() async throws {
        try await line.wait { line in line.chunks.count < depth ? () : nil }
    }

    func put(_ chunk: [UInt8]) {
        line.change { $0.chunks.append(chunk) }
    }

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
