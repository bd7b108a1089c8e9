// SPDX-License-Identifier: Apache-2.0

import Commands
import Testing

/// Spans of time on the command line.
struct TimeSpanTests {
    @Test(arguments: [
        ("90s", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172_800), ("45", 45), ("0", 0), ("0s", 0),
    ])
    func whatPeopleWriteIsRead(text: String, seconds: Int64) {
        #expect(TimeSpan(argument: text)?.seconds == seconds)
    }

    @Test(arguments: ["", "m", "10x", "-1s", "1.5h", "1m30", "10 m", "99999999999999999999d", "9000000000000d"])
    func whatIsNoneIsRefused(text: String) {
        #expect(TimeSpan(argument: text) == nil)
    }
}
