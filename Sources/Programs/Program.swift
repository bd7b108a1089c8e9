// SPDX-License-Identifier: Apache-2.0

import Subprocess

/// A program that is run for what it prints: without a terminal, without input, without a shell, and never for longer
/// or with more output than is allowed.
package struct Program: Sendable {
    /// A name to look for in `PATH`, or a path.
    package var command: String
    package var arguments: [String]
    package var environment: [String: String]

    /// The most that it may print, and complain.
    package static let outputBytesMax = 1 << 20
    private static let shownErrorsLengthMax = 500

    package init(command: String, arguments: [String] = [], environment: [String: String]) {
        self.command = command
        self.arguments = arguments
        self.environment = environment
    }

    package enum Ending: Sendable {
        case printed([UInt8])
        /// - status: `exit code 3`, `signal 9`.
        case failed(status: String, errors: String)
        case timeOver
    }

    /// Why there is no ending.
    package enum Refusal: Error {
        case notFound
        case notStarted(any Error)
        case tooMuchOutput
    }

    /// Runs it and waits for its end.
    /// - Parameter timeIsOver: returns when it has had time enough; it is ended then, with all that it started.
    /// - Throws: `Refusal`; what `timeIsOver` throws; `CancellationError`.
    package func run(until timeIsOver: @escaping @Sendable () async throws -> Void) async throws -> Ending {
        do {
            return try await withThrowingTaskGroup(of: Ending.self) { group in
                group.addTask { try await launched() }
                group.addTask {
                    try await timeIsOver()
                    return .timeOver
                }
                defer { group.cancelAll() }
                return try await group.next() ?? .timeOver
            }
        } catch let error as SubprocessError {
            try Task.checkCancellation()
            switch error.code {
            case .outputLimitExceeded: throw Refusal.tooMuchOutput
            case .executableNotFound: throw Refusal.notFound
            default: throw Refusal.notStarted(error)
            }
        }
    }

    private func launched() async throws -> Ending {
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

    /// The last lines of what a program said, in one, without what nobody may see.
    package static func shown(_ errors: String, hiding secrets: [String]) -> String {
        let line = errors.split(whereSeparator: \.isNewline).joined(separator: " | ")
        let printable = String(
            String.UnicodeScalarView(line.unicodeScalars.filter { $0.properties.generalCategory != .control })
        )
        let plain = secrets.reduce(printable) { $0.replacing($1, with: "***") }
        return plain.count <= shownErrorsLengthMax ? plain : "…\(plain.suffix(shownErrorsLengthMax))"
    }

    /// Values of variables and of arguments (`--client-secret=…`, `--token …`) that are called like secrets.
    package static func secrets(
        environment: some Sequence<(name: String, value: String)>,
        arguments: [String]
    ) -> [String] {
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
}
