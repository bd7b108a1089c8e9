// SPDX-License-Identifier: Apache-2.0

import Failures

/// A line of a listing, as servers of version 3 of the protocol write it, like `ls -l`:
/// `-rw-r--r--    1 root     root       100000 Nov 25 22:40 name`.
///
/// The time is in the zone of the server, without seconds, and without the year while it is recent: it is not used.
struct SFTPEntry: Sendable, Hashable {
    enum Kind: Sendable {
        case file
        case folder
        case other
    }

    let kind: Kind
    let name: String
    let bytes: Int64

    private static let months: Set<Substring> = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// - Returns: `nil` for what can be none of ours: a name with a blank in it, `.` and `..`.
    /// - Throws: `.protocolViolation` when it is another kind of line: then the listing cannot be trusted to be whole.
    init?(line: Substring) throws {
        let words = line.split(separator: " ")
        let dates = words.indices.dropFirst(3).filter { Self.isDate(words, at: $0) }
        guard let first = line.first, let last = dates.last, let bytes = Int64(words[dates[0] - 1]), bytes >= 0 else {
            throw Failure(
                .protocolViolation,
                "the server lists files in a way that is not known: \(String(reflecting: line.prefix(120)))"
            )
        }
        switch first {
        case "-": kind = .file
        case "d": kind = .folder
        default: kind = .other
        }
        // The date ends with its third word, and the name follows.
        guard last + 4 == words.count, dates.count == 1, words[words.count - 1] != ".", words[words.count - 1] != ".."
        else { return nil }
        name = String(words[words.count - 1])
        self.bytes = bytes
    }

    /// `Nov 25 22:40` or `Jan 2 2024`.
    private static func isDate(_ words: [Substring], at place: Int) -> Bool {
        guard place + 2 < words.count, months.contains(words[place]), Int64(words[place - 1]) != nil,
            let day = Int(words[place + 1]), (1...31).contains(day)
        else { return false }
        return words[place + 2].allSatisfy { $0.isNumber || $0 == ":" } && words[place + 2].count >= 4
    }
}
