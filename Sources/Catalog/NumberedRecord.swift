// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials

/// A small document of a store, as JSON with the number of its format: later programs only add fields, and one of
/// another format is not read.
package protocol NumberedRecord: Codable {
    /// The format that this program writes and reads.
    static var formatNumber: Int { get }
    /// What it is, for messages: `the record of a drill`.
    static var title: String { get }

    /// Holds it against its own rules: nothing in it is believed because it is there.
    /// - Throws: `.corruptManifest`.
    func validate() throws
}

extension NumberedRecord {
    package func encoded() throws -> [UInt8] { try RecordCoding.encoded(self) }

    /// - Throws: `.corruptManifest`, `.unsupported`.
    package init(decoding bytes: [UInt8]) throws {
        do {
            let format = try RecordCoding.format(of: bytes)
            guard format == Self.formatNumber else {
                throw Failure(.unsupported, "read \(Self.title): it is of format \(format)")
            }
            self = try JSONDecoder().decode(Self.self, from: Data(bytes))
        } catch let error as DecodingError {
            throw Failure(.corruptManifest, "read \(Self.title): it is none", cause: error)
        }
        try validate()
    }

    /// What is said when a rule is broken.
    static func broken(_ rule: String) -> Failure {
        Failure(.corruptManifest, "read \(title): \(rule)")
    }
}

/// How documents are written into a store.
enum RecordCoding {
    /// As JSON: sorted keys, two-space indentation, a final newline.
    static func encoded(_ document: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return Array(try encoder.encode(document)) + [UInt8(ascii: "\n")]
    }

    /// The number of its format, whatever else is in it.
    /// - Throws: `DecodingError`.
    static func format(of bytes: [UInt8]) throws -> Int {
        struct FormatOnly: Decodable { let format: Int }
        return try JSONDecoder().decode(FormatOnly.self, from: Data(bytes)).format
    }
}
