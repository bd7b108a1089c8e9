// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport
import Subprocess

extension ExecPlugin {
    private static let runSecondsMax = 60
    private static let outputBytesMax = 1 << 20
    private static let shownErrorsLengthMax = 500

    private enum Ending: Sendable {
        case printed([UInt8])
        case failed(status: String, errors: String)
        case timeOver
    }

    /// Runs the plugin, without a terminal and without input, and waits for what it prints.
    /// - Parameters:
    ///   - environment: our own, which it gets with the kubeconfig's variables over it.
    ///   - information: the value of `KUBERNETES_EXEC_INFO`.
    /// - Throws: `.configuration` when it is not there; `.authenticationFailed` when it fails; `.timeout` when it
    ///   does
    ///   not end in time, and it is ended then, with all that it started.
    func run(
        environment: [String: String],
        information: String,
        clock: RequestClock
    ) async throws -> Credentials {
        var all = environment
        for variable in self.environment { all[variable.name] = variable.value }
        all["KUBERNETES_EXEC_INFO"] = information
        switch try await ending(all, clock) {
        case .printed(let output): return try credentials(printed: output)
        case .failed(let status, let errors):
            let words = shown(errors, hiding: secretValues)
            throw Failure(
                .authenticationFailed,
                "\(attempt): it ended with \(status)" + (words.isEmpty ? "" : ": \(words)"),
                hint: installHint.map { "The kubeconfig says about it: \($0)" }
                    ?? "Run it by hand to see more: it may want a login that has run out."
            )
        case .timeOver:
            throw Failure(
                .timeout,
                "\(attempt): it did not end within \(Self.runSecondsMax) s",
                hint: "Run it by hand: it may wait for a login or for the network."
            )
        }
    }

    private func ending(_ environment: [String: String], _ clock: RequestClock) async throws -> Ending {
        do {
            return try await withThrowingTaskGroup(of: Ending.self) { group in
                group.addTask { try await launched(environment) }
                group.addTask {
                    try await clock.sleep(.seconds(Self.runSecondsMax))
                    return .timeOver
                }
                defer { group.cancelAll() }
                return try await group.next() ?? .timeOver
            }
        } catch let error as SubprocessError {
            try Task.checkCancellation()
            throw launchFailure(error)
        }
    }

    private func launched(_ environment: [String: String]) async throws -> Ending {
        var options = PlatformOptions()
        // A session of its own: it has no terminal to ask at, and what it started can be ended with it.
        options.createSession = true
        options.teardownSequence = [
            .send(signal: .terminate, toProcessGroup: true, allowedDurationToNextStep: .seconds(2)),
            .send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .milliseconds(100)),
        ]
        let pairs = environment.map { (Environment.Key(rawValue: $0.key), $0.value) }
        let variables = Dictionary(pairs.compactMap { key, value in key.map { ($0, value) } }) { first, _ in first }
        let result = try await Subprocess.run(
            command.contains("/") ? .path(.init(command)) : .name(command),
            arguments: Arguments(arguments),
            environment: .custom(variables),
            platformOptions: options,
            output: .bytes(limit: Self.outputBytesMax),
            error: .string(limit: Self.outputBytesMax)
        )
        guard result.terminationStatus.isSuccess else {
            return .failed(status: Self.words(result.terminationStatus), errors: result.standardError)
        }
        return .printed(result.standardOutput)
    }

    private static func words(_ status: TerminationStatus) -> String {
        switch status {
        case .exited(let code): "exit code \(code)"
        case .signaled(let signal): "signal \(signal)"
        }
    }

    private func launchFailure(_ error: SubprocessError) -> Failure {
        switch error.code {
        case .outputLimitExceeded:
            Failure(.authenticationFailed, "\(attempt): it printed more than \(Self.outputBytesMax) bytes")
        case .executableNotFound:
            Failure(
                .configuration,
                "\(attempt): there is no such program",
                hint: installHint.map { "The kubeconfig says about it: \($0)" }
                    ?? "Install it where the PATH of this process leads, or name its path in the kubeconfig."
            )
        default: Failure(.configuration, "\(attempt): it cannot be started", cause: error, hint: installHint)
        }
    }

    /// Values of variables and of arguments (`--client-secret=…`) that are called like secrets.
    private var secretValues: [String] {
        func isSecret(_ name: some StringProtocol) -> Bool {
            ["SECRET", "TOKEN", "PASSWORD", "KEY"].contains { name.uppercased().contains($0) }
        }
        let variables = environment.filter { isSecret($0.name) }.map(\.value)
        let joined = arguments.compactMap { argument -> String? in
            guard let sign = argument.firstIndex(of: "="), isSecret(argument[..<sign]) else { return nil }
            return String(argument[argument.index(after: sign)...])
        }
        let separate = zip(arguments, arguments.dropFirst()).filter { name, _ in
            name.hasPrefix("-") && !name.contains("=") && isSecret(name)
        }.map(\.1)
        return (variables + joined + separate).filter { !$0.isEmpty }
    }

    /// The last lines of what it said, in one.
    private func shown(_ errors: String, hiding secrets: [String]) -> String {
        let line = errors.split(whereSeparator: \.isNewline).joined(separator: " | ")
        let plain = secrets.reduce(line) { $0.replacing($1, with: "***") }
        return plain.count <= Self.shownErrorsLengthMax ? plain : "…\(plain.suffix(Self.shownErrorsLengthMax))"
    }
}
