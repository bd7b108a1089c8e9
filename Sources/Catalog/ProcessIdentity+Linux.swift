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
            started: state(of: pid)?.started ?? "unknown"
        )
    }

    /// Whether the process still runs, or `nil` when it belongs to another machine, container or start of the machine,
    /// or to a user whose processes are hidden from ours (`hidepid`, proc(5)).
    package func isAliveOnThisMachine() -> Bool? {
        let current = Self.current()
        guard host == current.host, boot == current.boot, !boot.isEmpty, host != "unknown" else { return nil }
        guard pid > 0 else { return nil }
        if kill(pid, 0) != 0, errno == ESRCH { return false }
        guard let state = Self.state(of: pid) else { return nil }
        return !state.hasEnded && state.started == started
    }

    /// The containers of one pod share host name and boot, but not their process numbers: the namespace tells them
    /// apart.
    private static func bootAndNamespace() -> String {
        guard let boot = text(of: "/proc/sys/kernel/random/boot_id"),
            let namespace = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")
        else { return "" }
        return "\(boot) \(namespace)"
    }

    /// Fields 3 and 22 of `/proc/<pid>/stat` (proc(5)); the name in field 2 may hold spaces and parentheses. What has
    /// ended and waits for its parent (`Z`, `X`) still has a number.
    private static func state(of pid: Int32) -> (hasEnded: Bool, started: String)? {
        guard let stat = text(of: "/proc/\(pid)/stat"), let end = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        return fields.count > 19 ? (["Z", "X"].contains(fields[0]), String(fields[19])) : nil
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
