// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Failures
import Foundation
import TestParts
import Testing

@Suite struct CrashTests {
    /// A process that is killed before its n-th call, for every n; then recovery, in a process of its own.
    @Test(arguments: CrashScenario.allCases)
    func crashAtEveryCallLeavesOldOrNew(scenario: CrashScenario) async throws {
        let calls = try await CallCounter.calls(of: scenario)
        #expect(calls > 20)
        for number in 1...calls {
            try await withFastFolder { folder in
                try folder.fill(scenario.before)
                await #expect(processExitsWith: .exitCode(42)) {
                    [path = folder.path as String, scenario = scenario as CrashScenario, number = number as Int] in
                    _ = try await withDataDirectory(at: path, calls: crash(before: number)) {
                        try await $0.restore(scenario.request())
                    }
                }
                try expectWhole(folder, scenario, "killed before call \(number)")
                let recovered = try await withDataDirectory(at: folder.path) { try await $0.recover() }
                #expect(recovered.count <= 1)
                try await expectSettled(folder, scenario, "killed before call \(number)")
            }
        }
    }

    /// And the recovery is killed before its n-th call, too.
    @Test(arguments: [CrashScenario.replace, .fresh])
    func crashOfTheRecoveryLeavesOldOrNew(scenario: CrashScenario) async throws {
        var crashes = 0
        for number in try await callsOfTheSwap(scenario) {
            for again in 1...100 {
                let isOver = try await withFastFolder { folder in
                    try folder.fill(scenario.before)
                    await #expect(processExitsWith: .exitCode(42)) {
                        [path = folder.path as String, scenario = scenario as CrashScenario, number = number as Int] in
                        _ = try await withDataDirectory(at: path, calls: crash(before: number)) {
                            try await $0.restore(scenario.request())
                        }
                    }
                    let result = await #expect(processExitsWith: .failure, observing: [\.exitStatus]) {
                        [path = folder.path as String, again = again as Int] in
                        _ = try await withDataDirectory(at: path, calls: crash(before: again)) {
                            try await $0.recover()
                        }
                        _exit(43)
                    }
                    let status = try #require(result?.exitStatus)
                    #expect([.exitCode(42), .exitCode(43)].contains(status))
                    let isOver = status == .exitCode(43)
                    crashes += isOver ? 0 : 1
                    try expectWhole(folder, scenario, "killed before calls \(number) and \(again)")
                    _ = try await withDataDirectory(at: folder.path) { try await $0.recover() }
                    try await expectSettled(folder, scenario, "killed before calls \(number) and \(again)")
                    return isOver
                }
                if isOver { break }
            }
        }
        #expect(crashes > 20)
    }

    /// The last calls of a restore, from before the journal is written on.
    private func callsOfTheSwap(_ scenario: CrashScenario) async throws -> ClosedRange<Int> {
        let calls = try await CallCounter.calls(of: scenario)
        return (calls - 24)...calls
    }
}
