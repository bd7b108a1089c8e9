// SPDX-License-Identifier: Apache-2.0

import Failures
import NIOPosix
import SystemPackage

/// Reads files of settings and credentials.
enum SmallFile {
    static let bytesMax = 1 << 20

    /// - Returns: `nil` when there is no such file.
    /// - Throws: `.configuration` when it cannot be read or is larger than `bytesMax`.
    static func read(_ path: String) async throws -> [UInt8]? {
        try await withCheckedThrowingContinuation { continuation in
            NIOThreadPool.singleton.submit { state in
                switch state {
                case .active: continuation.resume(with: Result { try readBlocking(path) })
                case .cancelled: continuation.resume(throwing: CancellationError())
                }
            }
        }
    }

    /// - Throws: `.configuration` also when it is not there.
    static func need(_ path: String, for purpose: String) async throws -> [UInt8] {
        guard let bytes = try await read(path) else {
            throw Failure(.configuration, "read \(purpose) from \(path): there is no such file")
        }
        return bytes
    }

    private static func readBlocking(_ path: String) throws -> [UInt8]? {
        do {
            let file = try FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec)
            return try file.closeAfter {
                var bytes: [UInt8] = []
                var block = [UInt8](repeating: 0, count: 64 * 1024)
                while bytes.count <= bytesMax {
                    let count = try block.withUnsafeMutableBytes { try file.read(into: $0) }
                    if count == 0 { return bytes }
                    bytes += block[..<count]
                }
                throw Failure(.configuration, "read \(path): it is larger than \(bytesMax) bytes")
            }
        } catch Errno.noSuchFileOrDirectory {
            return nil
        } catch let errno as Errno {
            throw Failure(.configuration, "read \(path): \(errno)")
        }
    }
}
