// SPDX-License-Identifier: Apache-2.0

import Failures
import SystemPackage

/// Reads files of settings. Blocks.
enum SmallFile {
    /// - Returns: `nil` when there is no such file.
    /// - Throws: `.configuration` when it cannot be read or is larger than `bytesMax`.
    static func read(_ path: String, bytesMax: Int) throws -> [UInt8]? {
        do {
            let file = try FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec)
            return try file.closeAfter {
                var bytes = [UInt8](repeating: 0, count: bytesMax + 1)
                var count = 0
                while count < bytes.count {
                    let more = try bytes.withUnsafeMutableBytes { buffer in
                        try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]))
                    }
                    if more == 0 { return Array(bytes.prefix(count)) }
                    count += more
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
