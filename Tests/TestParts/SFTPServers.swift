// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A server of SFTP on the loopback, and a folder that it serves, empty at first.
package struct SFTPServer: Sendable {
    package let port: Int
    package let user: String
    /// Asked for where there are no keys.
    package let password: String?
    /// The folder as the server names it.
    package let path: String
    /// The same folder, from here.
    package let folder: URL
    package let material: SSHMaterial
    package let child: ChildProcess
    fileprivate let held: Port

    /// Lines for a file of known hosts, about this server behind a port of its own or of a proxy.
    package func knownHosts(port: Int? = nil, kinds: [SSHMaterial.Kind] = [.ed25519, .ecdsa]) throws -> String {
        try kinds.map { "[127.0.0.1]:\(port ?? self.port) \(try material.hostKey($0))\n" }.joined()
    }

    /// What the environment must hold to log in.
    package var environment: [String: String] { password.map { ["SFTP_PASSWORD": $0] } ?? [:] }

    /// A URL of the folder, with what is needed to log in as an option; the file of known hosts is written anew.
    /// - Parameter options: more of them, or others.
    package func url(port: Int? = nil, below: String = "", options: [String: String] = [:]) throws -> String {
        let port = port ?? self.port
        let known = folder.deletingLastPathComponent().appendingPathComponent("\(folder.lastPathComponent)-\(port)")
        try knownHosts(port: port).write(to: known, atomically: true, encoding: .utf8)
        var all = ["known-hosts": known.path]
        if password == nil { all["key-file"] = material.userKey(.ed25519) }
        all.merge(options) { $1 }
        let query = all.sorted { $0.key < $1.key }.map { "\($0.key)=\(Self.encoded($0.value))" }
        return "sftp://\(user)@127.0.0.1:\(port)\(path)\(below)?\(query.joined(separator: "&"))"
    }

    private static func encoded(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? text
    }
}

/// Keys made by ssh-keygen, once a process.
package struct SSHMaterial: Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        case ed25519
        case ecdsa
        case rsa
    }

    package static let passphrase = "a pass phrase"

    let folder: URL

    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    /// A key that the server accepts.
    package func userKey(_ kind: Kind) -> String { path("user_\(kind.rawValue)") }
    /// The same, encrypted with the passphrase.
    package func encryptedKey(_ kind: Kind) -> String { path("encrypted_\(kind.rawValue)") }
    /// A key that the server does not know.
    package var strangeKey: String { path("strange_ed25519") }

    /// Kind and key of a host key of the server.
    package func hostKey(_ kind: Kind) throws -> String { try publicKey("host_\(kind.rawValue)") }
    /// Kind and key of somebody else.
    package func strangeHostKey() throws -> String { try publicKey("strange_ed25519") }

    /// As `ssh-keygen -l` shows it, without `SHA256:`.
    package func hostKeySHA256(_ kind: Kind) async throws -> String {
        let text = String(
            decoding: try await run(Self.keygen(), ["-lf", path("host_\(kind.rawValue).pub")]),
            as: UTF8.self
        )
        return String(text.split(separator: " ")[1].dropFirst("SHA256:".count))
    }

    private func publicKey(_ name: String) throws -> String {
        let text = try String(contentsOfFile: path("\(name).pub"), encoding: .utf8)
        return text.split(separator: " ").prefix(2).joined(separator: " ")
    }

    private static func keygen() throws -> String { try Parts.sshKeygen() }

    package static func shared() async throws -> SSHMaterial { try await cache.value() }

    private static let cache = Once {
        let folder = try temporaryFolder()
        let environment = ChildProcess.plainEnvironment.merging(["KEYGEN": try keygen(), "PASS": passphrase]) { $1 }
        try await run("/bin/sh", ["-eu", "-c", script], environment: environment, folder: folder)
        return SSHMaterial(folder: folder)
    }

    private static let script = """
        for kind in ed25519 ecdsa rsa; do
            $KEYGEN -q -t $kind -N '' -f host_$kind
            $KEYGEN -q -t $kind -N '' -f user_$kind
            cp user_$kind encrypted_$kind
            $KEYGEN -q -p -P '' -N "$PASS" -f encrypted_$kind
        done
        $KEYGEN -q -t ed25519 -N '' -f strange_ed25519
        cat user_*.pub > authorized
        """
}

/// OpenSSH's own server, as the user of this process, who logs in with a key. All tests of a process share one.
@discardableResult
package func withOpenSSH<Value>(_ body: (SFTPServer) async throws -> Value) async throws -> Value {
    try await Slots.taking {
        let (child, port) = try await sharedOpenSSH.value()
        let material = try await SSHMaterial.shared()
        return try await withTemporaryFolder { outer in
            let folder = try makeFolder(outer.appendingPathComponent("store"))
            let server = SFTPServer(
                port: port.number,
                user: NSUserName(),
                password: nil,
                path: folder.path,
                folder: folder,
                material: material,
                child: child,
                held: port
            )
            return try await body(server)
        }
    }
}

/// rclone serving a folder by SFTP, to whom a password lets in. It renames over what is there, and cannot append.
@discardableResult
package func withRcloneSFTP<Value>(_ body: (SFTPServer) async throws -> Value) async throws -> Value {
    try await Slots.taking {
        let (child, port, root) = try await sharedRclone.value()
        let material = try await SSHMaterial.shared()
        let outer = try makeFolder(root.appendingPathComponent(UUID().uuidString))
        let folder = try makeFolder(outer.appendingPathComponent("store"))
        let server = SFTPServer(
            port: port.number,
            user: "tests",
            password: password,
            path: "/\(outer.lastPathComponent)/store",
            folder: folder,
            material: material,
            child: child,
            held: port
        )
        return try await body(server)
    }
}

private let password = "tests: pass/word"

private let sharedOpenSSH = Once { () async throws -> (ChildProcess, Port) in
    let port = try Port()
    let folder = try temporaryFolder()
    let material = try await SSHMaterial.shared()
    let configuration = """
        ListenAddress 127.0.0.1:\(port.number)
        HostKey \(material.path("host_ed25519"))
        HostKey \(material.path("host_ecdsa"))
        AuthorizedKeysFile \(material.path("authorized"))
        PidFile none
        UsePAM no
        UseDNS no
        StrictModes no
        PermitRootLogin yes
        MaxStartups 100
        LogLevel ERROR
        Subsystem sftp internal-sftp
        """
    let file = folder.appendingPathComponent("sshd_config")
    try configuration.write(to: file, atomically: false, encoding: .utf8)
    // Only for root it wants that folder, into which it locks what has not logged in.
    let script = "[ $(id -u) -ne 0 ] || mkdir -p /run/sshd; exec \(try Parts.sshd()) -D -e -f \(file.path)"
    let child = try ChildProcess("/bin/sh", ["-c", script])
    return try await orEnding(child) {
        try await waitForListener(child, port)
        return (child, port)
    }
}

private let sharedRclone = Once { () async throws -> (ChildProcess, Port, URL) in
    let port = try Port()
    let root = try temporaryFolder()
    let material = try await SSHMaterial.shared()
    let child = try ChildProcess(
        Parts.rclone(),
        [
            "serve", "sftp", "--addr", "127.0.0.1:\(port.number)", "--user", "tests", "--pass", password, "--config",
            "",
            "--dir-cache-time", "1ms", "--key", material.path("host_ed25519"), "--key", material.path("host_ecdsa"),
            root.path,
        ],
        environment: homeless(root.deletingLastPathComponent())
    )
    return try await orEnding(child) {
        try await waitForListener(child, port)
        return (child, port, root)
    }
}

private func makeFolder(_ folder: URL) throws -> URL {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder
}
