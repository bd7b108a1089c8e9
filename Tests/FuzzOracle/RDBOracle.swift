// SPDX-License-Identifier: Apache-2.0

import RDB

/// An RDB is read alike at every split, and a level sees all that the level below it sees.
struct RDBOracle {
    private typealias Outcome = Result<RDBSummary, RDBError>

    /// What one walk gives: the summary or the error, and the census of the keys up to there.
    private struct Walk: Equatable {
        let outcome: Outcome
        let census: CensusNotes?
    }

    private let seed: FuzzSeed
    private let data: [UInt8]

    init(seed: FuzzSeed, data: [UInt8]) {
        self.seed = seed
        self.data = Self.withoutChecksum(data)
    }

    func check() throws(Contradiction) {
        let framing = try walk(.framing)
        let deep = try walk(.deep)
        let content = try walk(.content)
        try compare(framing: framing.outcome, deep: deep.outcome)
        try compare(deep: deep.outcome, content: content.outcome)
        try RewritingOracle(seed: seed, data: data).check(framing: framing.outcome, deep: deep.outcome)
        if case .success = content.outcome, deep.census != content.census {
            throw Contradiction("level deep counts \(described(deep)), level content \(described(content))")
        }
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

    private func walk(_ level: RDBLevel) throws(Contradiction) -> Walk {
        let whole = walk(level, [data])
        let inChunks = walk(level, seed.chunks(of: data))
        guard whole == inChunks else {
            throw Contradiction("level \(level): as a whole \(described(whole)), in chunks \(described(inChunks))")
        }
        switch whole.outcome {
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

    private func walk(_ level: RDBLevel, _ chunks: [[UInt8]]) -> Walk {
        var scanner = RDBScanner(level: level, aliveAt: aliveAt, census: RDBCensus())
        let outcome = Result { () throws(RDBError) in
            for chunk in chunks { try scanner.consume(chunk) }
            return try scanner.finish()
        }
        return Walk(outcome: outcome, census: scanner.census.map(CensusNotes.init))
    }

    private func described(_ walk: Walk) -> String {
        "\(walk.outcome), \(walk.census.map { "\($0)" } ?? "no census")"
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
            (content.content, content.contentTally) = (nil, nil)
            if deep == content { return }
        case (.failure(let deep), .failure(let content)) where deep == content: return
        case (_, .failure(let content)) where content.rule == .tooMany: return
        default: break
        }
        throw Contradiction("level deep says \(deep), level content \(content)")
    }
}

/// What a census says, to be compared.
private struct CensusNotes: Equatable {
    let databases: [UInt64: RDBCensus.Tally]
    let encodings: [UInt8: RDBCensus.Tally]
    let lifetimes: [RDBLifetime: UInt64]
    let withoutPrefix: RDBCensus.Tally
    let prefixes: Set<SpaceSaving.Entry>
    let largest: [[UInt8]]
    let memoryBytes: Int64

    init(_ census: RDBCensus) {
        databases = census.databases
        encodings = census.encodings
        lifetimes = census.lifetimes
        withoutPrefix = census.withoutPrefix
        prefixes = Set(census.prefixesByBytes.entries).union(census.prefixesByKeys.entries)
        largest = census.largestByElements.entries.map(\.key.name) + census.largestByBytes.entries.map(\.key.name)
        memoryBytes = census.memoryBytes
    }
}
