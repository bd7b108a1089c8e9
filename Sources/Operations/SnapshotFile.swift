// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import NIOPosix
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Reads a file from its start to its end, as a stream.
/// - Parameter body: gets the size in bytes, where the file has one, and the bytes.
/// - Throws: `.inputOutput` when the file cannot be opened or read, and what `body` throws.
func withSnapshotFile<Result: Sendable>(
    _ path: String,
    _ body: (Int64?, ByteStream) async throws -> Result
) async throws -> Result {
    let opened = try await offPool {
        try failing("open \(path)") {
            let file = try FileDescriptor.open(FilePath(path), .readOnly, options: [.closeOnExec])
            var status = stat()
            let isRegular = fstat(file.rawValue, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
            return (file: file, sizeBytes: isRegular ? Int64(status.st_size) : nil)
        }
    }
    let chunks = ByteStream {
        let chunk = try await offPool {
            try failing("read \(path)") {
                try [UInt8](unsafeUninitializedCapacity: readSizeBytes) { buffer, count in
                    count = try opened.file.read(into: UnsafeMutableRawBufferPointer(buffer))
                }
            }
        }
        return chunk.isEmpty ? nil : chunk
    }
    do {
        let result = try await body(opened.sizeBytes, chunks)
        try? opened.file.close()
        return result
    } catch {
        try? opened.file.close()
        throw error
    }
}

private let readSizeBytes = 1 << 20

/// A blocking call, away from the threads of Swift's concurrency.
func offPool<Value: Sendable>(_ call: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await NIOThreadPool.singleton.runIfActive(call)
}

private func failing<Value>(_ attempt: String, _ call: () throws -> Value) throws -> Value {
    do {
        return try call()
    } catch let errno as Errno {
        throw Failure(.inputOutput, "\(attempt): \(errno)")
    }
}
