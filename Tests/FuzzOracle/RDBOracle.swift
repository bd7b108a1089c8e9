// SPDX-License-Identifier: Apache-2.0

import RDB

/// An RDB is read alike at every split, and a level sees all that the level below it sees.
struct RDBOracle {
    private typealias Outcome = Result<RDBSummary, RDBError>

    private let seed: FuzzSeed
    private let data: [UInt8]

    init(seed: FuzzSeed, data: [UInt8]) {
        self.seed = seed
        self.data = Self.withoutChecksum(data)
    }

    func check() throws(Contradiction) {
        let framing = try outcome(.framing)
        let deep = try outcome(.deep)
        let content = try outcome(.content)
        try compare(framing: framing, deep: deep)
        try compare(deep: deep, content: content)
    }

    /// With a checksum that is right or none, the walk is all that judges: damage would hide behind any other.
    static func withoutChecksum(_ data: [UInt8]) -> [UInt8] {
        var scanner = RDBScanner()
        do throws(RDBError) {
            try scanner.consume(data)
            return data
        } catch {
            guard error.rule == .checksum else { return data }
            var patched = data
            let start = Int(error.offset)
            patched.replaceSubrange(start..<start + 8, with: repeatElement(0, count: 8))
            return patched
        }
    }

    // MARK: One level

    /// Some keys and fields are expired in every second variant.
    private var aliveAt: Int64? { seed.variant & 1 == 0 ? nil : 1_700_000_000_000 }

    private func outcome(_ level: RDBLevel) throws(Contradiction) -> Outcome {
        let whole = outcome(level, [data])
        let inChunks = outcome(level, seed.chunks(of: data))
        guard whole == inChunks else {
            throw Contradiction("level \(level): as a whole \(whole), in chunks \(inChunks)")
        }
        switch whole {
        case .failure(let error):
            guard (0...Int64(data.count)).contains(error.offset) else {
                throw Contradiction("level \(level): \(error) in \(data.count) bytes")
            }
        case .success(let summary):
            guard summary.bytes == Int64(data.count), summary.keyCount == summary.types.values.reduce(0, +) else {
                throw Contradiction("level \(level): \(summary) in \(data.count) bytes")
            }
        }
        return whole
    }

    private func outcome(_ level: RDBLevel, _ chunks: [[UInt8]]) -> Outcome {
        Result { () throws(RDBError) in
            var scanner = RDBScanner(level: level, aliveAt: aliveAt)
            for chunk in chunks { try scanner.consume(chunk) }
            return try scanner.finish()
        }
    }

    // MARK: Between levels

    /// What breaks the frame is found by either, or something before it is by the deeper one.
    private func compare(framing: Outcome, deep: Outcome) throws(Contradiction) {
        switch (framing, deep) {
        case (.success(let framing), .success(let deep)) where framing == deep: return
        case (.success, .failure): return
        case (.failure(let framing), .failure(let deep)) where deep.offset <= framing.offset: return
        default: throw Contradiction("level framing says \(framing), level deep \(deep)")
        }
    }

    /// A digest that cannot be kept is the one thing that level content refuses by itself.
    private func compare(deep: Outcome, content: Outcome) throws(Contradiction) {
        switch (deep, content) {
        case (.success(let deep), .success(var content)) where content.content != nil:
            content.content = nil
            if deep == content { return }
        case (.failure(let deep), .failure(let content)) where deep == content: return
        case (_, .failure(let content)) where content.rule == .tooMany: return
        default: break
        }
        throw Contradiction("level deep says \(deep), level content \(content)")
    }
}
