// SPDX-License-Identifier: Apache-2.0

/// A command and its arguments: any bytes, sent as an array of bulk strings, so nothing in them needs escaping.
///
/// Not printable on purpose: arguments can be secrets. `name` is what messages may show.
package struct RESPCommand: Sendable, CustomStringConvertible, CustomReflectable {
    private let arguments: [[UInt8]]

    /// - Parameter arguments: the command and what follows it; at least one.
    package init(_ arguments: [[UInt8]]) {
        precondition(!arguments.isEmpty, "a command has a name")
        self.arguments = arguments
    }

    package init(_ arguments: [String]) {
        self.init(arguments.map { Array($0.utf8) })
    }

    package init(_ arguments: String...) {
        self.init(arguments)
    }

    /// The name of the command, in upper case, with its subcommand where it has one: `PSYNC`, `CONFIG GET`.
    package var name: String {
        let words = arguments.prefix(2).map { String(decoding: $0, as: UTF8.self).uppercased() }
        guard words.count == 2, Self.containers.contains(words[0]) else { return words[0] }
        return "\(words[0]) \(words[1])"
    }

    /// The name of the right that a user needs to run it, as `ACL SETUSER` takes it after `+`: `psync`, `config|get`.
    package var right: String {
        name.lowercased().split(separator: " ").joined(separator: "|")
    }

    /// Commands whose first argument is the name of a subcommand; only those that this program sends.
    private static let containers: Set<String> = [
        "ACL", "CLIENT", "CLUSTER", "CONFIG", "DEBUG", "FUNCTION", "MODULE", "PUBSUB", "SENTINEL",
    ]

    /// The name alone.
    package var description: String { name }

    /// Without children, so that `dump` shows no argument.
    package var customMirror: Mirror { Mirror(self, children: []) }

    /// The bytes to send.
    package func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(arguments.reduce(16) { $0 + $1.count + 16 })
        bytes.append(contentsOf: "*\(arguments.count)\r\n".utf8)
        for argument in arguments {
            bytes.append(contentsOf: "$\(argument.count)\r\n".utf8)
            bytes.append(contentsOf: argument)
            bytes.append(contentsOf: "\r\n".utf8)
        }
        return bytes
    }
}
