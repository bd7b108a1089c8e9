// SPDX-License-Identifier: Apache-2.0

import Commands
import Testing

/// What is said of a line that is not understood: the word that nobody knows first, whatever else is wrong with it.
@Suite struct UsageRefusalTests {
    @Test(
        arguments: [
            ("prune --keep-dayly 7 --yes", "Unknown option '--keep-dayly'. Did you mean '--keep-daily'?"),
            ("prune --from file:///a --keep-dayly=7", "Unknown option '--keep-dayly'. Did you mean '--keep-daily'?"),
            ("backup --too file:///a", "Unknown option '--too'. Did you mean '--to'?"),
            ("restore --form file:///a", "Unknown option '--form'. Did you mean '--from'?"),
            ("restor --from file:///a", "Unknown command 'restor'. Did you mean 'restore'?"),
            ("nonsense", "Unknown command 'nonsense'"), ("list --nonsense", "Unknown option '--nonsense'"),
            ("list -qx", nil), ("list -x", "Unknown option '-x'"), ("list", nil), ("list --from", nil),
            ("show --from file:///a a b c", nil), ("list --output jsn", nil), ("backup -n ns --to --name", nil),
            ("list -- --form", nil),
        ] as [(String, String?)]
    )
    func anUnknownWordIsNamedFirst(line: String, said: String?) throws {
        let message = try #require(UsageRefusal(of: line.split(separator: " ").map(String.init))).message
        if let said { #expect(message == said) } else { #expect(!message.contains("Did you mean"), "\(message)") }
    }

    /// Nobody typed the flag that such a sentence is about.
    @Test func aVariableIsNamedWhereTheFlagIsFromOne() throws {
        func message(_ line: String, _ environment: [String: String]) throws -> String {
            let words = line.split(separator: " ").map(String.init)
            return try #require(UsageRefusal(of: words, environment: environment)).message
        }
        let wrong = ["REDOUBT_PART_SIZE": "abc", "REDOUBT_FROM": "file:///a"]
        let said = try message("list", wrong)
        #expect(said.contains("'abc'") && said.hasSuffix("; --part-size comes from REDOUBT_PART_SIZE"), "\(said)")
        let typed = try message("list --part-size x", wrong)
        #expect(typed.contains("'x'") && !typed.contains("REDOUBT"), "\(typed)")
        let both = try message("backup --endpoint redis://a --to file:///a", ["REDOUBT_STATEFULSET": "redis"])
        #expect(both.hasSuffix("; --statefulset comes from REDOUBT_STATEFULSET"), "\(both)")
    }

    @Test(arguments: ["list --help", "--help", "--version", "help restore", "list --from file:///a -q"])
    func whatIsUnderstoodIsNotRefused(line: String) {
        #expect(UsageRefusal(of: line.split(separator: " ").map(String.init)) == nil)
    }
}
