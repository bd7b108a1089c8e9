// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

@Suite struct ChildProcessTests {
    @Test func childGetsInputAndGivesOutputAndStatus() async throws {
        let process = try ChildProcess(
            "/bin/sh",
            ["-c", "cat; echo oops >&2; exit 7"],
            input: .open,
            streams: .separate
        )
        try await process.write(Array("hello".utf8))
        process.closeInput()
        #expect(try await process.waitUntilExit().status == .exited(7))
        #expect(process.output.text == "hello")
        #expect(process.errors.text == "oops\n")
        await process.end()
    }

    @Test func childInheritsNoDescriptor() async throws {
        try await withProcess("/bin/cat", input: .open) { _ in
            let listed = try await run("/bin/ls", ["/proc/self/fd"])
            // 0, 1, 2, and the folder that `ls` reads.
            #expect(String(decoding: listed, as: UTF8.self) == "0\n1\n2\n3\n")
        }
    }

    @Test func deafChildAndItsChildrenAreEnded() async throws {
        let script = "trap '' TERM; sleep 1000 & echo $!; while :; do sleep 0.1; done"
        let pids = try await withProcess("/bin/sh", ["-c", script], graceSeconds: 0.2) { process in
            let text = try await eventually("its line") { process.output.text.isEmpty ? nil : process.output.text }
            try await eventually("its child to start") { process.survivors().contains("sleep 1000") ? true : nil }
            process.kill(SIGSTOP)
            return [process.pid, try #require(pid_t(text.prefix { $0.isNumber }))]
        }
        for pid in pids { try await eventually("\(pid) to be gone") { isRunning(pid) ? nil : true } }
    }

    /// A shell plays the test process: it tells the watchdog of its child, and is killed with -9.
    @Test func watchdogEndsWhatAKilledTestProcessLeft() async throws {
        try await withTemporaryFolder { folder in
            let left = folder.appendingPathComponent("left behind")
            try FileManager.default.createDirectory(at: left, withIntermediateDirectories: false)
            let kept = try ChildProcess("/bin/sleep", ["1000"])
            let lost = try ChildProcess("/bin/sleep", ["1000"])
            let player = "echo add \(kept.pid); echo del \(kept.pid); echo add \(lost.pid); exec sleep 1000"
            let script = "(\(player)) | /bin/sh -c \"$0\" \"$1\""
            let stage = try ChildProcess("/bin/sh", ["-c", script, Watchdog.script, left.path], streams: .separate)
            try await eventually("the play to begin") { stage.survivors().contains("sleep 1000") ? true : nil }
            #expect(lost.isRunning)
            for pid in stage.survivorPIDs(running: "sleep 1000") { kill(pid, SIGKILL) }
            #expect(try await lost.waitUntilExit(withinSeconds: 10).status == .signalled(SIGKILL))
            try await eventually("the folder to go") { FileManager.default.fileExists(atPath: left.path) ? nil : true }
            #expect(kept.isRunning)
            for process in [kept, lost, stage] { await process.end() }
        }
    }

    @Test func cancelledTestEndsItsChild() async throws {
        let started = Shared<pid_t?>(nil)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await withProcess("/bin/sleep", ["1000"]) { process in
                    started.change { $0 = process.pid }
                    try await Task.sleep(for: .seconds(1000))
                }
            }
            let pid = try await eventually("the child to start") { started.value }
            #expect(isRunning(pid))
            group.cancelAll()
            await #expect(throws: CancellationError.self) { try await group.next() }
            #expect(!isRunning(pid))
        }
    }

    @Test func logKeepsTheNewest() async throws {
        let process = try ChildProcess("/bin/sh", ["-c", "seq 1 20000"], logBytesMax: 1000)
        try await process.waitUntilExit()
        #expect(process.output.text.hasSuffix("\n19999\n20000\n"))
        #expect(process.output.bytes.count <= 1250)
        #expect(process.output.totalBytes == 108_894)
        await process.end()
    }

    @Test func peakMemoryIsThatOfTheChildAlone() async throws {
        // Enough here that the memory of this process would be seen in the child's.
        let ballast = [UInt8](repeating: 1, count: 200 << 20)
        let process = try ChildProcess(
            "/bin/sh",
            ["-c", "head -c 30000000 /dev/zero | tail | wc -c"],
            watchesMemory: true
        )
        try await process.waitUntilExit()
        #expect(process.peakMemoryBytes > 0)
        #expect(process.peakMemoryBytes < 50 << 20)
        await process.end()
        withExtendedLifetime(ballast) {}
    }

    private func isRunning(_ pid: pid_t) -> Bool {
        kill(pid, 0) == 0
    }
}
