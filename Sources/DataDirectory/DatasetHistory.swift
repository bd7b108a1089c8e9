// SPDX-License-Identifier: Apache-2.0

import Failures
import RDB

/// Where in the history of a replication a dataset stands.
package struct DatasetHistory: Sendable, Hashable {
    /// 40 hexadecimal digits.
    package var id: String
    /// In bytes.
    package var offset: Int64

    package init(id: String, offset: Int64) {
        self.id = id
        self.offset = offset
    }
}

extension DataDirectory {
    /// Where the dataset stands that a server would load there, as its RDB says.
    ///
    /// - Parameters:
    ///   - names: how the server calls its files.
    ///   - purpose: with which setting of `appendonly` it will start.
    /// - Returns: `nil` where nothing tells: no RDB, one without an id (a primary without replicas writes none), or an
    ///   AOF to which commands were appended since its base was written.
    /// - Throws: `.permissionDenied`, `.inputOutput`.
    package func history(
        names: DataFileNames = .standard,
        purpose: PersistenceLayout.Purpose = .either
    ) async throws -> DatasetHistory? {
        try await BlockingCalls.run { [folder] in
            try HistoryReading(folder: folder, names: names, purpose: purpose).history()
        }
    }
}

/// The look at the first bytes of an RDB. It changes nothing, and blocks.
private struct HistoryReading {
    let folder: Folder
    let names: DataFileNames
    let purpose: PersistenceLayout.Purpose

    /// The AUX fields stand at the beginning and take some hundred bytes; modules and functions come behind them.
    private static let headBytes = 4096
    private static let manifestBytesMax = 64 * 1024

    func history() throws -> DatasetHistory? {
        if purpose == .snapshot { return try history(of: names.dump, in: folder) }
        switch try appendOnly() {
        case .base(let name, let inner): return try history(of: name, in: inner)
        case .appended: return nil
        case .absent: return purpose == .appendOnly ? nil : try history(of: names.dump, in: folder)
        }
    }

    private enum AppendOnly {
        case absent
        /// An RDB and nothing after it.
        case base(String, in: Folder)
        /// Whatever it is, the base does not tell where it ends.
        case appended
    }

    private func appendOnly() throws -> AppendOnly {
        if let file = try folder.status(of: names.appendFile), file.bytes > 0 { return .appended }
        guard try folder.status(of: names.appendFolder)?.kind == .folder else { return .absent }
        let inner = try folder.openFolder(names.appendFolder)
        let manifestName = "\(names.appendFile).manifest"
        guard try inner.status(of: manifestName)?.kind == .file else { return .absent }
        let text = String(
            decoding: try inner.contents(of: manifestName, bytesMax: Self.manifestBytesMax),
            as: UTF8.self
        )
        guard let manifest = try? AppendOnlyManifest(parsing: text) else { return .appended }
        var base: String?
        for part in manifest.parts where part.kind != .history {
            let bytes = try inner.status(of: part.fileName)?.bytes ?? 0
            if part.kind == .base { base = part.fileName } else if bytes > 0 { return .appended }
        }
        return base.map { .base($0, in: inner) } ?? .appended
    }

    private func history(of name: String, in folder: Folder) throws -> DatasetHistory? {
        guard try folder.status(of: name)?.kind == .file else { return nil }
        var scanner = RDBScanner()
        // What is no RDB tells nothing; whether it can be loaded is not asked here.
        try? scanner.consume(folder.head(of: name, bytes: Self.headBytes))
        let summary = scanner.summarySoFar
        guard let id = summary.replicationID, let offset = summary.replicationOffset else { return nil }
        return DatasetHistory(id: id, offset: offset)
    }
}
