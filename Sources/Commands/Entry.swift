// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Failures
import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The version of the program.
package let redoubtVersion = "0.1.0"

/// A subcommand that does something: parsed first, then run with its signals watched.
protocol RunnableCommand: ParsableCommand, Sendable {
    /// Does what the command says.
    /// - Returns: `.done` or `.partial`; every other ending is a thrown `Failure`.
    func execute() async throws -> ExitCode

    /// What every subcommand says and how.
    var outputs: OutputOptions { get }
}

struct RootCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "redoubt",
        abstract: "Back up Redis and Valkey, prove every backup, and bring them back.",
        discussion: """
            Every flag has an environment variable: --part-size is REDOUBT_PART_SIZE. Flag > environment > default. \
            Only the recipients of copy stand on its line alone. Passwords come from REDISCLI_AUTH, REDIS_PASSWORD or \
            --password-file, keys of stores from AWS_*.

            Exit codes: 0 done, 3 partial, 4 corrupt, 5 try again, 6 source not fit, 7 configuration or permission, \
            8 a guard refused, 10 no such backup or store, 11 locked, 12 cannot decrypt, 64 usage, 130/143 signal, \
            1 anything else.
            """,
        version: "redoubt \(redoubtVersion)",
        subcommands: [
            BackupCommand.self, ListCommand.self, ShowCommand.self, StatusCommand.self, VerifyCommand.self,
            RestoreCommand.self, DrillCommand.self, CopyCommand.self, PruneCommand.self, PinCommand.self,
            UnpinCommand.self, SignCommand.self, InspectCommand.self, CheckCommand.self,
        ]
    )
}

/// Where the program starts.
package enum Entry {
    /// Runs the command line of this process and ends it.
    package static func main() async -> Never {
        LargeBlocks.giveBack()
        signal(SIGPIPE, SIG_IGN)
        // A core file would hold passwords (F50).
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
        let code = await run(
            Array(CommandLine.arguments.dropFirst()),
            environment: ProcessInfo.processInfo.environment
        )
        exit(code)
    }

    /// - Parameter arguments: without the name of the program.
    /// - Returns: the exit code.
    package static func run(_ arguments: [String], environment: [String: String]) async -> Int32 {
        let asJSON = wantsJSON(arguments, environment)
        let command: any ParsableCommand
        let (followable, remarks) = MonitoringOptions.followable(
            environment,
            typed: EnvironmentLayer.flags(on: arguments)
        )
        do {
            command = try RootCommand.parseAsRoot(layered(arguments, followable))
            guard command is any RunnableCommand else {
                var command = command
                try command.run()
                return ExitCode.done.rawValue
            }
        } catch let failure as Failure {
            return report(failure, asJSON: asJSON)
        } catch {
            return reportUsage(error, arguments, followable, asJSON: asJSON)
        }
        guard let runnable = command as? any RunnableCommand else { return ExitCode.unclassified.rawValue }
        if !remarks.isEmpty, runnable is any MonitoredCommand {
            let logger = runnable.outputs.session().logger
            for remark in remarks { logger.warning("\(remark)") }
        }
        return await run(runnable)
    }

    /// Whether the program understands a command line, without running it.
    package static func understands(_ arguments: [String]) -> Bool {
        (try? RootCommand.parseAsRoot(arguments)) is any RunnableCommand
    }

    private static func run(_ command: any RunnableCommand) async -> Int32 {
        let asJSON = command.outputs.output == .json
        let watch = RunWatch(command)
        var code: Int32
        var ending: Failure?
        do {
            code = try await SignalWatch.run { try await RunWatch.beside(watch) { try await command.execute() } }
                .rawValue
        } catch let interrupted as SignalWatch.Interrupted {
            let failure = Failure(
                .interrupted,
                "ended by signal \(interrupted.signal); \(interrupted.lastWord)"
            )
            code = report(failure, asJSON: asJSON, exitCode: interrupted.exitCode)
            ending = failure
        } catch {
            let failure = Failure(wrapping: error, attempting: "run the command")
            code = report(failure, asJSON: asJSON)
            ending = failure
        }
        let name = type(of: command).configuration.commandName ?? ""
        TerminationMessage(command: name, exitCode: code, failure: ending).write(to: command.outputs.terminationLog)
        await watch?.ended(code, ending)
        return code
    }

    /// What the line asks for, as far as it can be seen before it is understood.
    private static func wantsJSON(_ arguments: [String], _ environment: [String: String]) -> Bool {
        let pairs = zip(arguments, arguments.dropFirst())
        if arguments.contains("--output=json") || pairs.contains(where: { $0 == ("--output", "json") }) { return true }
        return environment[EnvironmentLayer.prefix + "OUTPUT"] == "json"
            && !arguments.contains { $0.hasPrefix("--output") }
    }

    private static func layered(_ arguments: [String], _ environment: [String: String]) throws -> [String] {
        guard environment.keys.contains(where: { $0.hasPrefix(EnvironmentLayer.prefix) }) else { return arguments }
        let options = EnvironmentLayer.options(fromHelpDump: RootCommand._dumpHelp())
        return try EnvironmentLayer.apply(to: arguments, environment: environment, options: options)
    }

    /// Says what went wrong, once; for programs too, unless the result of the command says it already.
    private static func report(_ failure: Failure, asJSON: Bool, exitCode: ExitCode? = nil) -> Int32 {
        let report = FailureReport(failure, exitCode: exitCode)
        Console.talk(report.text)
        if asJSON, !Console.hasResult, let text = try? JSONText.encode(report.document) { try? Console.result(text) }
        return report.exitCode.rawValue
    }

    /// Help and version go to standard output and are no error; what is not understood goes to standard error.
    private static func reportUsage(
        _ error: any Error,
        _ arguments: [String],
        _ environment: [String: String],
        asJSON: Bool
    ) -> Int32 {
        let code = RootCommand.exitCode(for: error)
        guard !code.isSuccess else {
            try? Console.result(RootCommand.fullMessage(for: error))
            return code.rawValue
        }
        let refusal = UsageRefusal(error, arguments: arguments, environment: environment)
        Console.talk(refusal.text)
        if asJSON {
            let failure = Failure(.usage, refusal.message)
            if let text = try? JSONText.encode(FailureReport(failure).document) { try? Console.result(text) }
        }
        return code.rawValue
    }
}
