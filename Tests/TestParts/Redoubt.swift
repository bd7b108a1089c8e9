// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The built program, as its users run it.
package enum Redoubt {
    /// What a run left behind.
    package struct Outcome: Sendable {
        /// The exit code; `nil` when a signal ended it.
        package let code: Int32?
        package let signal: Int32?
        package let output: String
        package let outputBytes: [UInt8]
        package let errors: String
        package let wallSeconds: Double
        package let cpuSeconds: Double
        /// Sampled each 2 ms.
        package let peakMemoryBytes: Int
        /// Processes that it started and left running (they are ended after this was noted).
        package let survivors: [String]
    }

    /// The executable beside the test bundle, or `REDOUBT_TEST_EXECUTABLE`.
    package static func executable() throws -> String {
        if let given = ProcessInfo.processInfo.environment["REDOUBT_TEST_EXECUTABLE"] { return given }
        let bundle = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        let path = bundle.deletingLastPathComponent().appendingPathComponent("redoubt").path
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw PartMissing(description: "no \(path): run `make build`, or `swift build --product redoubt`")
        }
        return path
    }

    /// Runs it to its end. The environment holds nothing but `PATH`, a fresh `HOME`, and what is given here.
    package static func run(
        _ arguments: String...,
        environment: [String: String] = [:],
        input: [UInt8] = [],
        folder: URL? = nil,
        withinSeconds seconds: Double = 120
    ) async throws -> Outcome {
        try await run(arguments, environment: environment, input: input, folder: folder, withinSeconds: seconds)
    }

    /// Runs it to its end. The environment holds nothing but `PATH`, a fresh `HOME`, and what is given here.
    package static func run(
        _ arguments: [String],
        environment: [String: String] = [:],
        input: [UInt8] = [],
        folder: URL? = nil,
        withinSeconds seconds: Double = 120
    ) async throws -> Outcome {
        try await withRunning(arguments, environment: environment, input: input, folder: folder) { process in
            try await outcome(of: process, withinSeconds: seconds)
        }
    }

    /// Runs it beside the body, which may send it signals; ended when the body is left.
    @discardableResult
    package static func withRunning<Value>(
        _ arguments: [String],
        environment: [String: String] = [:],
        input: [UInt8] = [],
        folder: URL? = nil,
        _ body: (ChildProcess) async throws -> Value
    ) async throws -> Value {
        let program = try executable()
        return try await Slots.taking {
            try await withTemporaryFolder { home in
                let base = ChildProcess.plainEnvironment.merging(["HOME": home.path, "TMPDIR": home.path]) { $1 }
                let process = try ChildProcess(
                    program,
                    arguments,
                    environment: base.merging(environment) { $1 },
                    folder: folder ?? home,
                    input: input.isEmpty ? .empty : .bytes(input),
                    streams: .separate,
                    logBytesMax: 64 << 20,
                    watchesMemory: true
                )
                return try await ending({ await process.end() }) { try await body(process) }
            }
        }
    }

    /// Waits for the end of a run that `withRunning` started.
    package static func outcome(of process: ChildProcess, withinSeconds seconds: Double = 120) async throws -> Outcome {
        let exit = try await process.waitUntilExit(withinSeconds: seconds)
        var code: Int32?
        var signal: Int32?
        switch exit.status {
        case .exited(let number): code = number
        case .signalled(let number): signal = number
        }
        return Outcome(
            code: code,
            signal: signal,
            output: process.output.text,
            outputBytes: process.output.bytes,
            errors: process.errors.text,
            wallSeconds: exit.wallSeconds,
            cpuSeconds: exit.cpuSeconds,
            peakMemoryBytes: process.peakMemoryBytes,
            survivors: process.survivors()
        )
    }
}
