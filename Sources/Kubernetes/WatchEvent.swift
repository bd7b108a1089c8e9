// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// One line of the answer to a watch of pods.
enum WatchEvent: Sendable, Equatable {
    /// Added, or changed.
    case present(Pod, owners: [String], version: String?)
    case deleted(Pod, version: String?)
    /// Nothing but how far the watch has come.
    case bookmark(version: String)
    /// The server ends the watch; 410: what it was to go on from is forgotten.
    case error(APIStatus)

    private struct PodLine: Decodable { var object: Wire.Pod }
    private struct BookmarkLine: Decodable {
        struct Object: Decodable { var metadata: Wire.Metadata }
        var object: Object
    }
    private struct StatusLine: Decodable { var object: APIStatus }
    private struct TypeLine: Decodable { var type: String }

    /// - Throws: `Malformed` when it is no event, or of a type that is not known.
    init(line: [UInt8]) throws(Malformed) {
        do {
            let data = Data(line)
            let type = try JSONDecoder().decode(TypeLine.self, from: data).type
            switch type {
            case "ADDED", "MODIFIED", "DELETED":
                let wire = try JSONDecoder().decode(PodLine.self, from: data).object
                let (pod, version) = (try Pod(wire), wire.metadata.resourceVersion)
                let owners = (wire.metadata.ownerReferences ?? []).map(\.uid)
                self =
                    type == "DELETED"
                    ? .deleted(pod, version: version)
                    : .present(pod, owners: owners, version: version)
            case "BOOKMARK":
                let metadata = try JSONDecoder().decode(BookmarkLine.self, from: data).object.metadata
                guard let version = metadata.resourceVersion else { throw Malformed("a bookmark without a version") }
                self = .bookmark(version: version)
            case "ERROR": self = .error(try JSONDecoder().decode(StatusLine.self, from: data).object)
            default: throw Malformed("an event of the type \(String(reflecting: String(type.prefix(40))))")
            }
        } catch let malformed as Malformed {
            throw malformed
        } catch {
            throw Malformed("an event that is not understood: \(DecodingText.of(error))")
        }
    }
}

/// Cuts the answer to a watch into its lines, whatever the chunks are that it comes in.
package struct WatchLines {
    /// An object may be 1.5 MiB in etcd, and more as JSON; a longer line is none.
    package static let lineBytesMax = 8 << 20

    private var rest: [UInt8] = []

    package init() {}

    /// - Returns: the lines that are complete now, without their ends and without empty ones.
    /// - Throws: `Malformed` when a line is too long.
    package mutating func feed(_ chunk: [UInt8]) throws(Malformed) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        for part in chunk.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            if part.offset > 0 {
                if !rest.isEmpty { lines.append(rest) }
                rest = []
            }
            guard rest.count + part.element.count <= Self.lineBytesMax else {
                throw Malformed("an event of more than \(Self.lineBytesMax) bytes")
            }
            rest += part.element
        }
        return lines
    }
}
