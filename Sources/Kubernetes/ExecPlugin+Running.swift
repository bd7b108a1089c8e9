// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport
import Programs

extension ExecPlugin {
    private static let runSecondsMax = 60

    /// Runs the plugin, without a terminal and without input, and waits for what it prints.
    /// - Parameters:
    ///   - environment: our own, which it gets with the kubeconfig's variables over it.
    ///   - information: the value of `KUBERNETES_EXEC_INFO`.
    /// - Throws: `.configuration` when it is not there; `.authenticationFailed` when it fails; `.timeout` when it does
    ///   not end in time, and it is ended then, with all that it started.
    func run(
        environment: [String: String],
        information: String,
        clock: RequestClock
    ) async throws -> Credentials {
        var all = environment
        for variable in self.environment { all[variable.name] = variable.value }
        all["KUBERNETES_EXEC_INFO"] = information
        switch try await ending(Program(command: command, arguments: arguments, environment: all), clock) {
        case .printed(let output): return try credentials(printed: output)
        case .failed(let status, let errors):
            let variables = self.environment.map { (name: $0.name, value: $0.value) }
            let words = Program.shown(errors, hiding: Program.secrets(environment: variables, arguments: arguments))
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

    private func ending(_ program: Program, _ clock: RequestClock) async throws -> Program.Ending {
        do {
            return try await program.run { try await clock.sleep(.seconds(Self.runSecondsMax)) }
        } catch let refusal as Program.Refusal {
            throw failure(of: refusal)
        }
    }

    private func failure(of refusal: Program.Refusal) -> Failure {
        switch refusal {
        case .tooMuchOutput:
            Failure(.authenticationFailed, "\(attempt): it printed more than \(Program.outputBytesMax) bytes")
        case .notFound:
            Failure(
                .configuration,
                "\(attempt): there is no such program",
                hint: installHint.map { "The kubeconfig says about it: \($0)" }
                    ?? "Install it where the PATH of this process leads, or name its path in the kubeconfig."
            )
        case .notStarted(let error):
            Failure(.configuration, "\(attempt): it cannot be started", cause: error, hint: installHint)
        }
    }
}
