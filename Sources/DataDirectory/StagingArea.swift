// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials

/// The folder `.restore-<id>` in a data directory: the files of a layout, before they take their places. It blocks.
///
/// The snapshot gets its names at once, when there is nothing in it, so that a file system without hard links is found
/// out before the bytes are fetched, not after.
struct StagingArea: Sendable {
    let directory: Folder
    let staging: Folder
    let request: RestoreRequest
    let access: FileAccess
    /// The data entries that are to be moved.
    let moving: [String]
    /// The snapshot.
    let file: NewFile

    /// More free space than the snapshot itself must be there, in bytes: the file system needs some, too.
    private static let spareBytes: Int64 = 1 << 20

    init(in directory: Folder, for request: RestoreRequest, moving: [String]) throws {
        try Self.checkSpace(in: directory, for: request)
        self.directory = directory
        self.request = request
        self.moving = moving
        access = FileAccess(directory: try directory.status(), requested: request.owner)
        let name = request.restoreID.stagingName
        guard try directory.status(of: name) == nil else {
            throw Failure(
                .alreadyExists,
                "make the folder \(directory.path(of: name)): there is something that no restore has left",
                hint: "Move it away, and run the command again."
            )
        }
        staging = try directory.makeFolder(name, access: access)
        do {
            try Self.checkExchange(
                in: staging,
                access: access,
                needed: request.layout.topLevelNames.filter(moving.contains)
            )
            var builder = Builder(access: access)
            try builder.build(request.layout.entries, in: staging.makeFolder(Swap.filesName, access: access))
            guard let file = builder.file else { preconditionFailure("a layout without a snapshot") }
            self.file = file
            try directory.synchronize()
        } catch {
            try? directory.removeTree(name)
            throw error
        }
    }

    /// - Throws: `.noSpace`.
    private static func checkSpace(in directory: Folder, for request: RestoreRequest) throws {
        let free = try directory.freeBytes()
        guard free - spareBytes >= request.bytes else {
            throw Failure(
                .noSpace,
                "restore into \(directory.path): the snapshot takes \(request.bytes) bytes, and \(free) bytes are free",
                hint:
                    "Make room on the volume, or enlarge it. Folders pre-restore-… hold data from before a restore."
            )
        }
    }

    /// - Throws: `.unsupported`.
    private static func checkExchange(in staging: Folder, access: FileAccess, needed names: [String]) throws {
        guard !names.isEmpty, try !staging.canExchange(access: access) else { return }
        throw Failure(
            .unsupported,
            "replace the data in \(staging.path): the file system cannot exchange two entries in one step",
            hint: "Move \(names.joined(separator: " and ")) away by hand, and run the command again without --replace."
        )
    }

    /// Makes the entries of a layout.
    private struct Builder {
        let access: FileAccess
        /// The snapshot, and where its first name is.
        var file: NewFile?
        var first: (folder: Folder, name: String)?

        mutating func build(_ entries: [PersistenceLayout.Entry], in folder: Folder) throws {
            for entry in entries {
                switch entry {
                case .snapshot(let name): try addSnapshot(name, in: folder)
                case .text(let name, let text): try folder.writeFile(name, Array(text.utf8), access: access)
                case .folder(let name, let inner): try build(inner, in: folder.makeFolder(name, access: access))
                }
            }
            try folder.synchronize()
        }

        private mutating func addSnapshot(_ name: String, in folder: Folder) throws {
            guard let first else {
                file = try folder.createFile(name, access: access)
                self.first = (folder, name)
                return
            }
            do {
                try first.folder.link(first.name, to: name, in: folder)
            } catch let failure as Failure where failure.code != .noSpace {
                throw Failure(
                    .unsupported,
                    "give the snapshot its second name \(folder.path(of: name))",
                    cause: failure,
                    hint: "Say whether the server runs with appendonly yes or no: then one name is enough."
                )
            }
        }
    }
}

// MARK: What is ours

extension StagingArea {
    static let folderNames = [Swap.filesName] + Folder.exchangeNames
    static let fileNames = [RestoreJournal.fileName, RestoreJournal.temporaryName, Swap.markerName]

    /// Whether a staging folder holds nothing but what a restore makes there.
    static func holdsOnlyItsOwn(_ staging: Folder) throws -> Bool {
        try staging.names().allSatisfy { name in
            switch try staging.status(of: name)?.kind {
            case nil: true
            case .folder where name == Swap.filesName: try isFlat(staging.openFolder(name))
            case .folder: try Folder.exchangeNames.contains(name) && staging.openFolder(name).names().isEmpty
            case .file: fileNames.contains(name)
            case .symbolicLink, .other: false
            }
        }
    }

    /// Whether there are only files and folders of files, as in every layout.
    private static func isFlat(_ files: Folder) throws -> Bool {
        try files.names().allSatisfy { name in
            guard try files.status(of: name)?.kind == .folder else { return true }
            let inner = try files.openFolder(name)
            return try inner.names().allSatisfy { try inner.status(of: $0)?.kind != .folder }
        }
    }
}

// MARK: The swap

extension StagingArea {
    /// Puts the files in their places.
    ///
    /// - Throws: `.guardRefused` where the data directory is not what it was at the beginning, with nothing touched.
    func swapIn(as rewritten: RewrittenContent?) throws -> RestoreMarker {
        let path = directory.path
        let contents = try Inspection(folder: directory, names: request.layout.names).contents()
        guard try contents.decision(for: request, path: path) == .restore(moving: moving) else {
            throw Failure(
                .guardRefused,
                "restore into \(path): what stands there changed while the restore was prepared",
                hint: "Make sure that no server runs there, and run the command again."
            )
        }
        let (journal, marker) = try prepare(rewritten, hadMarker: contents.marker != nil)
        do {
            try Swap(directory: directory, staging: staging, journal: journal).finish()
        } catch let failure as Failure {
            throw Failure(
                failure.code,
                "swap the restored files into \(path)",
                cause: failure,
                hint: failure.hint ?? "No data is lost. Run the same command again: it undoes or finishes the swap."
            )
        }
        return marker
    }

    private func prepare(_ rewritten: RewrittenContent?, hadMarker: Bool) throws -> (RestoreJournal, RestoreMarker) {
        // A marker without data was left by a dataset that is gone, and is simply replaced.
        let leaving = moving + (moving.isEmpty || !hadMarker ? [] : [RestoreMarker.fileName])
        let archive = leaving.isEmpty ? nil : try freeArchiveName()
        let marker = RestoreMarker(
            restoreID: request.restoreID.description,
            backupID: request.backupID,
            member: request.member,
            requestID: request.requestID,
            sha256: rewritten?.sha256 ?? request.sha256,
            bytes: rewritten?.bytes ?? request.bytes,
            rewriting: rewritten?.rewriting,
            finishedAt: Date.now.ISO8601Format(),
            files: request.layout.filePaths,
            archive: archive
        )
        try staging.writeFile(Swap.markerName, marker.json, access: access)
        let journal = try journal(leaving: leaving, archive: archive)
        let temporary = RestoreJournal.temporaryName
        try staging.writeFile(temporary, JSONFile.bytes(of: journal), access: access)
        try staging.rename(temporary, to: RestoreJournal.fileName, in: staging)
        try staging.synchronize()
        return (journal, marker)
    }

    private func journal(leaving: [String], archive: String?) throws -> RestoreJournal {
        let files = try staging.openFolder(Swap.filesName)
        let placements = try request.layout.entries.map { entry in
            guard let status = try files.status(of: entry.name) else {
                throw Failure(.inputOutput, "look at \(files.path(of: entry.name)): it is gone")
            }
            return RestoreJournal.Placement(
                name: entry.name,
                isFolder: status.kind == .folder,
                inode: status.inode,
                previous: try Fingerprint(of: entry.name, in: directory)
            )
        }
        let removals = try leaving.compactMap { name -> RestoreJournal.Removal? in
            guard !request.layout.topLevelNames.contains(name) else { return nil }
            return try Fingerprint(of: name, in: directory).map { .init(name: name, previous: $0) }
        }
        return RestoreJournal(
            restoreID: request.restoreID.description,
            placements: placements,
            removals: removals,
            archive: archive
        )
    }

    /// How many restores of one id may have left their archive.
    private static let archivesMax = 100

    /// `pre-restore-<id>`, with a number where that is taken.
    private func freeArchiveName() throws -> String {
        let name = request.restoreID.archiveName
        for candidate in [name] + (2...Self.archivesMax).map({ "\(name)-\($0)" }) {
            if try directory.status(of: candidate) == nil { return candidate }
        }
        throw Failure(
            .alreadyExists,
            "name the folder for the old data: \(name) and \(Self.archivesMax - 1) more are taken",
            hint: "Remove those that are no longer needed."
        )
    }
}
