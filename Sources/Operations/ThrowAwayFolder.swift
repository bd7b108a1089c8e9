// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import FoundationEssentials
import Logging
import NIOPosix
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The folder of a throw-away server: its data, its socket, its log. Nobody but its owner can look into it.
///
/// It is removed however the scope ends. Its lock, which the kernel takes back from a process that is killed, tells the
/// next run that nobody is behind it any more.
struct ThrowAwayFolder: Sendable {
    static let namePrefix = "redoubt-drill-"

    let path: String

    var dataPath: String { "\(path)/data" }
    /// One letter: the path of a socket has at most 107 bytes.
    var socketPath: String { "\(path)/s" }
    var configurationPath: String { "\(path)/server.conf" }
    var logPath: String { "\(path)/server.log" }
    var processPath: String { "\(path)/server.pid" }
    fileprivate var lockPath: String { "\(path)/lock" }

    fileprivate init(path: String) { self.path = path }
}

/// Makes a folder for as long as `body` lasts.
/// - Parameter workDirectory: where it is made.
/// - Throws: `.configuration` where that cannot be written to, or its path is too long for a socket; what `body`
///   throws.
func withThrowAwayFolder<Result: Sendable>(
    in workDirectory: String,
    logger: Logger,
    _ body: (ThrowAwayFolder) async throws -> Result
) async throws -> Result {
    let digits = String(UInt32.random(in: .min ... .max), radix: 16)
    let folder = ThrowAwayFolder(path: "\(workDirectory)/\(ThrowAwayFolder.namePrefix)\(digits)")
    let lock = try await aside { try folder.make() }
    func remove() async {
        await withCancellationShield { await folder.remove(logger) }
        try? lock.close()
    }
    do {
        let result = try await body(folder)
        await remove()
        return result
    } catch {
        await remove()
        throw error
    }
}

extension ThrowAwayFolder {
    /// sun_path of sockaddr_un holds 108 bytes, the last of which is zero (man 7 unix).
    private static let socketPathBytesMax = 107

    /// - Returns: the lock, which is held until it is closed.
    fileprivate func make() throws -> FileDescriptor {
        guard socketPath.utf8.count <= Self.socketPathBytesMax else {
            throw Failure(
                .configuration,
                "make the folder of the throw-away server, \(path): its path is too long for a socket in it",
                hint: "Give a --work-dir with a shorter path."
            )
        }
        do {
            try call { mkdir(path, 0o700) }
            let lock = try FileDescriptor.open(
                FilePath(lockPath),
                .readWrite,
                options: [.create, .exclusiveCreate, .closeOnExec],
                permissions: [.ownerReadWrite]
            )
            try call { flock(lock.rawValue, LOCK_EX | LOCK_NB) }
            try call { mkdir(dataPath, 0o700) }
            return lock
        } catch let error as Errno {
            throw Failure(
                error == .noSpace ? .noSpace : .configuration,
                "make the folder of the throw-away server, \(path): \(error)",
                hint: "Give a folder that can be written to with --work-dir."
            )
        }
    }

    fileprivate func remove(_ logger: Logger) async {
        do {
            try await aside { try FileManager.default.removeItem(atPath: path) }
        } catch {
            logger.warning("could not remove \(path), which the throw-away server had: \(error)")
            CleanUpTrouble.note()
        }
    }

    /// Writes a small file.
    func write(_ text: String, to path: String) async throws {
        try await aside {
            do {
                let file = try FileDescriptor.open(
                    FilePath(path),
                    .writeOnly,
                    options: [.create, .truncate, .closeOnExec],
                    permissions: [.ownerReadWrite]
                )
                _ = try file.closeAfter { try file.writeAll(text.utf8) }
            } catch let error as Errno {
                throw Failure(error == .noSpace ? .noSpace : .inputOutput, "write \(path): \(error)")
            }
        }
    }
}

// MARK: - What killed runs left

extension ThrowAwayFolder {
    /// A folder without a lock is one that is being made, unless it is old.
    private static let makingSecondsMax = 600

    /// Removes the folders of drills that were killed, and ends servers that outlived them.
    ///
    /// Only folders of this user whose lock nobody holds. It does its best and never fails a drill.
    static func sweep(_ workDirectory: String, logger: Logger) async {
        let names = (try? await aside { try FileManager.default.contentsOfDirectory(atPath: workDirectory) }) ?? []
        for name in names.sorted() where name.hasPrefix(namePrefix) {
            let folder = ThrowAwayFolder(path: "\(workDirectory)/\(name)")
            guard let lock = try? await aside({ folder.abandoned() }) else { continue }
            await folder.endServer(logger)
            await folder.remove(logger)
            try? lock.close()
            logger.notice("removed \(folder.path), which a drill that was killed left behind")
        }
    }

    /// The lock of a folder that nobody is behind, or `nil`.
    private func abandoned() -> FileDescriptor? {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid() else {
            return nil
        }
        let isOld = time(nil) - status.st_mtim.tv_sec > Self.makingSecondsMax
        var options: FileDescriptor.OpenOptions = [.closeOnExec, .noFollow]
        if isOld { options.insert(.create) }
        guard
            let lock = try? FileDescriptor.open(
                FilePath(lockPath),
                .readWrite,
                options: options,
                permissions: [.ownerReadWrite]
            )
        else { return nil }
        if flock(lock.rawValue, LOCK_EX | LOCK_NB) == 0 { return lock }
        try? lock.close()
        return nil
    }

    /// A process of that number that works in the data folder is the server, and no other that got its number.
    private func endServer(_ logger: Logger) async {
        guard let text = try? String(contentsOfFile: processPath, encoding: .utf8),
            let pid = pid_t(text.filter { !$0.isWhitespace }), pid > 1,
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/cwd")) == resolvedDataPath
        else { return }
        logger.notice("ending the server \(pid), which outlived the drill that started it")
        kill(pid, SIGKILL)
        for _ in 0..<50 where !hasEnded(pid) { try? await Task.sleep(for: .milliseconds(20)) }
    }

    private var resolvedDataPath: String? {
        guard let resolved = realpath(dataPath, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}

/// Bytes that are free in a folder for this user.
func freeBytes(in path: String) async throws -> Int64 {
    try await aside {
        var space = statvfs()
        guard statvfs(path, &space) == 0 else {
            throw Failure(
                .configuration,
                "look for room in \(path): \(Errno(rawValue: errno))",
                hint: "Give a folder that is there with --work-dir."
            )
        }
        return Int64(clamping: UInt64(space.f_bavail) * UInt64(space.f_frsize))
    }
}

private func call(_ body: () -> Int32) throws {
    guard body() == 0 else { throw Errno(rawValue: errno) }
}

/// A blocking call, away from the threads of Swift's concurrency.
private func aside<Value: Sendable>(_ call: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await NIOThreadPool.singleton.runIfActive(call)
}
