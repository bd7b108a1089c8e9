// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

extension ProcessIdentity {
    /// This process.
    package static func current() -> ProcessIdentity {
        let pid = getpid()
        return ProcessIdentity(
            host: text(of: "/proc/sys/kernel/hostname") ?? "unknown",
            boot: bootAndNamespace(),
            pid: pid,
            started: startTime(of: pid) ?? "unknown"
        )
    }

    /// Whether the process still runs, or `nil` when it belongs to another machine, container or start of the machine.
    package func isAliveOnThisMachine() -> Bool? {
        let current = Self.current()
        guard host == current.host, boot == current.boot, !boot.isEmpty, host != "unknown" else { return nil }
        return Self.startTime(of: pid) == started
    }

    /// The containers of one pod share host name and boot, but not their process numbers: the namespace tells them
    /// apart.
    private static func bootAndNamespace() -> String {
        guard let boot = text(of: "/proc/sys/kernel/random/boot_id"),
            let namespace = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")
        else { return "" }
        return "\(boot) \(namespace)"
    }

    /// Field 22 of `/proc/<pid>/stat` (see `man 5 proc`); the name in field 2 may hold spaces and parentheses.
    private static func startTime(of pid: Int32) -> String? {
        guard let stat = text(of: "/proc/\(pid)/stat"), let end = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        return fields.count > 19 ? String(fields[19]) : nil
    }

    /// Files of `/proc` are read in one go: they have no size.
    private static func text(of path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        let bytes = [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
            count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
        }
        guard !bytes.isEmpty else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }
}
