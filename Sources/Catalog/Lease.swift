// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import ObjectStorage

/// Who works on a subject: the content of the object `.locks/<name>.json`.
package struct Lease: Sendable, Hashable, Codable {
    /// The run that holds it: random, new for each run.
    package var holder: String
    /// For people: what the holder does.
    package var purpose: String
    /// For people, and to find out on the same machine whether the holder still lives.
    package var process: ProcessIdentity
    package var acquiredAt: Timestamp
    /// Counts the renewals, so that each makes another version of the object.
    package var renewals: Int
    /// Whether several runs with this holder work together, under one lease.
    package var isShared: Bool { holder.hasPrefix(Self.sharedPrefix) }
    private static let sharedPrefix = "job:"

    package init(holder: String, purpose: String, process: ProcessIdentity, acquiredAt: Timestamp) {
        self.holder = holder
        self.purpose = purpose
        self.process = process
        self.acquiredAt = acquiredAt
        self.renewals = 0
    }

    /// The lease that all pods of a Job hold together.
    ///
    /// Nobody can tell by one process whether the others live: the identity of its machine is left out.
    package static func shared(byJob job: String, purpose: String) -> Lease {
        var process = ProcessIdentity.current()
        process.boot = ""
        return Lease(holder: sharedPrefix + job, purpose: purpose, process: process, acquiredAt: .now())
    }

    /// Who holds it, for people.
    package var summary: String {
        // In a Lease of Kubernetes stands the pod, and no process.
        let process = self.process.pid > 0 ? "process \(self.process.pid) on " : ""
        return "\(purpose) by \(process)\(self.process.host) since \(acquiredAt)"
    }

    /// The largest lease that is read, in bytes.
    package static let sizeBytesMax = 16 << 10

    /// The key of a subject's lease.
    package static func key(of name: String) throws -> ObjectKey {
        try ObjectKey([folderName, name + suffix])
    }

    static let folderName = ".locks"
    static let suffix = ".json"

    func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return Array(try encoder.encode(self))
    }

    /// `nil` when the bytes are no lease.
    init?(decoding bytes: [UInt8]) {
        guard let lease = try? JSONDecoder().decode(Lease.self, from: Data(bytes)) else { return nil }
        self = lease
    }
}

/// One process of one machine since its last start.
package struct ProcessIdentity: Sendable, Hashable, Codable {
    package var host: String
    /// `/proc/sys/kernel/random/boot_id`, where there is one.
    package var boot: String
    package var pid: Int32
    /// Field 22 of `/proc/<pid>/stat`: tells a later process of the same number apart.
    package var started: String

    package init(host: String, boot: String, pid: Int32, started: String) {
        self.host = host
        self.boot = boot
        self.pid = pid
        self.started = started
    }
}
