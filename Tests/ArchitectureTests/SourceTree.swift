// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The files of this checkout.
struct SourceTree {
    /// A Swift file.
    struct File: Sendable {
        /// From the root of the repository on.
        let path: String
        let text: SourceText

        /// The folder in Sources or Tests.
        var module: String { path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }
        var name: String { path.split(separator: "/").last.map(String.init) ?? "" }
    }

    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Everything that is shipped.
    static func shipped() throws -> [File] { try sources.get() }
    /// Everything that is shipped, and the tests.
    static func all() throws -> [File] { try sources.get() + tests.get() }

    private static let sources = Result { try files(in: "Sources") }
    private static let tests = Result { try files(in: "Tests") }

    private static func files(in folder: String) throws -> [File] {
        let base = root.appendingPathComponent(folder).resolvingSymlinksInPath()
        let paths = try FileManager.default.subpathsOfDirectory(atPath: base.path).filter { $0.hasSuffix(".swift") }
        return try paths.sorted().map { path in
            let text = try String(contentsOf: base.appendingPathComponent(path), encoding: .utf8)
            return File(path: "\(folder)/\(path)", text: SourceText(text))
        }
    }

    /// The names of the modules: the folders of Sources.
    static func moduleNames() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent("Sources").path).sorted()
    }

    /// Every file that git tracks, or would track.
    static func trackedPaths() throws -> [String] {
        let git = Process()
        git.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        git.arguments = ["git", "-C", root.path, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        let output = Pipe()
        git.standardOutput = output
        try git.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        git.waitUntilExit()
        return String(decoding: bytes, as: UTF8.self).split(separator: "\0").map(String.init)
    }
}
