// SPDX-License-Identifier: Apache-2.0

import Commands
import Testing

/// What is said last of a run that a signal ended.
@Suite struct SignalWatchTests {
    @Test func nothingIsPromisedWhereACleanUpFailed() {
        var interrupted = SignalWatch.Interrupted(signal: 15)
        #expect(interrupted.lastWord == "nothing was left half-made")
        interrupted.hasLeftovers = true
        #expect(!interrupted.lastWord.contains("nothing was left"))
        #expect(interrupted.lastWord.contains("redoubt list --incomplete"))
        // What the run itself says is more than that.
        interrupted.leavesBehind = "keys were written"
        #expect(interrupted.lastWord == "keys were written")
    }
}
