// SPDX-License-Identifier: Apache-2.0

import ByteStreams

/// Takes the files out of a tar archive that arrives in chunks of any size: entry after entry, and the bytes of each.
///
/// Folders are passed over. An archive that ends before its two blocks of zeros is cut off.
package actor TarReader {
    /// A file of the archive.
    package struct Entry: Sendable, Hashable {
        package let path: String
        package let bytes: Int64
    }

    private let source: ByteStream
    private var waiting: ArraySlice<UInt8> = []
    private var isDrained = false
    /// Of the entry that is being read.
    private var left: Int64 = 0
    private var padding = 0

    /// An extended header holds a name or two.
    private static let recordsBytesMax: Int64 = 64 << 10

    package init(_ source: ByteStream) {
        self.source = source
    }

    /// The next file; what is left of the one before is passed over.
    /// - Returns: `nil` at the end of the archive, when nothing but zeros follows.
    /// - Throws: `TarDamage`; `TarCutOff`; what the source throws.
    package func next() async throws -> Entry? {
        var records: [UInt8] = []
        var longName: String?
        while true {
            while try await chunk() != nil {}
            guard var header = try TarHeader(decoding: try await take(TarHeader.blockBytes)) else {
                try await finish()
                return nil
            }
            switch header.kind {
            case .extended, .longName, .global:
                guard header.bytes <= Self.recordsBytesMax else { throw TarDamage(reason: "a header is too large") }
                let body = try await take(Int(header.bytes))
                _ = try await take(TarHeader.padding(after: header.bytes))
                if header.kind == .extended { records += body }
                guard records.count <= Self.recordsBytesMax else {
                    throw TarDamage(reason: "its headers are too large")
                }
                if header.kind == .longName { longName = String(decoding: body.prefix { $0 != 0 }, as: UTF8.self) }
            case .folder: (records, longName) = ([], nil)
            case .file:
                if let longName { header.path = longName }
                try header.take(records: records)
                left = header.bytes
                padding = TarHeader.padding(after: header.bytes)
                return Entry(path: header.path, bytes: header.bytes)
            }
        }
    }

    /// Some bytes of the file, or `nil` at its end.
    package func chunk() async throws -> [UInt8]? {
        guard left > 0 else {
            _ = try await take(padding)
            padding = 0
            return nil
        }
        if waiting.isEmpty { try await fetch() }
        let chunk = Array(waiting.prefix(Int(min(left, Int64(waiting.count)))))
        waiting = waiting.dropFirst(chunk.count)
        left -= Int64(chunk.count)
        return chunk
    }

    /// The second block of zeros, and what fills up the last record of the archive.
    private func finish() async throws {
        var rest = try await take(TarHeader.blockBytes)
        repeat {
            guard rest.allSatisfy({ $0 == 0 }) else { throw TarDamage(reason: "bytes follow its end") }
            rest = Array(waiting)
            waiting = []
            if rest.isEmpty, !isDrained, let more = try await pull() { rest = more }
        } while !rest.isEmpty
    }

    private func take(_ count: Int) async throws -> [UInt8] {
        while waiting.count < count { try await fetch() }
        defer { waiting = waiting.dropFirst(count) }
        return Array(waiting.prefix(count))
    }

    private func fetch() async throws {
        guard let chunk = try await pull() else { throw TarCutOff() }
        waiting = waiting.isEmpty ? chunk[...] : waiting + chunk
    }

    private func pull() async throws -> [UInt8]? {
        if isDrained { return nil }
        // Each iterator goes on where the last one was: the stream is read by one reader.
        var iterator = source.makeAsyncIterator()
        guard let chunk = try await iterator.next() else {
            isDrained = true
            return nil
        }
        return chunk
    }
}

/// The archive ends before its end.
package struct TarCutOff: Error {
    package init() {}
}
