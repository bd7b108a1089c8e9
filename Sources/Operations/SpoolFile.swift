// SPDX-License-Identifier: Apache-2.0

import Failures
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A file without a name, of places of one size. It is gone with the process, however that ends.
///
/// All calls block: they belong on the threads that are made for it.
package struct SpoolFile: Sendable {
    /// What a test can make fail.
    package enum Call: Sendable {
        case read
        case write
    }

    let folder: String
    private let descriptor: FileDescriptor
    private let fault: (@Sendable (Call) -> Errno?)?

    /// Only this process, and root.
    private static let mode: mode_t = 0o600
    /// `O_TMPFILE` of Linux (asm-generic/fcntl.h; the same on amd64 and arm64), which Swift's import leaves out.
    private static let unnamed = O_DIRECTORY | 0o20_000_000

    /// - Throws: `.configuration` when the folder is none, or cannot be written to.
    package init(in folder: String, fault: (@Sendable (Call) -> Errno?)? = nil) throws {
        self.folder = folder
        self.fault = fault
        do {
            descriptor = try Self.open(in: folder)
        } catch let errno as Errno {
            throw Failure(
                errno == .permissionDenied || errno == .readOnlyFileSystem ? .permissionDenied : .configuration,
                "make a spool in \(folder): \(errno)",
                hint: "Give --spool a folder that exists, and that redoubt may write to."
            )
        }
    }

    private static func open(in folder: String) throws -> FileDescriptor {
        do {
            return try descriptor(Glibc.open(folder, O_RDWR | O_CLOEXEC | unnamed, mode))
        } catch let errno as Errno where [.notSupported, .isDirectory, .noSuchFileOrDirectory].contains(errno) {
            // A file system that has no such files (or a folder that is not there, which the next call says again).
            let name = "\(folder)/.redoubt-spool-" + String(UInt64.random(in: .min ... .max), radix: 16)
            let file = try descriptor(Glibc.open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode))
            guard unlink(name) == 0 else {
                let errno = Errno(rawValue: Glibc.errno)
                try? file.close()
                throw errno
            }
            return file
        }
    }

    private static func descriptor(_ result: Int32) throws -> FileDescriptor {
        guard result >= 0 else { throw Errno(rawValue: errno) }
        return FileDescriptor(rawValue: result)
    }

    func write(_ bytes: [UInt8], atPlace place: Int, ofBytes placeBytes: Int) throws {
        if let errno = fault?(.write) { throw errno }
        let offset = Int64(place) * Int64(placeBytes)
        _ = try bytes.withUnsafeBytes { try descriptor.writeAll(toAbsoluteOffset: offset, $0) }
    }

    /// - Returns: fewer bytes where the file ends before.
    func read(_ count: Int, atPlace place: Int, ofBytes placeBytes: Int) throws -> [UInt8] {
        if let errno = fault?(.read) { throw errno }
        let offset = Int64(place) * Int64(placeBytes)
        return try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let rest = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[filled...])
                let read = try descriptor.read(fromAbsoluteOffset: offset + Int64(filled), into: rest)
                if read == 0 { break }
                filled += read
            }
        }
    }

    func close() {
        try? descriptor.close()
    }
}
