// SPDX-License-Identifier: Apache-2.0

import Commands
import Testing

/// Rates on the command line.
struct BandwidthLimitTests {
    private static let written: [(text: String, up: Int?, down: Int?)] = [
        ("10M", 10_485_760, 10_485_760), ("512k", 524_288, 524_288), ("4096", 4096, 4096), ("2048b", 2048, 2048),
        ("1.5M", 1_572_864, 1_572_864), ("1G:2g", 1_073_741_824, 2_147_483_648), ("off:5M", nil, 5_242_880),
        ("5m:off", 5_242_880, nil), ("off", nil, nil), ("OFF:1k", nil, 1024),
    ]

    @Test func whatPeopleWriteIsRead() throws {
        for (text, up, down) in Self.written {
            let limit = try #require(BandwidthLimit(argument: text))
            #expect(limit.up == up, "\(text)")
            #expect(limit.down == down, "\(text)")
        }
    }

    /// Less than a kibibyte a second is a mistake: bits, or a unit that was forgotten.
    @Test(arguments: ["", ":", "M", "10X", "-1M", "10MB", "1M:", ":1M", "1:2:3", "1 M", "0", "10", "nan", "inf", "1e9"])
    func whatIsNoneIsRefused(text: String) {
        #expect(BandwidthLimit(argument: text) == nil)
    }
}
