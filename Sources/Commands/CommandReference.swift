// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// The text of docs/command-reference.md: the help of every command, as the program itself prints it.
package enum CommandReference {
    /// Wide enough for the options, narrow enough for a page.
    private static let columns = 100

    package static var text: String {
        var sections = [
            """
            # Command reference

            What `redoubt help` prints, command by command. A test holds this page and the program together; after a
            change of the options, `make docs` writes it anew.

            Every flag has an environment variable: `--part-size` is `REDOUBT_PART_SIZE`. Flag > environment > default.
            Only the recipients of `copy` have none.
            A flag that may be repeated takes several values from its variable, separated by white space.
            """,
            amounts, exitCodes, block("redoubt", RootCommand.helpMessage(columns: columns)),
        ]
        for command in RootCommand.configuration.subcommands {
            let name = command.configuration.commandName ?? ""
            sections.append(
                block("redoubt \(name)", RootCommand.helpMessage(for: command, columns: columns))
            )
        }
        return sections.joined(separator: "\n\n") + "\n"
    }

    private static let amounts = """
        ## Times and sizes

        One grammar for every flag that takes one.

        | | written as | a number alone |
        |---|---|---|
        | an age: `--max-age`, `--max-verify-age`, `--max-drill-age`, `--since`, `--grace` | numbers with `s`, `m`, \
        `h`, `d`, `w`: `90s`, `15m`, `26h`, `30d`, `1w`, `1d12h` | refused, with what may have been meant: \
        `--max-age 26` could be hours. `0` is 0 |
        | any other time: how long something is waited for, or may take | the same | seconds, also with a point: `0.5` |
        | a span of the calendar: `--keep-within` | `h`, `d`, `w`, `mo` (months), `y`: `36h`, `1y6mo`; `m` is refused, \
        because it is a month for some and a minute for others | refused |
        | a size | `k`, `M`, `G`, `T` are powers of 1000, `Ki`, `Mi`, `Gi`, `Ti` of 1024, a `B` may follow: `5M`, \
        `5MiB`, `1.5Gi` | bytes; `--part-size`: MiB |
        | a rate: `--bwlimit` | a size for each second, or `UP:DOWN`, or `off` | bytes a second |
        """

    private static let exitCodes = """
        ## Exit codes

        | code | meaning | retry? |
        |---|---|---|
        | 0 | done | |
        | 1 | anything without a better code; treat it as a failure | |
        | 3 | partial: some members failed, the rest is committed | look at the manifest |
        | 4 | verification failed, corrupt bytes | no |
        | 5 | transient: unreachable, time-out, 5xx | yes |
        | 6 | the source is not fit to be backed up: link down, loading, lag, its save failed; `status`: the backups \
        are older, smaller or less proven than was asked for | later |
        | 7 | permanent: configuration, permission, TLS, no space | no |
        | 8 | a guard refused; the message names the flag that overrides it | no |
        | 10 | no such backup or store | no |
        | 11 | locked: another run works on this subject | later |
        | 12 | cannot decrypt | no |
        | 64 | the command line is not understood | no |
        | 130, 143 | ended by SIGINT, SIGTERM; nothing was left half-made, or the message says that not all \
        could be taken away | yes |
        """

    private static func block(_ title: String, _ help: String) -> String {
        "## \(title)\n\n```text\n\(help.trimmedAtEnd)\n```"
    }
}

extension String {
    fileprivate var trimmedAtEnd: String {
        var text = self[...]
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
