// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials

/// Every flag has an environment variable: `--part-size` is `REDOUBT_PART_SIZE`. Flag > environment > default. Only the
/// recipients of `copy` have none.
///
/// The layer works on the command line itself: what stands in the environment and not on the line is added to it, so
/// that one parser decides about both. An option that may be repeated takes several values, separated by white space.
package enum EnvironmentLayer {
    package static let prefix = "REDOUBT_"

    /// What a command takes from its line alone. The recipients in an environment that a copy shares with `backup` are
    /// those of backups: what is encrypted must not be decrypted on their account, and `copy` sends nothing plain
    /// there.
    private static let lineOnly: [String: Set<String>] = ["copy": ["recipient", "recipients-file"]]

    /// The variables of an environment that a command passes over, though it has such an option.
    package static func passedOver(by command: String, in environment: [String: String]) -> [String] {
        (lineOnly[command] ?? []).map(variable)
            .filter { environment[$0]?.isEmpty == false }.sorted()
    }

    /// One option of a subcommand, as the parser describes it.
    package struct Option: Sendable, Hashable {
        package let name: String
        package let takesValue: Bool
        package let isRepeating: Bool
        /// The other ways to write it, with their dashes: `-v`.
        let otherSpellings: Set<String>

        package init(name: String, takesValue: Bool, isRepeating: Bool, otherSpellings: Set<String> = []) {
            self.name = name
            self.takesValue = takesValue
            self.isRepeating = isRepeating
            self.otherSpellings = otherSpellings
        }

        /// Whether the parser may take a word with dashes for it; short flags may stand together, as in `-vy`.
        func isSpelled(_ word: String) -> Bool {
            word == "--\(name)" || otherSpellings.contains(word)
                || !word.hasPrefix("--") && otherSpellings.contains(String(word.prefix(2)))
        }

        package var variable: String {
            EnvironmentLayer.variable(of: name)
        }
    }

    /// `REDOUBT_PART_SIZE` of `part-size`.
    static func variable(of flag: String) -> String {
        prefix + flag.uppercased().replacing("-", with: "_")
    }

    /// The flags that stand on a command line, without their dashes.
    static func flags(on arguments: [String]) -> Set<String> {
        Set(
            arguments.prefix { $0 != "--" }.compactMap { argument in
                argument.hasPrefix("--") ? argument.dropFirst(2).split(separator: "=").first.map(String.init) : nil
            }
        )
    }

    /// The command line with what the environment adds to it.
    /// - Parameters:
    ///   - arguments: without the name of the program.
    ///   - options: those of each subcommand, by its name.
    /// - Throws: `.usage` for a switch whose variable is neither true nor false.
    package static func apply(
        to arguments: [String],
        environment: [String: String],
        options: [String: [Option]]
    ) throws -> [String] {
        guard let index = arguments.firstIndex(where: { options[$0] != nil }),
            let known = options[arguments[index]]
        else { return arguments }
        var added: [String] = []
        let taken = flags(on: arguments).union(lineOnly[arguments[index]] ?? [])
        for option in known where !taken.contains(option.name) {
            guard let value = environment[option.variable], !value.isEmpty else { continue }
            added += try tokens(of: option, value)
        }
        return Array(arguments[...index]) + added + Array(arguments[(index + 1)...])
    }

    private static func tokens(of option: Option, _ value: String) throws -> [String] {
        if option.takesValue {
            let values = option.isRepeating ? value.split(whereSeparator: \.isWhitespace).map(String.init) : [value]
            return values.map { "--\(option.name)=\($0)" }
        }
        switch value.lowercased() {
        case "1", "true", "yes", "on": return ["--\(option.name)"]
        case "0", "false", "no", "off": return []
        default:
            throw Failure(.usage, "read \(option.variable): it must be true or false")
        }
    }

    /// The options of each subcommand, out of the description that the parser gives of itself as JSON.
    package static func options(fromHelpDump dump: String) -> [String: [Option]] {
        guard let tool = try? JSONDecoder().decode(Tool.self, from: Data(dump.utf8)) else { return [:] }
        var table: [String: [Option]] = [:]
        for command in tool.command.subcommands ?? [] {
            table[command.commandName] = (command.arguments ?? []).compactMap(\.option)
        }
        return table
    }

    private struct Tool: Decodable {
        let command: Command

        struct Command: Decodable {
            let commandName: String
            let subcommands: [Command]?
            let arguments: [Argument]?
        }

        struct Argument: Decodable {
            let kind: String
            let isRepeating: Bool
            let preferredName: Name?
            let names: [Name]?

            struct Name: Decodable {
                let kind: String
                let name: String

                var spelling: String { (kind == "long" ? "--" : "-") + name }
            }

            var option: Option? {
                guard let preferredName, preferredName.kind == "long", preferredName.name != "help" else { return nil }
                return Option(
                    name: preferredName.name,
                    takesValue: kind == "option",
                    isRepeating: isRepeating,
                    otherSpellings: Set((names ?? []).map(\.spelling)).subtracting(["--\(preferredName.name)"])
                )
            }
        }
    }
}
