// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport
import Logging

/// What was found out about a server before the first request: from the URL, the environment and the files of ssh.
package struct SFTPSettings: Sendable {
    package let location: SFTPLocation
    package let client: SFTPClientConfiguration
    /// How often a request is sent, counting the first time.
    package let attemptsMax: Int
    private let key: SSHKeyFile?

    private static let attemptsUsual = 8
    private static let fileBytesMax = 4 << 20
    private static let keyNames = ["id_ed25519", "id_ecdsa", "id_rsa"]

    /// Reads the files of ssh and of secrets. Blocks.
    /// - Throws: `.configuration`; `.tlsFailed` when no host key of the server is known.
    package init(_ location: SFTPLocation, _ configuration: StoreConfiguration) throws {
        let environment = configuration.environment.filter { !$0.value.isEmpty }
        self.location = location
        attemptsMax = configuration.attemptsMax ?? Self.attemptsUsual
        guard let user = location.user ?? environment["USER"] ?? environment["LOGNAME"] else {
            throw Failure(.configuration, "open \(location): it does not say which user", hint: "sftp://user@host/path")
        }
        var client = SFTPClientConfiguration(
            host: location.host,
            port: location.port,
            user: user,
            hostKeys: try Self.hostKeys(location, environment, isInsecure: configuration.insecureSkipVerify)
        )
        client.password = try Self.secret("SFTP_PASSWORD", environment)
        client.usesAgent = environment["SSH_AUTH_SOCK"] != nil
        (client.keyFile, key) = try Self.key(location, environment)
        client.keyPassphrase = try Self.secret("SFTP_KEY_PASSPHRASE", environment)
        client.bandwidth = configuration.traffic.bandwidth
        guard client.keyFile != nil || client.password != nil || client.usesAgent else {
            throw Failure(
                .authenticationFailed,
                "open \(location): there is no key, no password and no agent",
                hint: "Give a private key with ?key-file=, or set SFTP_PASSWORD_FILE."
            )
        }
        self.client = client
        let isAnyone = client.hostKeys.contains(.anyone)
        if isAnyone { configuration.logger.warning("any host key is believed of \(location.server)") }
    }

    /// What to type next.
    func hint(for failure: Failure) -> String? {
        switch failure.code {
        case .authenticationFailed where !SSHLibrary.knowsRSAWithSHA2 && key?.isRSA ?? false:
            "\(SSHLibrary.name) signs with an RSA key by SHA-1 only, which OpenSSH refuses since 8.8. Use an Ed25519 "
                + "key: ssh-keygen -t ed25519"
        case .authenticationFailed where (key?.isEncrypted ?? false) && client.keyPassphrase == nil:
            "The key is encrypted: set SFTP_KEY_PASSPHRASE_FILE."
        case .authenticationFailed:
            "Look whether the user may log in with this key or password, and whether the passphrase is the right one."
        case .tlsFailed where failure.message.contains("exchange encryption keys"):
            "The host and \(SSHLibrary.name) have no kind of key in common. A host whose only key is RSA needs another "
                + "one: ssh-keygen -A on the host, then here "
                + Self.keyscan(location, into: location.knownHostsFile ?? "~/.ssh/known_hosts")
        case .tlsFailed where location.hostKeySHA256 != nil:
            "If the host has a new key, and you know it from its owner: give its digest with ?host-key-sha256=."
        case .tlsFailed:
            "If the host has a new key, and you know it from its owner: remove the old line with "
                + "ssh-keygen -R '\(KnownHosts(host: location.host, port: location.port).name)'"
                + (location.knownHostsFile.map { " -f \($0)" } ?? "") + ", then type "
                + Self.keyscan(location, into: location.knownHostsFile ?? "~/.ssh/known_hosts")
        case .permissionDenied: "Give the user of the store the rights to the folder on the server."
        case .unreachable, .timeout: failure.withWayHint().hint
        case .noSpace: "Free some space on the server. `redoubt prune` removes old backups."
        default: nil
        }
    }

    private static func hostKeys(
        _ location: SFTPLocation,
        _ environment: [String: String],
        isInsecure: Bool
    ) throws -> [SFTPHostKeys] {
        if let sha256 = location.hostKeySHA256 {
            return [nil, "ssh-ed25519", "ssh-rsa"].map { .pinned(sha256: sha256, kind: $0) }
        }
        if location.believesAnyHostKey || isInsecure { return [.anyone] }
        let own = environment["HOME"].map { "\($0)/.ssh/known_hosts" }
        let files = location.knownHostsFile.map { [$0] } ?? (own.map { [$0] } ?? []) + ["/etc/ssh/ssh_known_hosts"]
        var known = KnownHosts(host: location.host, port: location.port)
        for file in files {
            if let bytes = try SmallFile.read(file, bytesMax: fileBytesMax) {
                known.take(String(decoding: bytes, as: UTF8.self))
            } else if location.knownHostsFile != nil {
                throw Failure(.configuration, "open \(location): there is no file \(file)")
            }
        }
        let lines = known.linesByKind
        guard !lines.isEmpty else {
            throw Failure(
                .tlsFailed,
                "open \(location): no key of the host \(known.name) is known in \(files.joined(separator: ", "))",
                hint:
                    "Type \(keyscan(location, into: location.knownHostsFile ?? "~/.ssh/known_hosts")) and compare the "
                    + "key with what its owner says, or give ?host-key-sha256=."
            )
        }
        return lines.map { .known(lines: $0) }
    }

    private static func keyscan(_ location: SFTPLocation, into file: String) -> String {
        let port = location.port == SFTPLocation.portUsual ? "" : "-p \(location.port) "
        return "ssh-keyscan \(port)\(location.host) >> \(file)"
    }

    private static func key(
        _ location: SFTPLocation,
        _ environment: [String: String]
    ) throws -> (String?, SSHKeyFile?) {
        let usual = environment["HOME"].map { home in keyNames.map { "\(home)/.ssh/\($0)" } } ?? []
        for file in location.keyFile.map({ [$0] }) ?? usual {
            guard let bytes = try SmallFile.read(file, bytesMax: fileBytesMax) else { continue }
            return (file, SSHKeyFile(String(decoding: bytes, as: UTF8.self)))
        }
        guard let file = location.keyFile else { return (nil, nil) }
        throw Failure(
            .configuration,
            "open \(location): there is no key \(file)",
            hint: "Check ?key-file= in the URL. `ssh-keygen -t ed25519` makes a key."
        )
    }

    /// A secret of the environment, or of the file that it names; without the end of its line.
    private static func secret(_ name: String, _ environment: [String: String]) throws -> String? {
        if let value = environment[name] { return value }
        guard let file = environment["\(name)_FILE"] else { return nil }
        guard let bytes = try SmallFile.read(file, bytesMax: 1 << 16), !bytes.isEmpty else {
            throw Failure(.configuration, "read \(file), which \(name)_FILE names: it is not there, or empty")
        }
        var text = String(decoding: bytes, as: UTF8.self)
        while text.last?.isNewline ?? false { text.removeLast() }
        return text
    }
}
