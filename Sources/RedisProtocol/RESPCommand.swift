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
        for piece in pieces { bytes.append(contentsOf: piece) }
        return bytes
    }

    /// The bytes to send, in pieces one after the other: large arguments are not copied.
    package var pieces: [[UInt8]] {
        var pieces: [[UInt8]] = []
        var head = Array("*\(arguments.count)\r\n".utf8)
        for argument in arguments {
            head.append(contentsOf: "$\(argument.count)\r\n".utf8)
            if argument.count < Self.pieceBytesMin {
                head.append(contentsOf: argument)
            } else {
                pieces += [head, argument]
                head = []
            }
            head.append(contentsOf: "\r\n".utf8)
        }
        return pieces + [head]
    }

    /// What is shorter is copied after all.
    private static let pieceBytesMin = 1024
}
