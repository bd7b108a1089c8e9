// SPDX-License-Identifier: Apache-2.0

import RDB

/// What a scanner accepts is written anew alike at every split, and what comes out is accepted again, with the same
/// keys. What it refuses does not come out whole. Every key can be taken out.
struct RewritingOracle {
    private typealias Outcome = Result<[UInt8], RDBError>

    private let seed: FuzzSeed
    private let data: [UInt8]

    init(seed: FuzzSeed, data: [UInt8]) {
        self.seed = seed
        self.data = data
    }

    /// - Parameters: what the scanner says at the levels framing and deep.
    func check(
        framing: Result<RDBSummary, RDBError>,
        deep: Result<RDBSummary, RDBError>
    ) throws(Contradiction) {
        let whole = rewritten([data])
        switch (framing, whole) {
        case (.failure, .success): throw Contradiction("\(rewriting) accepts what level framing refuses")
        case (.success, .success(let bytes)) where rewriting.changesNothing && bytes != data:
            throw Contradiction("a rewriter that changes nothing changes something")
        default: break
        }
        guard case .success(let before) = deep else { return }
        switch (whole, rewritten(seed.chunks(of: data))) {
        case (.success(let bytes), .success(let inChunks)) where bytes == inChunks: break
        case (.failure, .failure): break
        default: throw Contradiction("\(rewriting) gives something else in chunks")
        }
        try compare(before, whole)
        try extract(before)
    }

    private var rewriting: RDBRewriting {
        switch seed.variant & 3 {
        case 0: RDBRewriting(expiries: .shift(milliseconds: 86_400_000), identity: .drop)
        case 1: RDBRewriting(expiries: .persist, identity: .replace(id: String(repeating: "a1", count: 20), offset: 9))
        case 2: RDBRewriting(expiries: .shift(milliseconds: -1))
        default: RDBRewriting()
        }
    }

    private func rewritten(_ chunks: [[UInt8]]) -> Outcome {
        var rewriter = RDBRewriter(rewriting)
        return Result { () throws(RDBError) in
            var output: [UInt8] = []
            for chunk in chunks { output += try rewriter.consume(chunk) }
            return output + (try rewriter.finish())
        }
    }

    private func compare(_ before: RDBSummary, _ rewritten: Outcome) throws(Contradiction) {
        switch rewritten {
        case .failure(let error):
            guard error.rule == .rewriting else { throw Contradiction("\(rewriting) refuses what is right: \(error)") }
        case .success(let bytes):
            var scanner = RDBScanner(level: .deep)
            let after = Result { () throws(RDBError) in
                try scanner.consume(bytes)
                return try scanner.finish()
            }
            guard case .success(let summary) = after else { throw Contradiction("\(rewriting) gives \(after)") }
            let expires = rewriting.expiries == .persist ? 0 : before.expires
            guard summary.keys == before.keys, summary.types == before.types, summary.expires == expires,
                summary.hasChecksum == before.hasChecksum
            else { throw Contradiction("\(rewriting) makes \(summary) of \(before)") }
        }
    }

    private func extract(_ summary: RDBSummary) throws(Contradiction) {
        var extractor = RDBKeyExtractor(valueBytesMax: 1 << 20, holdsValues: true) { _, _ in true }
        let keys = Result { () throws(RDBError) in
            var keys: [RDBExtractedKey] = []
            for chunk in seed.chunks(of: data) { keys += try extractor.consume(chunk) }
            _ = try extractor.finish()
            return keys
        }
        guard case .success(let keys) = keys, UInt64(keys.count) == summary.keyCount,
            UInt64(keys.count { $0.expiry != nil }) == summary.expires
        else { throw Contradiction("\(keys) of \(summary)") }
    }
}
