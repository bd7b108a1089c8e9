// SPDX-License-Identifier: Apache-2.0

import Failures

/// What became of a restore that had not come to its end.
package enum RecoveredRestore: Sendable, Hashable, CustomStringConvertible {
    /// It had touched nothing: what it had prepared is removed.
    case abandoned(String)
    /// It had begun to put its files in their places: it is finished.
    case finished(String)

    package var description: String {
        switch self {
        case .abandoned(let name): "removed \(name): a restore that had touched nothing"
        case .finished(let name): "finished \(name): a restore that had stopped in the middle of its swap"
        }
    }
}

/// The end of restores that did not come to theirs. It blocks.
///
/// Anybody may have made something named `.restore-…`: what no restore would have made there is left alone, and
/// `Contents.leftovers` tells of it.
struct Recovery {
    let directory: Folder

    /// - Throws: `.guardRefused` where one cannot be finished, because what is there is not what it left.
    func run() throws -> [RecoveredRestore] {
        try directory.names().filter { $0.hasPrefix(ReservedName.stagingPrefix) }.compactMap(settle)
    }

    /// - Returns: `nil` where it is not a restore's, and was left alone.
    private func settle(_ name: String) throws -> RecoveredRestore? {
        guard let staging = try stagingFolder(name) else { return nil }
        let isOurs = try StagingArea.holdsOnlyItsOwn(staging)
        if let swap = try begunSwap(staging, isOurs: isOurs) {
            try swap.finish()
            return .finished(name)
        }
        guard isOurs else { return nil }
        try remove(name, staging)
        return .abandoned(name)
    }

    private func stagingFolder(_ name: String) throws -> Folder? {
        let restoreID = String(name.dropFirst(ReservedName.stagingPrefix.count))
        guard (try? RestoreID(restoreID)) != nil, try directory.status(of: name)?.kind == .folder else { return nil }
        return try directory.openFolder(name)
    }

    /// Removes a restore that touched nothing, and leaves one that did to a later run.
    func abandon(_ name: String) throws {
        guard let staging = try stagingFolder(name), try StagingArea.holdsOnlyItsOwn(staging),
            try begunSwap(staging, isOurs: true) == nil
        else { return }
        try remove(name, staging)
    }

    /// The journal goes first: with it, a folder that is half removed would look like a swap that had begun.
    private func remove(_ name: String, _ staging: Folder) throws {
        if try staging.status(of: RestoreJournal.fileName) != nil {
            try staging.unlink(RestoreJournal.fileName)
            try staging.synchronize()
        }
        for entry in StagingArea.folderNames where try staging.status(of: entry) != nil {
            try staging.removeTree(entry)
        }
        for entry in StagingArea.fileNames where try staging.status(of: entry) != nil { try staging.unlink(entry) }
        // It refuses what somebody put there since the look.
        try directory.removeFolder(name)
        try directory.synchronize()
    }

    /// The swap that began, or `nil` if none did.
    ///
    /// - Throws: `.inputOutput` where the journal cannot be understood, unless there are things that are not ours.
    private func begunSwap(_ staging: Folder, isOurs: Bool) throws -> Swap? {
        // The journal is on the disk, whole, before the first step, and goes after the last one.
        guard try staging.status(of: RestoreJournal.fileName)?.kind == .file else { return nil }
        let bytes = try staging.contents(of: RestoreJournal.fileName, bytesMax: RestoreJournal.bytesMax)
        let journal: RestoreJournal
        do {
            journal = try JSONFile.value(
                RestoreJournal.self,
                from: bytes,
                path: staging.path(of: RestoreJournal.fileName),
                hint:
                    "The folder may hold data from before a restore. Move it out of there, and run the command again."
            )
        } catch {
            guard isOurs else { return nil }
            throw error
        }
        let swap = Swap(directory: directory, staging: staging, journal: journal)
        return try swap.hasBegun() ? swap : nil
    }
}

extension DataDirectory {
    /// Ends the restores that did not come to their end: removes those that had touched nothing, finishes those that
    /// had begun to put their files in their places.
    ///
    /// It needs nothing but the folder. `withStagedRestore` does it by itself.
    ///
    /// - Throws: `.locked` where another restore is at work; `.guardRefused` where a server ran meanwhile on data that
    ///   a restore had not replaced yet; `.permissionDenied`, `.inputOutput`, `.noSpace`.
    package func recover() async throws -> [RecoveredRestore] {
        try await BlockingCalls.run { [folder] in
            let lock = try FolderLock(folder)
            defer { lock.release() }
            return try Recovery(directory: folder).run()
        }
    }
}
