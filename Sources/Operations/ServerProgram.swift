// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials
import RedisProtocol
import Subprocess

/// The program of a server that can be started here, and what it says it is.
package struct ServerProgram: Sendable, Hashable {
    /// Where it lies.
    package let path: String
    package let product: ServerInfo.Product
    /// As it says; `nil` where it says nothing that is understood.
    package let version: String?

    /// `redis 7.0.15`.
    package var title: String { "\(product.rawValue) \(version ?? "of an unknown version")" }
}

extension ServerProgram {
    /// What is looked for on the PATH, in this order.
    private static let usualNames = ["redis-server", "valkey-server"]
    private static let versionSecondsMax = 10
    private static let outputBytesMax = 64 << 10

    /// Finds a program and asks for its version.
    /// - Parameter name: a path, or a name to be found on the PATH; the usual names when `nil`.
    /// - Throws: `.configuration` where there is none, or it cannot be run.
    package static func find(_ name: String?, environment: [String: String]) async throws -> ServerProgram {
        let names = name.map { [$0] } ?? usualNames
        guard let path = names.lazy.compactMap({ located($0, environment) }).first else {
            throw Failure(
                .configuration,
                "find a server for the drill: there is no \(names.joined(separator: " and no ")) here",
                hint: "Install one (`apt-get install redis-server`), copy one in from its image, "
                    + "or give its path with --server."
            )
        }
        let words = try await versionLine(of: path)
        let version = words.firstRange(of: "v=").map { range in
            String(words[range.upperBound...].prefix { !$0.isWhitespace })
        }
        return ServerProgram(
            path: path,
            product: words.lowercased().contains("valkey") ? .valkey : .redis,
            version: version
        )
    }

    /// What is known of it before it runs.
    func facts() throws -> RestoreTargetFacts {
        try version.map { try RestoreTargetFacts(parsing: "\(product.rawValue)-\($0)") } ?? RestoreTargetFacts()
    }

    private static func located(_ name: String, _ environment: [String: String]) -> String? {
        let folders = (environment["PATH"] ?? "").split(separator: ":")
        let paths = name.contains("/") ? [name] : folders.map { "\($0)/\(name)" }
        // It is started in another folder than this one.
        return paths.map { URL(filePath: $0).standardizedFileURL.path }.first { path in
            var isFolder = false
            let isThere = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
            return isThere && !isFolder && FileManager.default.isExecutableFile(atPath: path)
        }
    }

    /// `Redis server v=7.0.15 sha=00000000:0 …`, or `Valkey server v=9.1.0 …`.
    private static func versionLine(of path: String) async throws -> String {
        var options = PlatformOptions()
        options.teardownSequence = [.send(signal: .kill, allowedDurationToNextStep: .milliseconds(100))]
        do {
            return try await withThrowingTaskGroup(of: String?.self) { [options] group in
                group.addTask {
                    try await Subprocess.run(
                        .path(.init(path)),
                        arguments: ["--version"],
                        platformOptions: options,
                        output: .string(limit: outputBytesMax),
                        error: .discarded
                    ).standardOutput
                }
                group.addTask {
                    try await Task.sleep(for: .seconds(versionSecondsMax))
                    return nil
                }
                defer { group.cancelAll() }
                guard let words = try await group.next() ?? nil else {
                    throw Failure(.configuration, "ask \(path) for its version: it said nothing for 10 s")
                }
                return words
            }
        } catch let error as SubprocessError {
            try Task.checkCancellation()
            throw Failure(
                .configuration,
                "ask \(path) for its version: it cannot be run",
                cause: error,
                hint: "Give a server that runs here with --server."
            )
        }
    }
}
