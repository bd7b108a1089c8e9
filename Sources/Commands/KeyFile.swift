// SPDX-License-Identifier: Apache-2.0

import Age
import Failures
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A file with keys or a passphrase in it.
struct KeyFile {
    let path: String

    init(_ path: String) {
        self.path = path
    }

    /// All of it.
    /// - Parameter content: what it holds, for messages.
    /// - Throws: `.configuration` when it cannot be read, or is too large to be one.
    func bytes(_ content: String) throws -> [UInt8] {
        let bytesMax = AgeKeyFile.bytesMax
        do {
            let file = try FileDescriptor.open(FilePath(path), .readOnly, options: [.closeOnExec])
            return try file.closeAfter {
                var bytes: [UInt8] = []
                while bytes.count <= bytesMax {
                    let piece = try [UInt8](unsafeUninitializedCapacity: 65536) { room, count in
                        count = try file.read(into: UnsafeMutableRawBufferPointer(room))
                    }
                    guard !piece.isEmpty else { return bytes }
                    bytes += piece
                }
                throw Failure(.configuration, "read the \(content) in \(path): it is larger than \(bytesMax) bytes")
            }
        } catch let errno as Errno {
            throw Failure(.configuration, "read the \(content) in \(path): \(errno)")
        }
    }

    /// A secret that everybody on the machine can read is none. What Kubernetes mounts of a Secret is seen in this
    /// container only, and can be recognized: it is a link into `..data`.
    func warnIfReadableByAll(_ session: Session) {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_mode & S_IROTH != 0,
            !isMountedSecret
        else { return }
        session.logger.warning("everybody on this machine can read \(path): chmod 600 \(path)")
    }

    private var isMountedSecret: Bool {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(path, &target, target.count)
        return count > 0
            && String(decoding: target.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
                .hasPrefix("..data/")
    }
}
