// SPDX-License-Identifier: Apache-2.0

/// What a server says of itself: the reply to `INFO`.
///
/// Every accessor is optional, or says what its absence means: sections and fields come and go with versions, modules
/// and rights.
package struct ServerInfo: Sendable, Hashable {
    /// All fields as written, except those of the keyspace.
    package private(set) var fields: [String: String] = [:]
    /// How many keys each database holds; a database without keys is not in it.
    package private(set) var keyspace: [Int: Keyspace] = [:]

    /// One line of the keyspace section.
    package struct Keyspace: Sendable, Hashable {
        package let keys: Int64
        /// How many of the keys have an expiry.
        package let expires: Int64

        package init(keys: Int64, expires: Int64) {
            self.keys = keys
            self.expires = expires
        }
    }

    /// - Parameter text: lines of `key:value`, and of `# Section`; anything else is left out. The first line of a key
    ///   counts.
    package init(_ text: String) {
        var section = ""
        for line in text.split(whereSeparator: { $0.isNewline }) {
            if line.first == "#" {
                section = line.dropFirst().drop { $0 == " " }.lowercased()
                continue
            }
            guard let colon = line.firstIndex(of: ":") else { continue }
            let key = String(line[..<colon])
            let value = String(line[line.index(after: colon)...])
            if section == "keyspace", let database = Self.database(key) {
                let pairs = Self.pairs(value)
                keyspace[database] = Keyspace(
                    keys: pairs["keys"].flatMap { Int64($0) } ?? 0,
                    expires: pairs["expires"].flatMap { Int64($0) } ?? 0
                )
            } else if fields[key] == nil {
                fields[key] = value
            }
        }
    }

    package subscript(key: String) -> String? {
        fields[key]
    }

    /// A field that is a number.
    package func integer(_ key: String) -> Int64? {
        fields[key].flatMap { Int64($0) }
    }

    /// A field that is 1 for yes; `nil` when the server has no such field.
    package func flag(_ key: String) -> Bool? {
        integer(key).map { $0 != 0 }
    }

    private static func database(_ key: String) -> Int? {
        key.hasPrefix("db") ? Int(key.dropFirst(2)) : nil
    }

    /// Reads `keys=1,expires=0,avg_ttl=0`.
    static func pairs(_ text: String) -> [String: String] {
        var pairs: [String: String] = [:]
        for pair in text.split(separator: ",") {
            guard let sign = pair.firstIndex(of: "=") else { continue }
            pairs[String(pair[..<sign])] = String(pair[pair.index(after: sign)...])
        }
        return pairs
    }
}

extension ServerInfo {
    /// Who wrote the server.
    package enum Product: String, Sendable, Hashable, Codable {
        case redis
        case valkey
    }

    /// How the server runs (`redis_mode`; Valkey 8 and later name it `server_mode`).
    package enum Mode: String, Sendable, Hashable, Codable {
        case standalone
        case cluster
        case sentinel
    }

    /// Valkey names itself; what does not is Redis, or speaks like it.
    package var product: Product {
        fields["server_name"] == "valkey" || fields["valkey_version"] != nil ? .valkey : .redis
    }

    /// The version of the product. Valkey also reports a `redis_version` (7.2.4), which only says what it is
    /// compatible with.
    package var version: ServerVersion? {
        versionText.flatMap { ServerVersion($0) }
    }

    /// The version of the product, as written.
    package var versionText: String? {
        fields["valkey_version"] ?? fields["redis_version"]
    }

    /// 40 hexadecimal digits, new at each start of the process.
    package var runID: String? { fields["run_id"] }

    package var mode: Mode? {
        (fields["server_mode"] ?? fields["redis_mode"]).flatMap { Mode(rawValue: $0) }
    }

    package var uptimeSeconds: Int64? { integer("uptime_in_seconds") }
    package var port: Int64? { integer("tcp_port") }
    package var processID: Int64? { integer("process_id") }
    package var executable: String? { fields["executable"].flatMap { $0.isEmpty ? nil : $0 } }
    package var configFile: String? { fields["config_file"].flatMap { $0.isEmpty ? nil : $0 } }
    /// The clock of the server, in microseconds since 1970 (since 6.0).
    package var serverTimeMicroseconds: Int64? { integer("server_time_usec") }

    /// All keys of all databases.
    package var keyCount: Int64 { keyspace.values.reduce(0) { $0 + $1.keys } }
}
