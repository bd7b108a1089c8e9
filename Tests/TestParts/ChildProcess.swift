// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// A program that runs beside the tests. It leads a session of its own, inherits nothing, and dies with the test
/// process.
package final class ChildProcess: Sendable {
    /// How a program ended.
    package enum Status: Sendable, Hashable {
        case exited(Int32)
        case signalled(Int32)
    }

    /// How a program ended, and what it used.
    package struct Exit: Sendable {
        package let status: Status
        /// User and system time, in seconds.
        package let cpuSeconds: Double
        package let wallSeconds: Double
    }

    /// What the program reads.
    package enum Input: Sendable {
        case empty
        case bytes([UInt8])
        /// A pipe that stays open until `closeInput`.
        case open
    }

    /// Whether standard error goes to `output` too (servers), or to `errors` alone.
    package enum Streams: Sendable {
        case merged
        case separate
    }

    package let name: String
    package let pid: pid_t
    /// What came on standard output (and standard error, when merged).
    package let output: BoundedLog
    /// What came on standard error; the same log as `output` when merged.
    package let errors: BoundedLog

    private let ended = Completion<Exit>()
    private let input: Mutex<Int32?>
    private let peak = Atomic<Int>(0)

    /// Starts the program; whoever calls this also calls `end()` on every way out. `withProcess` does both.
    package init(
        _ program: String,
        _ arguments: [String] = [],
        environment: [String: String] = ChildProcess.plainEnvironment,
        folder: URL? = nil,
        input: Input = .empty,
        streams: Streams = .merged,
        logBytesMax: Int = 1 << 20,
        watchesMemory: Bool = false
    ) throws {
        name = URL(fileURLWithPath: program).lastPathComponent
        output = BoundedLog(limitBytes: logBytesMax)
        errors = streams == .merged ? output : BoundedLog(limitBytes: logBytesMax)
        try Watchdog.shared.start()
        let outputPipe = try Pipe()
        let errorPipe = streams == .merged ? nil : try Pipe()
        let (readable, writable) = try Self.openInput(input)
        let started = ContinuousClock.now
        defer {
            close(outputPipe.writer)
            if let errorPipe { close(errorPipe.writer) }
            close(readable)
        }
        pid = try spawn(
            program,
            arguments,
            environment: environment,
            folder: folder?.path,
            descriptors: (readable, outputPipe.writer, errorPipe?.writer ?? outputPipe.writer)
        )
        self.input = Mutex(writable)
        try? Watchdog.shared.add(pid)
        output.collect(from: outputPipe.reader)
        if let errorPipe { errors.collect(from: errorPipe.reader) }
        reap(since: started)
        if watchesMemory { watchMemory() }
        if case .bytes(let bytes) = input { feed(bytes) }
    }

    /// Only what a program needs to find other programs.
    package static let plainEnvironment = [
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
    ]

    /// How it ended; `nil` while it runs.
    package var exit: Exit? { ended.current }
    package var isRunning: Bool { ended.current == nil }
    /// The most memory it held at once, in bytes, sampled each 2 ms; only with `watchesMemory`.
    package var peakMemoryBytes: Int { peak.load(ordering: .relaxed) }

    /// Sends a signal to the program alone, not to its children.
    package func kill(_ signal: Int32 = SIGKILL) {
        if isRunning { Glibc.kill(pid, signal) }
    }

    /// Waits until it has ended.
    ///
    /// - Throws: `WaitedTooLong` with the end of its log, or `CancellationError`.
    @discardableResult
    package func waitUntilExit(withinSeconds seconds: Double = 120) async throws -> Exit {
        if let exit = await ended.wait(seconds: seconds) {
            await output.waitUntilEnded(seconds: 0.5)
            await errors.waitUntilEnded(seconds: 0.5)
            return exit
        }
        try Task.checkCancellation()
        throw WaitedTooLong(
            what: "\(name) (pid \(pid)) to end; its log:\n\(errors.tail())",
            seconds: seconds,
            lastError: nil
        )
    }

    /// Ends the program (TERM, then KILL after `graceSeconds`) and all of its children. Never fails; a cancelled task
    /// does it too.
    package func end(graceSeconds: Double = 5) async {
        closeInput()
        if isRunning {
            // A stopped program cannot hear TERM.
            kill(SIGTERM)
            kill(SIGCONT)
            if await ended.wait(seconds: graceSeconds, shielded: true) == nil { kill(SIGKILL) }
            _ = await ended.wait(seconds: 30, shielded: true)
        }
        Glibc.kill(-pid, SIGKILL)
        try? Watchdog.shared.remove(pid)
        await output.waitUntilEnded(seconds: 2)
        await errors.waitUntilEnded(seconds: 2)
    }

    /// Writes to the input of a program that was started with `.open`.
    package func write(_ bytes: [UInt8]) async throws {
        // A copy, so that a `closeInput` meanwhile cannot hand the number to somebody else.
        let copy = input.withLock { $0.map { fcntl($0, F_DUPFD_CLOEXEC, 3) } }
        guard let copy, copy >= 0 else { throw SystemError("write to \(name)", EPIPE) }
        try await onThread {
            defer { close(copy) }
            try Self.writeAll(bytes, to: copy, of: self.name)
        }
    }

    /// Ends the input.
    package func closeInput() {
        input.withLock { descriptor in
            if let open = descriptor { close(open) }
            descriptor = nil
        }
    }

    /// The command lines of the processes of its session that still live, itself excepted.
    package func survivors() -> [String] {
        session().map(\.commandLine)
    }

    /// The processes of its session that run this command line.
    package func survivorPIDs(running commandLine: String) -> [pid_t] {
        session().filter { $0.commandLine == commandLine }.map(\.pid)
    }

    private func session() -> [(pid: pid_t, commandLine: String)] {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return entries.compactMap { entry in
            guard let each = pid_t(entry), each != pid, getsid(each) == pid,
                let bytes = FileManager.default.contents(atPath: "/proc/\(entry)/cmdline"), !bytes.isEmpty
            else { return nil }
            return (each, String(decoding: bytes, as: UTF8.self).split(separator: "\0").joined(separator: " "))
        }
    }
}

extension ChildProcess {
    private static func openInput(_ input: Input) throws -> (readable: Int32, writable: Int32?) {
        if case .empty = input { return (open("/dev/null", O_RDONLY | O_CLOEXEC), nil) }
        let pipe = try Pipe()
        return (pipe.reader, pipe.writer)
    }

    private static func writeAll(_ bytes: [UInt8], to descriptor: Int32, of name: String) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                throw SystemError("write to \(name)")
            }
        }
    }

    private func feed(_ bytes: [UInt8]) {
        let descriptor = input.withLock { input in
            defer { input = nil }
            return input
        }
        guard let descriptor else { return }
        Thread.detachNewThread {
            defer { close(descriptor) }
            // A program that does not read all of its input is no error of ours.
            try? Self.writeAll(bytes, to: descriptor, of: self.name)
        }
    }

    private func reap(since started: ContinuousClock.Instant) {
        Thread.detachNewThread { [pid, ended] in
            var status: Int32 = 0
            var usage = rusage()
            while wait4(pid, &status, 0, &usage) < 0 && errno == EINTR {}
            let wall = (ContinuousClock.now - started).inSeconds
            let signal = status & 0x7f
            ended.complete(
                Exit(
                    status: signal == 0 ? .exited((status >> 8) & 0xff) : .signalled(signal),
                    cpuSeconds: usage.ru_utime.inSeconds + usage.ru_stime.inSeconds,
                    wallSeconds: wall
                )
            )
        }
    }

    /// `ru_maxrss` would tell the memory of the test process, from which the child is forked; `VmHWM` is its own.
    private func watchMemory() {
        let status = open("/proc/\(pid)/status", O_RDONLY | O_CLOEXEC)
        guard status >= 0 else { return }
        Thread.detachNewThread { [self] in
            defer { close(status) }
            var buffer = [UInt8](repeating: 0, count: 4096)
            while isRunning {
                let count = pread(status, &buffer, buffer.count, 0)
                if count > 0, let place = buffer[..<count].firstRange(of: Array("VmHWM:".utf8)) {
                    let digits = buffer[place.upperBound..<count].drop { $0 <= 32 }.prefix { $0 > 32 }
                    let kibibytes = Int(String(decoding: digits, as: UTF8.self)) ?? 0
                    peak.store(max(kibibytes * 1024, peakMemoryBytes), ordering: .relaxed)
                }
                usleep(Self.samplingMicroseconds)
            }
        }
    }

    private static let samplingMicroseconds: UInt32 = 2000
}

/// Runs a program for as long as the scope lasts; it and its children are gone when the scope is left, in every way.
@discardableResult
package func withProcess<Value>(
    _ program: String,
    _ arguments: [String] = [],
    environment: [String: String] = ChildProcess.plainEnvironment,
    folder: URL? = nil,
    input: ChildProcess.Input = .empty,
    streams: ChildProcess.Streams = .merged,
    graceSeconds: Double = 5,
    _ body: (ChildProcess) async throws -> Value
) async throws -> Value {
    try await Slots.taking {
        let process = try ChildProcess(
            program,
            arguments,
            environment: environment,
            folder: folder,
            input: input,
            streams: streams
        )
        return try await ending({ await process.end(graceSeconds: graceSeconds) }) { try await body(process) }
    }
}

/// Runs a program to its end and gives its standard output.
///
/// - Throws: with the end of its standard error, when it does not exit with 0.
@discardableResult
package func run(
    _ program: String,
    _ arguments: [String] = [],
    environment: [String: String] = ChildProcess.plainEnvironment,
    folder: URL? = nil,
    input: ChildProcess.Input = .empty,
    withinSeconds seconds: Double = 120
) async throws -> [UInt8] {
    let process = try ChildProcess(
        program,
        arguments,
        environment: environment,
        folder: folder,
        input: input,
        streams: .separate,
        logBytesMax: 64 << 20
    )
    return try await ending({ await process.end(graceSeconds: 0) }) {
        let exit = try await process.waitUntilExit(withinSeconds: seconds)
        guard exit.status == .exited(0) else {
            throw UnretryableError("\(process.name) \(arguments): \(exit.status), \(process.errors.tail())")
        }
        return process.output.bytes
    }
}

/// Runs `cleanUp` after `body`, in every way `body` ends.
func ending<Value>(_ cleanUp: () async -> Void, _ body: () async throws -> Value) async throws -> Value {
    do {
        let value = try await body()
        await cleanUp()
        return value
    } catch {
        await cleanUp()
        throw error
    }
}

extension timeval {
    fileprivate var inSeconds: Double { Double(tv_sec) + Double(tv_usec) / 1e6 }
}

extension Duration {
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
