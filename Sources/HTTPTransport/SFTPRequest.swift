// SPDX-License-Identifier: Apache-2.0

/// One request over SFTP.
struct SFTPRequest: Sendable {
    enum Purpose: Sendable {
        /// Size and time of a file.
        case look
        /// The bytes of a file from an offset on; only the first `bytesMax` of them, when that is said.
        case read(from: Int64, bytesMax: Int?)
        /// The lines of a listing.
        case list
        /// The bytes of an outbox, to a new file, or to the end of one that holds `offset` bytes.
        case write(SFTPOutbox, offset: Int64)
        case commands([SFTPCommand])
    }

    /// Absolute, or below `/~` for the home of the user.
    let path: String
    let purpose: Purpose
    var deadlines = HTTPDeadlines()
    /// Over a connection of its own: what an old one says after it broke may be about an earlier request.
    var isOnNewConnection = false
    /// Which of the `hostKeys` of the configuration is asked for.
    var hostKeys = 0

    var shown: String {
        switch purpose {
        case .look: "look at \(path)"
        case .read: "read \(path)"
        case .list: "list \(path)"
        case .write: "write \(path)"
        case .commands(let commands): commands.map(\.shown).joined(separator: ", ")
        }
    }
}

/// What is not a transfer.
package enum SFTPCommand: Sendable, Hashable {
    /// Protocol version 3 says that it fails when the new name is taken; not every server keeps to that.
    case rename(String, to: String)
    case remove(String)
    /// Goes on when the folder is not empty or not there.
    case removeFolderIfEmpty(String)
    /// Asks how much room there is.
    case statFileSystem(String)

    var shown: String {
        switch self {
        case .rename(let path, let other): "rename \(path) to \(other)"
        case .remove(let path): "remove \(path)"
        case .removeFolderIfEmpty(let path): "remove the folder \(path)"
        case .statFileSystem(let path): "ask for the room at \(path)"
        }
    }

    /// As libcurl wants it.
    var line: String {
        switch self {
        case .rename(let path, let other): "rename \(Self.word(path)) \(Self.word(other))"
        case .remove(let path): "rm \(Self.word(path))"
        case .removeFolderIfEmpty(let path): "*rmdir \(Self.word(path))"
        case .statFileSystem(let path): "statvfs \(Self.word(path))"
        }
    }

    /// In quotes where it must be; there libcurl does not know the home of the user.
    private static func word(_ path: String) -> String {
        guard path.contains(where: { $0.isWhitespace || "\"'\\".contains($0) }) else { return path }
        let escaped = path.map { "\"'\\".contains($0) ? "\\\($0)" : "\($0)" }
        return "\"" + escaped.joined() + "\""
    }
}

/// What a server says about a file before its bytes.
package struct SFTPStatus: Sendable, Hashable {
    /// How many bytes come; those of the whole file, unless only some were asked for. `nil` for an empty file, and
    /// when the server did not say: libcurl makes no difference, nor does it mind when the connection breaks right
    /// there.
    package let bytes: Int64?
    /// Seconds since 1970 by the clock of the server; `nil` when it does not say.
    package let modifiedAtSeconds: Int64?
}
