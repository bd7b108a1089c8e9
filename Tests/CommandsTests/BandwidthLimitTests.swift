// SPDX-License-Identifier: Apache-2.0

import Commands
import Testing

/// Rates on the command line.
struct BandwidthLimitTests {
    private static let written: [(text: String, up: Int?, down: Int?)] = [
        ("10Mi", 10_485_760, 10_485_760), ("512KiB", 524_288, 524_288), ("4096", 4096, 4096), ("2048B", 2048, 2048),
        ("1.5M", 1_500_000, 1_500_000), ("1G:2Gi", 1_000_000_000, 2_147_483_648), ("off:5M", nil, 5_000_000),
        ("5MB:off", 5_000_000, nil), ("off", nil, nil), ("OFF:1k", nil, 1000),
    ]

    @Test func whatPeopleWriteIsRead() throws {
        for (text, up, down) in Self.written {
            let limit = try BandwidthLimit.reading(text)
            #expect(limit.up == up, "\(text)")
            #expect(limit.down == down, "\(text)")
        }
    }

    /// Less than a kilobyte a second is a mistake: bits, or a unit that was forgotten.
    @Test(arguments: [
        "", ":", "M", "10X", "-1M", "10m", "1M:", ":1M", "1:2:3", "1 M", "0", "10", "nan", "inf", "999", "9Ei",
    ])
    func whatIsNoneIsRefused(text: String) {
        #expect(throws: ByteSize.Refusal.self) { try BandwidthLimit.reading(text) }
    }
}
