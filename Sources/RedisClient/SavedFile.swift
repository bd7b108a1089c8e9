// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Glibc
import NIOPosix
import RDB
import Synchronization
import SystemPackage

/// The RDB file that a server saved, held open: a save replaces the file under its name, and never changes the file
/// itself, so one descriptor sees one snapshot to its end.
final class SavedFile: Sendable {
    /// How much of its beginning holds all AUX fields.
    private static let headBytes = 64 * 1024

    let path: String
    let bytes: Int64
    private let descriptor: Int32
    private let position = Mutex<Int64>(0)

    private init(path: String, bytes: Int64, descriptor: Int32) {
        self.path = path
        self.bytes = bytes
        self.descriptor = descriptor
    }

    /// Opens a file. Whoever calls this also calls `close`.
    static func open(_ path: String) async throws -> SavedFile {
        try await NIOThreadPool.singleton.runIfActive {
            // O_NONBLOCK: a pipe of that name must not make us wait.
            let descriptor = Glibc.open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
            guard descriptor >= 0 else { throw Failure(Errno(rawValue: errno), reading: path) }
            var status = stat()
            guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
                _ = Glibc.close(descriptor)
                throw Failure(.inputOutput, "\(path) is not a file")
            }
            return SavedFile(path: path, bytes: Int64(status.st_size), descriptor: descriptor)
        }
    }

    /// Not on another thread, which a cancelled task would not get: the file was only read, so nothing is left to
    /// write.
    func close() {
        _ = Glibc.close(descriptor)
    }

    /// The whole file, once.
    /// - Throws: `.truncated` when somebody shortened the file meanwhile, `.inputOutput`.
    func stream() -> ByteStream {
        ByteStream { try await self.nextChunk() }
    }

    private func nextChunk() async throws -> [UInt8]? {
        let start = position.withLock { $0 }
        guard start < bytes else { return nil }
        let chunk = try await read(at: start, atMost: ByteStream.chunkSizeBytes)
        guard !chunk.isEmpty else {
            throw Failure(.truncated, "\(path) ended after \(start) of \(bytes) bytes")
        }
        position.withLock { $0 = start + Int64(chunk.count) }
        return chunk
    }

    private func read(at offset: Int64, atMost bytesMax: Int) async throws -> [UInt8] {
        let count = Int(min(Int64(bytesMax), bytes - offset))
        return try await NIOThreadPool.singleton.runIfActive { [descriptor, path] in
            var error: Errno?
            let chunk = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                while true {
                    let result = pread(descriptor, buffer.baseAddress, count, off_t(offset))
                    if result < 0, errno == EINTR { continue }
                    if result < 0 { error = Errno(rawValue: errno) }
                    filled = max(0, result)
                    return
                }
            }
            if let error { throw Failure(error, reading: path) }
            return chunk
        }
    }

    /// What stands at the beginning of the RDB: its version and the AUX fields.
    /// - Throws: `.corruptSnapshot`.
    func head() async throws -> RDBSummary {
        var scanner = RDBScanner()
        let head = try await read(at: 0, atMost: Self.headBytes)
        do {
            try scanner.consume(head)
        } catch {
            throw Failure(.corruptSnapshot, "\(path) is not an RDB", cause: error)
        }
        return scanner.summarySoFar
    }
}
