// SPDX-License-Identifier: Apache-2.0

import Failures

/// The data directory of a server that does not run: the `dir` of its configuration, which holds its dump and its AOF.
///
/// The path is resolved once, when it is opened; symbolic links on the way to it are followed, those inside it never.
package struct DataDirectory: Sendable {
    let folder: Folder

    /// The path it was opened by.
    package var path: String { folder.path }
}

/// Opens a data directory for as long as `body` lasts.
///
/// - Parameter calls: for tests, the system calls to use.
/// - Throws: `.configuration` where there is no such folder; `.permissionDenied`, `.inputOutput`; what `body` throws.
package func withDataDirectory<Value>(
    at path: String,
    calls: FolderCalls = FolderCalls(),
    _ body: (DataDirectory) async throws -> Value
) async throws -> Value {
    let folder = try await BlockingCalls.run {
        do {
            return try Folder.open(path, calls: calls)
        } catch let failure as Failure where failure.code == .inputOutput {
            throw Failure(
                .configuration,
                failure.message,
                hint: "Give the folder that the volume of the server is mounted on; it is never created."
            )
        }
    }
    return try await body(DataDirectory(folder: folder))
}

extension DataDirectory {
    /// Looks at what stands there. Nothing is changed.
    ///
    /// - Parameter names: how the server calls its files.
    /// - Throws: `.permissionDenied`, `.inputOutput`.
    package func inspect(names: DataFileNames = .standard) async throws -> Contents {
        try await BlockingCalls.run { [folder] in try Inspection(folder: folder, names: names).contents() }
    }

    /// What is free there, in bytes.
    /// - Throws: `.permissionDenied`, `.inputOutput`.
    package func freeBytes() async throws -> Int64 {
        try await BlockingCalls.run { [folder] in try folder.freeBytes() }
    }
}
