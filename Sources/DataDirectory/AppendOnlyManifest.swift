// SPDX-License-Identifier: Apache-2.0

import Failures

/// The list of the parts of an append-only file, which a server from version 7.0 on keeps as
/// `<appenddirname>/<appendfilename>.manifest`.
///
/// One part a line, as pairs of a word and its value: `file <name> seq <number> type <b|i|h>`, the name quoted where it
/// needs to be; newer servers add pairs of their own, which are kept out of account (`aofLoadManifestFromFile` in
/// redis/src/aof.c).
package struct AppendOnlyManifest: Sendable, Hashable {
    /// What a part holds.
    package enum Kind: Character, Sendable, Hashable {
        /// The dataset at one moment, as an RDB or as commands.
        case base = "b"
        /// Commands since then.
        case incremental = "i"
        /// No longer needed: the server deletes it.
        case history = "h"
    }

    package struct Part: Sendable, Hashable {
        package var fileName: String
        package var sequence: Int64
        package var kind: Kind

        package init(fileName: String, sequence: Int64, kind: Kind) {
            self.fileName = fileName
            self.sequence = sequence
            self.kind = kind
        }
    }

    package var parts: [Part]

    package init(parts: [Part]) {
        self.parts = parts
    }

    /// The longest line a server reads, in bytes (`MANIFEST_MAX_LINE`).
    private static let lineBytesMax = 1024

    /// Reads a manifest as strictly as a server does.
    ///
    /// - Throws: `.configuration`, with the line.
    package init(parsing text: String) throws {
        parts = []
        var number = 0
        for line in text.lines {
            number += 1
            if line.isEmpty || line.hasPrefix("#") { continue }
            guard line.utf8.count < Self.lineBytesMax, let part = Part(line: line) else {
                throw Failure(
                    .configuration,
                    "AOF manifest line \(number): not `file <name> seq <number> type <b|i|h>`"
                )
            }
            let isSecondBase = part.kind == .base && parts.contains { $0.kind == .base }
            guard !isSecondBase else {
                throw Failure(.configuration, "AOF manifest line \(number): a second base file")
            }
            parts.append(part)
        }
        guard !parts.isEmpty else { throw Failure(.configuration, "AOF manifest: it names no file") }
    }

    /// The text as a server writes it.
    package var text: String {
        parts.map { "file \(Self.quoted($0.fileName)) seq \($0.sequence) type \($0.kind.rawValue)\n" }.joined()
    }

    /// A name as a server writes it: in quotes only if it holds what needs them (`sdsneedsrepr` in redis/src/sds.c).
    private static func quoted(_ name: String) -> String {
        let needsQuotes =
            name.isEmpty || name.utf8.contains { $0 <= 0x20 || $0 >= 0x7F || $0 == 0x22 || $0 == 0x27 || $0 == 0x5C }
        guard needsQuotes else { return name }
        var text = "\""
        for byte in name.utf8 {
            switch byte {
            case 0x22, 0x5C: text += "\\" + String(UnicodeScalar(byte))
            case 0x20..<0x7F: text += String(UnicodeScalar(byte))
            default: text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return text + "\""
    }
}

extension AppendOnlyManifest.Part {
    /// A line, or `nil` if it is not one of a manifest.
    fileprivate init?(line: Substring) {
        guard let words = try? ConfigurationLine(line) else { return nil }
        // `ConfigurationLine` takes the first word as the name of a directive; here it is the first key.
        var keyed = [words.name] + words.arguments
        guard keyed.count >= 6, keyed.count.isMultiple(of: 2) else { return nil }
        var fileName: String?
        var sequence: Int64?
        var kind: AppendOnlyManifest.Kind?
        while keyed.count >= 2 {
            let (key, value) = (keyed[0].lowercased(), keyed[1])
            keyed.removeFirst(2)
            switch key {
            case "file": fileName = value
            case "seq": sequence = Int64(value)
            case "type": kind = value.count == 1 ? AppendOnlyManifest.Kind(rawValue: value[value.startIndex]) : nil
            default: break
            }
        }
        guard let fileName, let sequence, let kind, sequence > 0 else { return nil }
        guard !fileName.isEmpty, !fileName.contains("/") else { return nil }
        self.init(fileName: fileName, sequence: sequence, kind: kind)
    }
}
