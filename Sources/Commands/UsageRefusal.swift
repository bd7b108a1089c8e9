// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Failures

/// What is said of a command line that is not understood.
///
/// The parser looks at unknown words last: `backup --too URL` would be asked for a store. So they are looked for here,
/// once a line was refused.
package struct UsageRefusal: Sendable, Hashable {
    /// In one sentence.
    package let message: String
    /// With the usage.
    let text: String

    /// - Parameters:
    ///   - arguments: what was typed, without the name of the program.
    ///   - environment: what was added to it.
    init(_ error: any Error, arguments: [String], environment: [String: String]) {
        let options = EnvironmentLayer.options(fromHelpDump: RootCommand._dumpHelp())
        let said = RootCommand.message(for: error)
        let whole = RootCommand.fullMessage(for: error)
        message =
            Self.unknownWord(arguments, options)
            ?? said + Self.variables(in: said, arguments, environment, options).map { "; \($0)" }.joined()
        // The parser's help is about what it missed itself.
        let rest = whole.dropFirst("Error: ".count + said.count)
        let usage = whole.firstRange(of: "\nUsage:").map { whole[$0.lowerBound...] } ?? ""
        text = "Error: \(message)" + (message.hasPrefix(said) ? rest : usage)
    }

    /// How a command line is refused; `nil` when it is understood, or asks for help.
    package init?(of arguments: [String], environment: [String: String] = [:]) {
        do {
            let options = EnvironmentLayer.options(fromHelpDump: RootCommand._dumpHelp())
            let line = try EnvironmentLayer.apply(to: arguments, environment: environment, options: options)
            _ = try RootCommand.parseAsRoot(line)
            return nil
        } catch {
            guard !RootCommand.exitCode(for: error).isSuccess else { return nil }
            self.init(error, arguments: arguments, environment: environment)
        }
    }

    /// The first word that no command knows, with what was probably meant.
    private static func unknownWord(_ arguments: [String], _ commands: [String: [EnvironmentLayer.Option]]) -> String? {
        guard let name = arguments.first, !name.hasPrefix("-"), name != "help" else { return nil }
        guard let options = commands[name] else {
            return "Unknown command '\(name)'" + suggestion(Spelling.nearest(to: name, among: commands.keys.sorted()))
        }
        var rest = arguments.dropFirst().prefix { $0 != "--" }
        while let word = rest.popFirst() {
            guard word.hasPrefix("-"), word != "-" else { continue }
            let spelling = String(word.prefix { $0 != "=" })
            guard let option = options.first(where: { $0.isSpelled(spelling) }) else {
                if ["--help", "-h", "--version"].contains(spelling) { continue }
                let names = options.map { "--\($0.name)" }
                let isLong = spelling.hasPrefix("--")
                return "Unknown option '\(spelling)'"
                    + suggestion(isLong ? Spelling.nearest(to: spelling, among: names) : nil)
            }
            // A value never begins with a hyphen.
            if option.takesValue, word == spelling, rest.first?.hasPrefix("-") == false { rest.removeFirst() }
        }
        return nil
    }

    private static func suggestion(_ meant: String?) -> String {
        meant.map { ". Did you mean '\($0)'?" } ?? ""
    }

    /// Which of the flags in a sentence were typed by nobody, and where they came from.
    private static func variables(
        in message: String,
        _ arguments: [String],
        _ environment: [String: String],
        _ commands: [String: [EnvironmentLayer.Option]]
    ) -> [String] {
        guard let name = arguments.first(where: { commands[$0] != nil }) else { return [] }
        let typed = EnvironmentLayer.flags(on: arguments)
        let words = Set(message.split { !($0.isLetter || $0.isNumber || $0 == "-") }.map(String.init))
        return (commands[name] ?? []).filter { option in
            words.contains("--\(option.name)") && !typed.contains(option.name)
                && environment[option.variable]?.isEmpty == false
        }
        .map { "--\($0.name) comes from \($0.variable)" }
    }
}
