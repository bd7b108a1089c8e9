// SPDX-License-Identifier: Apache-2.0

import Failures
import RedisProtocol

/// Replies are read alike at every split.
struct RESPOracle {
    let seed: FuzzSeed
    let data: [UInt8]

    /// In every second variant limits that short inputs reach.
    private var limits: RESPLimits {
        seed.variant & 1 == 0 ? RESPLimits() : RESPLimits(replyBytes: 256, lineBytes: 32, valueCount: 16, depth: 3)
    }

    func check() throws(Contradiction) {
        let whole = outcome([data])
        let inChunks = outcome(seed.chunks(of: data))
        guard whole == inChunks else { throw Contradiction("as a whole \(whole), in chunks \(inChunks)") }
    }

    /// The values, as text: a number that is none is not equal to itself. Where the stream is lost comes last.
    private func outcome(_ chunks: [[UInt8]]) -> [String] {
        var decoder = RESPDecoder(limits: limits)
        var seen: [String] = []
        do throws(Failure) {
            for chunk in chunks {
                decoder.append(chunk)
                while let value = try decoder.next() { seen.append("\(value)") }
            }
            return seen + ["inside a value: \(decoder.isInsideValue), left: \(decoder.takeRest())"]
        } catch {
            return seen + [error.code.rawValue]
        }
    }
}

/// A snapshot that a server sends is cut out of the stream alike at every split.
struct ReplicationOracle {
    private struct Outcome: Equatable {
        var payload: [UInt8] = []
        var phase = ReplicationPayloadDecoder.Phase.awaitingReply
        var failure: String?
    }

    let seed: FuzzSeed
    let data: [UInt8]

    func check() throws(Contradiction) {
        let whole = outcome([data])
        let inChunks = outcome(seed.chunks(of: data))
        guard whole == inChunks else { throw Contradiction("as a whole \(whole), in chunks \(inChunks)") }
        guard whole.payload.count <= data.count else { throw Contradiction("more comes out than went in") }
    }

    private func outcome(_ chunks: [[UInt8]]) -> Outcome {
        var decoder = ReplicationPayloadDecoder(trailingBytes: seed.variant & 1 == 0 ? .refused : .discarded)
        var outcome = Outcome()
        do throws(Failure) {
            for chunk in chunks {
                try chunk.withUnsafeBufferPointer { (chunk) throws(Failure) in
                    try decoder.decode(UnsafeRawBufferPointer(chunk), appendingPayloadTo: &outcome.payload)
                }
            }
            try decoder.finish()
        } catch {
            outcome.failure = "\(error.code.rawValue): \(error)"
        }
        outcome.phase = decoder.phase
        return outcome
    }
}
