// SPDX-License-Identifier: Apache-2.0

import CCurl
import Failures
import Glibc

extension EasyHandle {
    private static let receiveBufferBytes = 256 * 1024
    private static let uploadBufferBytes = 1024 * 1024
    private static let idleSecondsMax = 60
    private static let keepAliveIdleSeconds = 30
    private static let keepAliveIntervalSeconds = 15
    private static let fileMode = 0o640
    private static let folderMode = 0o750

    /// What all transfers to a server have in common.
    func configure(_ configuration: SFTPClientConfiguration) throws {
        try set(CURLOPT_NOSIGNAL, true)
        try set(CURLOPT_QUICK_EXIT, true)
        try set(CURLOPT_PROTOCOLS_STR, "sftp")
        // There is no limit, but without one libcurl would not sleep while it waits for the end of a transfer.
        try set(CURLOPT_TIMEOUT_MS, Int(Int32.max))
        try set(CURLOPT_BUFFERSIZE, Self.receiveBufferBytes)
        try set(CURLOPT_UPLOAD_BUFFERSIZE, Self.uploadBufferBytes)
        try set(CURLOPT_MAXAGE_CONN, Self.idleSecondsMax)
        try set(CURLOPT_TCP_KEEPALIVE, true)
        try set(CURLOPT_TCP_KEEPIDLE, Self.keepAliveIdleSeconds)
        try set(CURLOPT_TCP_KEEPINTVL, Self.keepAliveIntervalSeconds)
        try set(CURLOPT_NEW_FILE_PERMS, Self.fileMode)
        try set(CURLOPT_NEW_DIRECTORY_PERMS, Self.folderMode)
        try set(CURLOPT_FTP_CREATE_MISSING_DIRS, Int(CURLFTP_CREATE_DIR.rawValue))
        try set(CURLOPT_USERNAME, configuration.user)
        var methods = 0
        if let file = configuration.keyFile {
            methods |= Int(CURLSSH_AUTH_PUBLICKEY)
            try set(CURLOPT_SSH_PRIVATE_KEYFILE, file)
            if let passphrase = configuration.keyPassphrase { try set(CURLOPT_KEYPASSWD, passphrase) }
        }
        if let password = configuration.password {
            methods |= Int(CURLSSH_AUTH_PASSWORD) | Int(CURLSSH_AUTH_KEYBOARD)
            try set(CURLOPT_PASSWORD, password)
        }
        if configuration.usesAgent { methods |= Int(CURLSSH_AUTH_AGENT) }
        try set(CURLOPT_SSH_AUTH_TYPES, methods)
    }

    /// - Parameter file: what `HostKeysFile` made of them.
    func configure(_ hostKeys: SFTPHostKeys, file: String?) throws {
        if let file { try set(CURLOPT_SSH_KNOWNHOSTS, file) }
        if case .pinned(let sha256, _) = hostKeys { try set(CURLOPT_SSH_HOST_PUBLIC_KEY_SHA256, sha256) }
    }

    /// The one request.
    func configure(_ request: SFTPRequest, of configuration: SFTPClientConfiguration) throws {
        let host = configuration.host.contains(":") ? "[\(configuration.host)]" : configuration.host
        let server = "sftp://\(host):\(configuration.port)"
        var path = PercentEncoding.path(request.path)
        try set(CURLOPT_CONNECTTIMEOUT, request.deadlines.connectSeconds)
        if request.isOnNewConnection { try set(CURLOPT_FRESH_CONNECT, true) }
        switch request.purpose {
        case .look:
            try set(CURLOPT_NOBODY, true)
            try set(CURLOPT_FILETIME, true)
        case .read(let offset, let bytesMax):
            try set(CURLOPT_FILETIME, true)
            if let bytesMax { try set(CURLOPT_RANGE, "\(offset)-\(offset + Int64(bytesMax) - 1)") }
            if bytesMax == nil, offset > 0 { try set(CURLOPT_RESUME_FROM_LARGE, offset: Int(offset)) }
        case .list:
            path += "/"
        case .write(_, let offset):
            try set(CURLOPT_UPLOAD, true)
            if offset > 0 { try set(CURLOPT_RESUME_FROM_LARGE, offset: Int(offset)) }
        case .commands(let commands):
            // Of a folder nothing is asked when there is no body to be had.
            path = "/"
            try set(CURLOPT_NOBODY, true)
            try set(CURLOPT_QUOTE, list: commands.map(\.line))
        }
        try set(CURLOPT_URL, server + path)
    }
}

/// A file of known hosts that holds what one connection must know, in memory: libssh2 reads the first kind of key that
/// it finds there and asks the server for no other, so that a file of a user may not do.
final class HostKeysFile {
    private let descriptor: Int32

    /// - Returns: `nil` when no file is needed.
    init?(_ hostKeys: SFTPHostKeys, of configuration: SFTPClientConfiguration) throws {
        let lines: [String]
        switch hostKeys {
        case .known(let known): lines = known
        case .pinned(_, let kind?):
            // Any key of that kind: what counts is the digest.
            guard let key = Self.anyKeys[kind] else { return nil }
            let name = configuration.port == 22 ? configuration.host : "[\(configuration.host)]:\(configuration.port)"
            lines = ["\(name) \(kind) \(key)"]
        case .pinned(_, nil), .anyone: return nil
        }
        descriptor = redoubt_memory_file("known-hosts")
        guard descriptor >= 0 else {
            throw Failure(.unclassified, "keep host keys in memory: \(String(cString: strerror(errno)))")
        }
        var bytes = Array(lines.joined(separator: "\n").utf8)[...]
        bytes.append(UInt8(ascii: "\n"))
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else {
                throw Failure(.unclassified, "keep host keys in memory: \(String(cString: strerror(errno)))")
            }
            bytes = bytes.dropFirst(count)
        }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    var path: String { "/proc/self/fd/\(descriptor)" }

    /// Keys of nobody.
    private static let anyKeys = [
        "ssh-ed25519": "AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "ssh-rsa": "AAAAB3NzaC1yc2EAAAADAQABAAAAAQA=",
    ]
}
