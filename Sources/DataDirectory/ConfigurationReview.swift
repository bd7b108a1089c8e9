// SPDX-License-Identifier: Apache-2.0

import Failures

/// What is wrong with a `redis.conf` before a server reads it: directives that do not exist, with what was probably
/// meant, values that a directive does not take, and settings that end a container.
package struct ConfigurationReview: Sendable {
    /// One line that is worth a word.
    package struct Finding: Sendable, Hashable {
        /// Whether a server would not start with it, or not stay.
        package let isFatal: Bool
        /// The file and the line, as `redis.conf line 3`.
        package let place: String
        package let directive: String
        /// What is wrong: lower case, no final period.
        package let problem: String
        /// What to write instead.
        package let fix: String
    }

    /// In the order of the file.
    package private(set) var findings: [Finding] = []
    /// How many directives were looked at.
    package private(set) var directives = 0

    /// Reads a configuration without what it includes: each file is reviewed on its own.
    ///
    /// - Parameter accepted: names that are right although no listed server knows them, such as those of a newer one.
    package init(_ source: ServerConfiguration.Source, accepting accepted: Set<String> = []) {
        var configuration = ServerConfiguration()
        for (index, text) in source.text.lines.enumerated() {
            let place = "\(source.name) line \(index + 1)"
            do throws(ConfigurationLine.Flaw) {
                guard let line = try ConfigurationLine(text) else { continue }
                directives += 1
                review(line, at: place, accepted, &configuration)
            } catch {
                let fix = "close every quote, and put a blank behind it"
                findings.append(
                    Finding(isFatal: true, place: place, directive: "", problem: "unbalanced quotes", fix: fix)
                )
            }
        }
    }

    private mutating func review(
        _ line: ConfigurationLine,
        at place: String,
        _ accepted: Set<String>,
        _ configuration: inout ServerConfiguration
    ) {
        func add(isFatal: Bool, _ problem: String, _ fix: String) {
            findings.append(
                Finding(isFatal: isFatal, place: place, directive: line.name, problem: problem, fix: fix)
            )
        }
        if !accepted.contains(line.name), !DirectiveCatalog.knows(line.name) {
            return add(isFatal: true, "no server knows this directive: it does not start", Meant.fix(of: line.name))
        }
        do throws(DirectiveError) {
            try configuration.apply(line)
        } catch {
            return add(isFatal: true, "\(line.name) \(error.expectation)", "correct its value")
        }
        switch (line.name, line.arguments.first?.lowercased()) {
        case ("daemonize", "yes"):
            add(isFatal: true, "the server goes to the background, and its container ends at once", "daemonize no")
        case ("bind", "127.0.0.1"?) where line.arguments.count == 1,
            ("bind", "localhost"?) where line.arguments.count == 1:
            add(isFatal: false, "no other pod reaches this server, not even its replicas", "bind * -::*")
        default: break
        }
    }
}

/// What somebody meant who wrote a directive that does not exist.
private enum Meant {
    static func fix(of name: String) -> String {
        if let fix = fixes[name] { return fix }
        guard let other = Spelling.nearest(to: name, among: DirectiveCatalog.names) else {
            return "remove it; the directives of your server are those of `CONFIG GET *`"
        }
        return "\(other), if that was meant"
    }

    /// Names from other programs, from versions long gone, or made up of parts of others.
    private static let fixes = [
        "ttl":
            "remove it: each key has its own expiry (EXPIRE); maxmemory-policy says what is evicted",
        "no-appendfsync": "no-appendfsync-on-rewrite",
        "persist": "appendonly yes or no, and save: persistence has no directive of its own",
        "virtual-memory": "maxmemory: virtual memory was removed in Redis 2.6",
        "vm-enabled": "maxmemory: virtual memory was removed in Redis 2.6",
        "vm-max-memory": "maxmemory: virtual memory was removed in Redis 2.6",
        "evict-policy": "maxmemory-policy",
        "eviction-policy": "maxmemory-policy",
        "max-memory": "maxmemory",
        "max-clients": "maxclients",
        "password": "requirepass, or better an ACL file (aclfile)",
        "set-max-ziplist-entries":
            "set-max-intset-entries for integers; set-max-listpack-entries since Redis 7.2 and Valkey 7.2",
        "set-max-ziplist-value":
            "set-max-listpack-value, since Redis 7.2 and Valkey 7.2; before, sets have no such limit",
        "glueoutputbuf": "remove it: it went with Redis 1.2",
        "slave-of": "replicaof",
        "replica-of": "replicaof",
    ]
}
