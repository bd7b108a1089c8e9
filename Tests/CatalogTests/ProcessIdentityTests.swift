// SPDX-License-Identifier: Apache-2.0

import Catalog
import Foundation
import TestParts
import Testing

/// Whether the holder of a lease still lives, by what the kernel tells of it.
@Suite struct ProcessIdentityTests {
    private func identity(pid: Int32, started: String) -> ProcessIdentity {
        let current = ProcessIdentity.current()
        return ProcessIdentity(host: current.host, boot: current.boot, pid: pid, started: started)
    }

    @Test func whoRunsIsAlive() {
        let current = ProcessIdentity.current()
        #expect(current.isAliveOnThisMachine() == true)
        #expect(identity(pid: current.pid, started: "1").isAliveOnThisMachine() == false, "its number was given again")
        #expect(identity(pid: Int32.max, started: current.started).isAliveOnThisMachine() == false)
        #expect(identity(pid: 0, started: current.started).isAliveOnThisMachine() == nil)
        #expect(identity(pid: -1, started: current.started).isAliveOnThisMachine() == nil)
    }

    /// Where nobody reaps them, as in a container whose first process does not, the dead keep their numbers.
    @Test func whoWaitsForItsParentIsDead() async throws {
        // The shell starts a child, becomes another program, and so never asks what became of it.
        let script = "sleep 0 & echo $!; exec sleep 60"
        try await withProcess("/bin/sh", ["-c", script]) { process in
            let pid = try await eventually("the number of the child") {
                process.output.text.hasSuffix("\n") ? Int32(process.output.text.dropLast()) : nil
            }
            let fields = try await eventually("the child to end") { () -> [Substring]? in
                let stat = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
                let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
                return fields.first == "Z" ? fields : nil
            }
            #expect(identity(pid: pid, started: String(fields[19])).isAliveOnThisMachine() == false)
        }
    }
}
