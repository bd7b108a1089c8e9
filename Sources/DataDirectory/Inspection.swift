// SPDX-License-Identifier: Apache-2.0

import Failures
import Glibc
import RDB

/// The look at a data directory. It changes nothing, and blocks.
struct Inspection {
    let folder: Folder
    let names: DataFileNames

    /// A save that wrote this short a time ago may be still at work, in seconds.
    private static let recentSeconds: Int64 = 10
    /// A `nodes.conf` is some hundred bytes a node.
    private static let clusterFileBytesMax = 4 << 20

    func contents() throws -> Contents {
        var contents = Contents()
        for name in try folder.names() {
            // Between the list and the look it may have gone.
            guard let status = try folder.status(of: name) else { continue }
            if let leftover = leftover(name, status) {
                contents.leftovers.append(leftover)
            } else if let entry = try dataEntry(name, status) {
                contents.data.append(entry)
            }
        }
        contents.dataset = try dataset(contents.data)
        contents.marker = try marker()
        contents.runningServer = try runningServer(leftovers: contents.leftovers)
        contents.clusterNode = clusterNode()
        return contents
    }
}

// MARK: What an entry is

extension Inspection {
    private func leftover(_ name: String, _ status: FileStatus) -> Contents.Leftover? {
        if name.hasPrefix(ReservedName.stagingPrefix) { return .staging(name) }
        if name.hasPrefix(ReservedName.archivePrefix) { return .archive(name) }
        // temp-<pid>.rdb, temp-<time>.<pid>.rdb, temp-rewriteaof-bg-<pid>.aof
        let isTemporary = name.hasPrefix("temp-") && (name.hasSuffix(".rdb") || name.hasSuffix(".aof"))
        return isTemporary && name != names.dump && name != names.appendFile
            ? .temporary(name, bytes: status.bytes) : nil
    }

    private func dataEntry(_ name: String, _ status: FileStatus) throws -> Contents.DataEntry? {
        let isFolderName = name == names.appendFolder || name == DataFileNames.standard.appendFolder
        let kind: Contents.DataEntry.Kind? =
            switch name {
            case names.dump: .snapshot
            case names.appendFile: .appendOnlyFile
            case _ where isFolderName: .appendOnlyFolder
            case _ where name.hasSuffix(".rdb") && !name.hasPrefix("."): .snapshot
            case _ where name.hasSuffix(".aof") && !name.hasPrefix("."): .appendOnlyFile
            default: nil
            }
        guard let kind else { return nil }
        if status.kind == .symbolicLink { return .init(name: name, kind: .symbolicLink, bytes: status.bytes) }
        if kind != .appendOnlyFolder, status.kind == .folder {
            return .init(name: name, kind: .folder, bytes: status.bytes)
        }
        guard kind == .appendOnlyFolder, status.kind == .folder else {
            return .init(name: name, kind: kind, bytes: status.bytes)
        }
        let inner = try folder.openFolder(name)
        let sizes = try inner.names().compactMap { try inner.status(of: $0)?.bytes }
        return sizes.isEmpty ? nil : .init(name: name, kind: kind, bytes: sizes.reduce(0, +))
    }

    /// - Throws: `.inputOutput` where it is there and cannot be understood: to restore once more on a doubt could take
    ///   the data back to the backup at each start.
    private func marker() throws -> RestoreMarker? {
        guard try folder.status(of: RestoreMarker.fileName) != nil else { return nil }
        let path = folder.path(of: RestoreMarker.fileName)
        let bytes = try folder.contents(of: RestoreMarker.fileName, bytesMax: RestoreMarker.bytesMax)
        return try JSONFile.value(
            RestoreMarker.self,
            from: bytes,
            path: path,
            hint: "It says which restore was done here. Move it away if you know that it may be repeated."
        )
    }

    private func clusterNode() -> ClusterNode? {
        let bytes = try? folder.contents(of: names.clusterFile, bytesMax: Self.clusterFileBytesMax)
        return bytes.flatMap { ClusterNode(parsing: String(decoding: $0, as: UTF8.self)) }
    }
}

// MARK: Whether a server runs

extension Inspection {
    private func runningServer(leftovers: [Contents.Leftover]) throws -> RunningServer? {
        if let process = RunningServer.process(workingIn: try folder.status()) { return process }
        if folder.isLocked(names.clusterFile) { return .lockedClusterFile(names.clusterFile) }
        for case .temporary(let name, _) in leftovers {
            guard let status = try folder.status(of: name) else { continue }
            let ageSeconds = Int64(time(nil)) - status.modifiedNanoseconds / 1_000_000_000
            if ageSeconds.magnitude <= Self.recentSeconds { return .savingTo(name) }
        }
        return nil
    }
}

// MARK: Whether the dataset is empty

extension Inspection {
    /// An RDB without keys and functions is about a hundred bytes long; a longer file is not read.
    private static let emptyBytesMax = 64 * 1024

    private func dataset(_ data: [Contents.DataEntry]) throws -> Contents.Dataset {
        if data.isEmpty { return .absent }
        return try data.allSatisfy(isEmpty) ? .empty : .present
    }

    private func isEmpty(_ entry: Contents.DataEntry) throws -> Bool {
        switch entry.kind {
        case .snapshot: try isEmptySnapshot(entry.name, in: folder)
        // A server that starts with AOF on makes an empty file, and loads one as an empty dataset.
        case .appendOnlyFile: try entry.bytes == 0 || isEmptySnapshot(entry.name, in: folder)
        case .appendOnlyFolder: try isEmptyFolder(entry.name)
        case .symbolicLink, .folder: false
        }
    }

    private func isEmptySnapshot(_ name: String, in folder: Folder) throws -> Bool {
        guard let status = try folder.status(of: name), status.kind == .file, status.bytes <= Self.emptyBytesMax else {
            return false
        }
        let bytes = try folder.contents(of: name, bytesMax: Self.emptyBytesMax)
        var scanner = RDBScanner()
        do throws(RDBError) {
            try scanner.consume(bytes)
            let summary = try scanner.finish()
            return summary.keyCount == 0 && summary.functions == 0
        } catch {
            // Whatever it is, it is not an empty dataset.
            return false
        }
    }

    private func isEmptyFolder(_ name: String) throws -> Bool {
        guard try folder.status(of: name)?.kind == .folder else { return false }
        let inner = try folder.openFolder(name)
        let manifestName = "\(names.appendFile).manifest"
        guard try inner.status(of: manifestName)?.kind == .file else { return false }
        let text = String(decoding: try inner.contents(of: manifestName, bytesMax: Self.emptyBytesMax), as: UTF8.self)
        guard let manifest = try? AppendOnlyManifest(parsing: text) else { return false }
        return try manifest.parts.allSatisfy { part in
            guard let status = try inner.status(of: part.fileName), status.kind == .file else { return false }
            return try status.bytes == 0 || part.kind == .base && isEmptySnapshot(part.fileName, in: inner)
        }
    }
}
