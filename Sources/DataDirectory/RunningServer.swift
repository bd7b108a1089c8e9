// SPDX-License-Identifier: Apache-2.0

/// A sign that a server runs in a data directory at this moment.
///
/// A server in another container cannot be seen in general. These are the signs that there are; without one, a server
/// may run all the same.
package enum RunningServer: Sendable, Hashable, CustomStringConvertible {
    /// A process of that name works in the folder. It is seen on a plain host, and where containers share their
    /// processes.
    case process(pid: Int, name: String)
    /// The file is locked, as Redis does in cluster mode. It is seen from any container on the same node.
    case lockedClusterFile(String)
    /// A save wrote to this file a moment ago.
    case savingTo(String)

    package var description: String {
        switch self {
        case .process(let pid, let name): "\(name) (process \(pid)) runs in it"
        case .lockedClusterFile(let name): "a server holds the lock of \(name)"
        case .savingTo(let name): "a server is saving to \(name), or was until a moment ago"
        }
    }
}

extension RunningServer {
    /// The names of servers; the kernel keeps 15 bytes of a process name.
    private static let serverNames = ["redis-server", "valkey-server", "keydb-server"]

    /// The server that has this folder as its working directory, which is what `dir` makes of it.
    static func process(workingIn folder: FileStatus) -> RunningServer? {
        // Without /proc, or without the right to look at a process, there is nothing to be seen.
        guard let processes = try? Folder.open("/proc", calls: FolderCalls()), let names = try? processes.names() else {
            return nil
        }
        for name in names {
            guard let pid = Int(name),
                let work = try? processes.status(of: "\(name)/cwd", followingLinks: true),
                work.inode == folder.inode, work.device == folder.device,
                let bytes = try? processes.contents(of: "\(name)/comm", bytesMax: 256)
            else { continue }
            let command = String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self)
            if serverNames.contains(command) { return .process(pid: pid, name: command) }
        }
        return nil
    }
}
