// SPDX-License-Identifier: Apache-2.0

import Failures
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A file for the textfile collector of the node exporter. It is replaced whole, so what an earlier run said and this
/// one does not say again is carried over: a run that fails must not take the time of the last success with it.
package struct MetricsFile: Sendable {
    private let path: String
    /// A file of this program is far smaller.
    private static let bytesMax = 4 << 20

    package init(path: String) {
        self.path = path
    }

    /// Blocks.
    /// - Throws: `.inputOutput`.
    package func write(_ samples: [MetricSample]) throws {
        var lines = MetricLines(parsing: try read())
        // A version that is gone is said no more.
        lines.remove { name, _ in name == "redoubt_build_info" && !samples.isEmpty }
        lines.merge(samples)
        // The collector reads what ends in .prom, and must never see half of it.
        let temporary = "\(path).\(getpid()).tmp"
        do {
            let file = try FileDescriptor.open(
                FilePath(temporary),
                .writeOnly,
                options: [.create, .truncate, .closeOnExec, .noFollow],
                permissions: [.ownerReadWrite, .groupRead, .otherRead]
            )
            try file.closeAfter {
                _ = fchmod(file.rawValue, 0o644)
                _ = try file.writeAll(Array(lines.text.utf8))
            }
            guard rename(temporary, path) == 0 else { throw Errno(rawValue: errno) }
        } catch let error as Errno {
            unlink(temporary)
            throw Failure(.inputOutput, "write metrics to \(path): \(error)")
        }
    }

    /// The one subject that the file tells of for a command; `nil` when there are several, or none.
    package func onlyName(in command: String) -> String? {
        guard let text = try? read() else { return nil }
        let names = MetricLines(parsing: text).values(ofLabel: "name", inFamiliesOf: "redoubt_\(command)_")
        return names.count == 1 ? names.first : nil
    }

    private func read() throws -> String {
        do {
            let file = try FileDescriptor.open(FilePath(path), .readOnly, options: [.closeOnExec, .nonBlocking])
            return try file.closeAfter {
                var bytes = [UInt8](repeating: 0, count: Self.bytesMax)
                var count = 0
                while count < bytes.count {
                    let more = try bytes.withUnsafeMutableBytes { buffer in
                        try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]))
                    }
                    if more == 0 { break }
                    count += more
                }
                return String(decoding: bytes.prefix(count), as: UTF8.self)
            }
        } catch Errno.noSuchFileOrDirectory {
            return ""
        } catch let error as Errno {
            throw Failure(.inputOutput, "read the metrics in \(path), which are carried over: \(error)")
        }
    }
}
