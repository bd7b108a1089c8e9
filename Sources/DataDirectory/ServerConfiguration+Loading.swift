// SPDX-License-Identifier: Apache-2.0

import Failures
import Glibc
import SystemPackage

extension ServerConfiguration {
    /// The longest configuration file that is read, in bytes.
    private static let fileBytesMax = 4 << 20

    /// Reads a configuration file and what it includes.
    ///
    /// A server takes the relative path of an `include` from the folder it was started in, which the file does not
    /// tell; here it is taken from the folder of `path`.
    ///
    /// - Throws: `.configuration` for a line that is wrong and for a file that is not there; `.permissionDenied`,
    ///   `.inputOutput` for one that cannot be read.
    package static func load(path: String) async throws -> ServerConfiguration {
        try await BlockingCalls.run {
            let folder = path.contains("/") ? String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]) + "/" : ""
            return try parse(read(path)) { included in
                let pattern = included.hasPrefix("/") ? included : folder + included
                return try files(matching: pattern).map(read)
            }
        }
    }

    /// The text of a configuration file, without what it includes.
    ///
    /// - Throws: `.configuration` for a file that is not there; `.permissionDenied`, `.inputOutput` for one that cannot
    ///   be read.
    package static func text(path: String) async throws -> Source {
        try await BlockingCalls.run { try read(path) }
    }

    private static func read(_ path: String) throws -> Source {
        do throws(Errno) {
            let bytes = try FolderCalls().contents(ofFile: path, bytesMax: fileBytesMax)
            return Source(name: path, text: String(decoding: bytes, as: UTF8.self))
        } catch {
            guard error == .noSuchFileOrDirectory else {
                throw Failure(error, attempting: "read the configuration \(path)")
            }
            throw Failure(
                .configuration,
                "read the configuration \(path): there is no such file",
                hint:
                    "Give the path as this container sees it; a relative include is taken from the folder of the file."
            )
        }
    }

    /// The files that an `include` names. With wildcards, none is fine; without, the file must be there.
    private static func files(matching pattern: String) throws -> [String] {
        guard pattern.contains(where: { "*?[".contains($0) }) else { return [pattern] }
        var found = glob_t()
        defer { globfree(&found) }
        let result = glob(pattern, 0, nil, &found)
        if result == GLOB_NOMATCH { return [] }
        guard result == 0, let paths = found.gl_pathv else {
            throw Failure(.inputOutput, "list the files \(pattern): glob returned \(result)")
        }
        return (0..<Int(found.gl_pathc)).compactMap { index in paths[index].map { String(cString: $0) } }
    }
}
