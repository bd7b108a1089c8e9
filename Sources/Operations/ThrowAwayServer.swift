// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials
import Logging
import NIOPosix
import RedisClient
import RedisProtocol
import Subprocess
import SystemPackage

/// A server that holds what was restored, until the scope that gave it ends.
///
/// It listens on nothing but a socket in a folder that only its user can enter, saves nothing, and is killed in the
/// end: what it holds is nobody's data.
package struct ThrowAwayServer: Sendable {
    package let endpoint: RedisEndpoint
    /// What it said of itself once it had loaded everything.
    package let info: ServerInfo
    /// From its start until then, in seconds.
    package let loadSeconds: Double
}

extension ThrowAwayServer {
    /// How a server is started.
    struct Settings: Sendable {
        var appendOnly = false
        var databases = 16
        /// Paths of modules to load.
        var modules: [String] = []
        /// How long it may load, in seconds.
        var loadSecondsMax = 6 * 3600.0
    }
}

/// Starts a server on the data in a folder, and gives it to `body` once it has loaded everything.
///
/// It is killed however the scope ends.
/// - Throws: `.unsupported` when it ends by itself, with its last words; `.timeout`; what `body` throws.
func withThrowAwayServer<Result: Sendable>(
    _ program: ServerProgram,
    in folder: ThrowAwayFolder,
    _ settings: ThrowAwayServer.Settings,
    environment: [String: String],
    _ body: @Sendable (ThrowAwayServer) async throws -> Result
) async throws -> Result {
    let start = ServerStart(program: program, folder: folder, settings: settings)
    try await folder.write(start.configuration, to: folder.configurationPath)
    try await folder.write("", to: folder.logPath)
    let log = try FileDescriptor.open(FilePath(folder.logPath), .writeOnly, options: [.append, .closeOnExec])
    defer { try? log.close() }
    do {
        return try await Subprocess.run(
            .path(.init(program.path)),
            arguments: [folder.configurationPath],
            environment: .custom(ServerStart.environment(environment)),
            workingDirectory: .init(folder.dataPath),
            platformOptions: ServerStart.options,
            input: .none,
            output: .fileDescriptor(log, closeAfterSpawningProcess: false),
            error: .fileDescriptor(log, closeAfterSpawningProcess: false)
        ) { execution in
            do {
                let process = execution.processIdentifier.value
                let result = try await start.serving(process, body)
                await execution.teardown(using: ServerStart.ending)
                return result
            } catch {
                await execution.teardown(using: ServerStart.ending)
                throw error
            }
        }.closureResult
    } catch let error as SubprocessError {
        try Task.checkCancellation()
        throw Failure(.configuration, "start \(program.path): it cannot be started", cause: error)
    }
}

/// Whether a process is no more, or nothing but a number that its parent has not asked for yet (`man 5 proc`).
func hasEnded(_ process: Int32) -> Bool {
    guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8) else { return true }
    let state = stat.split(separator: ")").last?.split(separator: " ").first
    return state == "Z" || state == "X"
}

/// What is known of a server that is being started.
private struct ServerStart: Sendable {
    let program: ServerProgram
    let folder: ThrowAwayFolder
    let settings: ThrowAwayServer.Settings

    static let ending: [TeardownStep] = [
        .send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .milliseconds(100))
    ]

    static var options: PlatformOptions {
        var options = PlatformOptions()
        // A session of its own: the keys of a terminal end the drill, and the drill ends the server.
        options.createSession = true
        options.teardownSequence = ending
        return options
    }

    /// Ours, without what is none of a server's business.
    static func environment(_ environment: [String: String]) -> [Environment.Key: String] {
        let secret = ["AWS_", "REDOUBT_", "REDIS", "VALKEY"]
        let kept = environment.filter { name, _ in !secret.contains { name.hasPrefix($0) } }
        let pairs = kept.compactMap { name, value in Environment.Key(rawValue: name).map { ($0, value) } }
        return Dictionary(pairs) { first, _ in first }
    }

    /// The file it is started with. Diskless, a snapshot for us touches no file; 6.2 would write its dump otherwise.
    var configuration: String {
        let lines = [
            "port 0", "unixsocket \(quoted(folder.socketPath))", "unixsocketperm 700", "dir \(quoted(folder.dataPath))",
            "pidfile \(quoted(folder.processPath))", "daemonize no", "logfile \"\"", "save \"\"",
            "appendonly \(settings.appendOnly ? "yes" : "no")", "appendfsync no", "auto-aof-rewrite-percentage 0",
            "databases \(settings.databases)", "maxmemory 0", "repl-diskless-sync yes", "repl-diskless-sync-delay 0",
        ]
        return (lines + settings.modules.map { "loadmodule \(quoted($0))" } + [""]).joined(separator: "\n")
    }

    private func quoted(_ text: String) -> String {
        let escaped = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        return "\"\(escaped)\""
    }

    private var endpoint: RedisEndpoint {
        RedisEndpoint(url: RedisURL(address: .unix(path: folder.socketPath)), label: "the throw-away server")
    }

    /// Waits until it has loaded everything, and has `body` use it.
    func serving<Result: Sendable>(
        _ process: Int32,
        _ body: @Sendable (ThrowAwayServer) async throws -> Result
    ) async throws -> Result {
        let begun = ContinuousClock.now
        let info = try await loaded(process, since: begun)
        let seconds = (ContinuousClock.now - begun) / .seconds(1)
        do {
            return try await body(ThrowAwayServer(endpoint: endpoint, info: info, loadSeconds: seconds))
        } catch {
            try Task.checkCancellation()
            guard hasEnded(process) else { throw error }
            throw await ended("while it was read back", cause: error)
        }
    }

    private func loaded(_ process: Int32, since begun: ContinuousClock.Instant) async throws -> ServerInfo {
        while true {
            try Task.checkCancellation()
            if let info = try await answer() { return info }
            if hasEnded(process) { throw await ended("while it loaded the snapshot") }
            let elapsed = (ContinuousClock.now - begun) / .seconds(1)
            guard elapsed < settings.loadSecondsMax else {
                throw Failure(.timeout, "load the snapshot: the server was not done after \(Int(elapsed)) s")
            }
            // A twentieth of the time is not measured wrong by more.
            try await Task.sleep(for: .seconds(min(0.25, max(0.01, elapsed / 20))))
        }
    }

    /// What it says of itself, or `nil` while it does not answer or loads.
    private func answer() async throws -> ServerInfo? {
        do {
            let info = try await withRedisConnection(endpoint) { try await $0.info() }
            return info.isLoading || info.isLoadingAsynchronously ? nil : info
        } catch let failure as Failure where [.unreachable, .timeout, .memberLoading].contains(failure.code) {
            return nil
        }
    }

    private func ended(_ when: String, cause: (any Error)? = nil) async -> Failure {
        let lines = await lastLines()
        return Failure(
            .unsupported,
            "\(program.path) ended \(when)" + (lines.isEmpty ? "" : "; its last words: \(lines)"),
            cause: cause,
            hint: "A server that can load the snapshot is given with --server, a module with --load-module."
        )
    }

    private static let shownLines = 6
    private static let shownBytes = 1200

    /// In one line.
    private func lastLines() async -> String {
        let path = folder.logPath
        let text = try? await NIOThreadPool.singleton.runIfActive {
            try String(decoding: Data(contentsOf: URL(filePath: path)).suffix(Self.shownBytes), as: UTF8.self)
        }
        let lines = (text ?? "").split(whereSeparator: \.isNewline).suffix(Self.shownLines)
        return lines.map { $0.filter { $0 >= " " } }.joined(separator: " | ")
    }
}
