// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// What `prune --output json` says, as far as tests ask.
struct PruneOutput: Decodable {
    let sets: [Set]
    let sweptMembers: Int

    struct Set: Decodable {
        let id: String
        let keep: Bool
        let reasons: [String]
        let outcome: String
        let hiddenBytes: Int64?
    }

    init(_ outcome: Redoubt.Outcome) throws {
        self = try JSONDecoder().decode(PruneOutput.self, from: Data(outcome.outputBytes))
    }

    var kept: [String] { sets.filter(\.keep).map(\.id) }
    var outcomes: [String] { sets.map(\.outcome) }
}

extension OpenedStore {
    /// Makes another set of one that is there, as if it had been taken at another time.
    /// - Parameter other: `20260101T000000Z-0001`
    func clone(_ id: String, as other: String) async throws {
        let digits = Array(other)
        func part(_ range: Range<Int>) -> String { String(digits[range]) }
        let day = "\(part(0..<4))-\(part(4..<6))-\(part(6..<8))"
        let time = "\(day)T\(part(9..<11)):\(part(11..<13)):\(part(13..<15))Z"
        let objects = try await objects(of: id)
        // The manifest comes last.
        for (key, bytes) in objects.sorted(by: {
            ($0.key.hasSuffix("json") ? 1 : 0) < ($1.key.hasSuffix("json") ? 1 : 0)
        }) {
            var bytes = bytes
            if key.hasSuffix("manifest.json") {
                var text = String(decoding: bytes, as: UTF8.self).replacingOccurrences(of: id, with: other)
                text.replace(#/"(startedAt|finishedAt)" : "[^"]*"/#) { "\"\($0.output.1)\" : \"\(time)\"" }
                bytes = Array(text.utf8)
            }
            try await put(key.replacingOccurrences(of: id, with: other), bytes)
        }
    }

    /// Sets of these days at noon, and none else; their ids.
    func fill(days: [String]) async throws -> [String] {
        let real = try await fill(sets: 1)[0]
        let ids = days.map { "\($0)T120000Z-0001" }
        for id in ids { try await clone(real, as: id) }
        for key in try await objects(of: real).keys { try await delete(key) }
        try #require(try await tested.listedIDs() == ids)
        return ids
    }

    func prune(_ more: String...) async throws -> Redoubt.Outcome {
        try await Redoubt.run(
            ["prune", "--from", url, "--grace", "0s", "--output", "json"] + more,
            environment: tested.environment
        )
    }
}
