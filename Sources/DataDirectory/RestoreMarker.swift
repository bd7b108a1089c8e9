// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials

/// What a finished restore leaves beside the data, so that the next start of the pod does not restore again (F39).
///
/// It stands in the data directory as `.redoubt-restore.json` and is the last thing a restore puts there.
package struct RestoreMarker: Sendable, Hashable, Codable {
    package static let fileName = ".redoubt-restore.json"

    /// The version of this format.
    package var format = 1
    /// The run that restored.
    package var restoreID: String
    /// The backup set that was restored.
    package var backupID: String
    /// Its member.
    package var member: String
    /// What the operator called this restore, to tell it from another one of the same backup.
    package var requestID: String?
    /// Of what was written, in lower-case hexadecimal: the snapshot, unless `rewriting` says otherwise.
    package var sha256: String
    /// Of what was written.
    package var bytes: Int64
    /// What is different from the snapshot, in a word.
    package var rewriting: String?
    /// RFC 3339, in UTC: when the snapshot was on the disk whole and proven.
    package var finishedAt: String
    /// The files that were restored, as paths from the data directory.
    package var files: [String]
    /// Where the data from before went, if there was any.
    package var archive: String?
}

extension RestoreMarker {
    /// Longer than any marker, in bytes.
    static let bytesMax = 64 * 1024

    var json: [UInt8] {
        get throws { try JSONFile.bytes(of: self) }
    }
}

/// The small JSON files that a restore keeps.
enum JSONFile {
    static func bytes(of value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return Array(try encoder.encode(value)) + [0x0A]
    }

    /// - Throws: `.inputOutput` where it is not what it should be.
    static func value<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8], path: String, hint: String) throws
        -> Value
    {
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            // The decoder's own words name Swift types, which say nothing to an operator.
            throw Failure(.inputOutput, "read \(path): not what redoubt wrote there (\(bytes.count) bytes)", hint: hint)
        }
    }
}
