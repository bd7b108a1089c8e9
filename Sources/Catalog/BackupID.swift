// SPDX-License-Identifier: Apache-2.0

import Failures

/// The name of one backup set: the time it was started, in UTC, and four random hexadecimal digits:
/// `20261122T153000Z-7f3a`.
///
/// Ids of one subject sort by time as plain text. A run that finds a newer id than its own clock gives takes the second
/// after it, so that the order of ids is the order of runs even where clocks disagree (failure mode F22).
package struct BackupID: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
    package let text: String
    /// Of every id, in characters.
    package static let textLength = 21
    /// The moment the text begins with.
    package let time: Timestamp

    /// Reads an id, or `nil` when the text is not one.
    package init?(_ text: String) {
        let digits = Array(text.utf8)
        guard digits.count == Self.textLength, digits[8] == UInt8(ascii: "T"), digits[15] == UInt8(ascii: "Z"),
            digits[16] == UInt8(ascii: "-"), digits[17...].allSatisfy(Self.isLowercaseHex)
        else { return nil }
        func part(_ range: Range<Int>) -> String { String(decoding: digits[range], as: UTF8.self) }
        let rfc3339 = "\(part(0..<4))-\(part(4..<6))-\(part(6..<8))T\(part(9..<11)):\(part(11..<13)):\(part(13..<15))Z"
        guard let time = Timestamp(rfc3339), time.description == rfc3339, Self.times.contains(time) else { return nil }
        self.text = text
        self.time = time
    }

    /// From 2000 to the end of 2199: what is outside is no id of ours, and must not push the next one out of its form.
    private static let times =
        Timestamp(secondsSince1970: 946_684_800)...Timestamp(secondsSince1970: 7_258_118_399)

    /// - Parameters:
    ///   - time: when the run started.
    ///   - suffix: any number; its lowest 16 bits tell runs of the same second apart.
    package init(time: Timestamp, suffix: UInt16) {
        let digits = String(suffix, radix: 16)
        let compact = time.description.filter { $0 != "-" && $0 != ":" }
        self.text = "\(compact)-\(String(repeating: "0", count: 4 - digits.count))\(digits)"
        self.time = time
    }

    /// A new id that sorts after every id given.
    package static func next(after existing: [BackupID], now: Timestamp, suffix: UInt16) -> BackupID {
        let latest = existing.map(\.time).max()
        guard let latest, latest >= now else { return BackupID(time: now, suffix: suffix) }
        return BackupID(time: Timestamp(secondsSince1970: latest.secondsSince1970 + 1), suffix: suffix)
    }

    package var description: String { text }

    package static func < (left: BackupID, right: BackupID) -> Bool {
        left.text < right.text
    }

    private static func isLowercaseHex(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }

    package init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let id = BackupID(text) else {
            throw Failure(.corruptManifest, "read a backup id: \(String(reflecting: text)) is not one")
        }
        self = id
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
