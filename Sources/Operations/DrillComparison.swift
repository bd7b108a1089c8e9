// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import DataDirectory
import Failures
import RDB
import Synchronization

/// What is known of one member so far, whatever happens next.
final class DrillNotes: Sendable {
    private let state: Mutex<DrillRecord.Member>

    init(of member: Manifest.Member) { state = Mutex(DrillRecord.Member(of: member)) }

    var member: DrillRecord.Member { state.withLock { $0 } }

    func note(_ change: @Sendable (inout DrillRecord.Member) -> Void) { state.withLock { change(&$0) } }
}

extension DrillRecord.Content {
    /// What a snapshot says, read at level content: without what was expired at the moment it was read for.
    init(_ summary: RDBSummary) {
        let tally = summary.contentTally
        self.init(
            digest: summary.content?.description ?? "",
            keys: Dictionary(uniqueKeysWithValues: (tally?.keys ?? [:]).map { ("\($0.key)", $0.value) }),
            types: tally?.types ?? [:],
            functions: summary.functions
        )
    }

    /// The first thing in which what a server held differs from this, or `nil`.
    func difference(from found: Self) -> String? {
        if found.keys != keys {
            return Self.first(keys, found.keys) { "database \($0)" }
        }
        if found.types != types { return Self.first(types, found.types) { "keys of the type \($0)" } }
        if found.functions != functions {
            return "the snapshot has \(functions) libraries of functions, the server \(found.functions)"
        }
        if found.digest != digest {
            return "the counts are the same, but the content is not: "
                + "its digest is \(digest) in the snapshot, \(found.digest) in the server"
        }
        return nil
    }

    private static func first(
        _ expected: [String: UInt64],
        _ found: [String: UInt64],
        _ title: (String) -> String
    ) -> String {
        let names = Set(expected.keys).union(found.keys).sorted()
        let name = names.first { expected[$0] != found[$0] } ?? ""
        return "\(title(name)): \(expected[name] ?? 0) keys in the snapshot, \(found[name] ?? 0) in the server"
    }
}

extension Failure.Code {
    /// Whether it says that bytes or content are not what they should be.
    package var isOfContent: Bool {
        switch self {
        case .corruptSnapshot, .truncated, .trailingBytes, .digestMismatch, .corruptCompression, .corruptEncryption:
            true
        default: false
        }
    }
}

extension PersistenceLayout {
    /// The files that are the snapshot itself.
    var snapshotPaths: [String] { filePaths.filter { !$0.hasSuffix(".manifest") } }
}

extension ByteStream {
    /// The first bytes of it.
    func limited(to bytes: Int64) -> ByteStream {
        let rest = Mutex(bytes)
        return transformed { chunk in
            rest.withLock { rest in
                let taken = Array(chunk.prefix(Int(clamping: rest)))
                rest -= Int64(taken.count)
                return taken
            }
        }
    }
}
