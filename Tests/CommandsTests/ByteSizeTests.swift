// SPDX-License-Identifier: Apache-2.0

import Commands
import Testing

/// Sizes on the command line: one grammar, whatever takes one.
struct ByteSizeTests {
    @Test(arguments: [
        ("5", 5), ("5B", 5), ("0", 0), ("5k", 5000), ("5K", 5000), ("5kB", 5000), ("5Ki", 5120), ("5KiB", 5120),
        ("5M", 5_000_000), ("5MB", 5_000_000), ("5Mi", 5_242_880), ("5MiB", 5_242_880), ("1.5Gi", 1_610_612_736),
        ("2G", 2_000_000_000), ("1T", 1_000_000_000_000), ("1Ti", 1_099_511_627_776), ("1e9", 1_000_000_000),
    ])
    func whatPeopleWriteIsRead(text: String, bytes: Int64) throws {
        #expect(try ByteSize(reading: text).bytes == bytes)
    }

    @Test(arguments: [
        "", "B", "M", "MiB", "much", "-1", "+1", "5 M", "5m", "5g", "5mi", "5X", "5BB", "5iB", "1.2.3", "100n", "nan",
    ])
    func whatIsNoneIsRefused(text: String) {
        #expect(throws: ByteSize.Refusal.self) { try ByteSize(reading: text) }
    }

    /// A thousandth of a byte is meant by nobody.
    @Test func aSmallLetterIsAskedBack() {
        let refusal = #expect(throws: ByteSize.Refusal.self) { try ByteSize(reading: "512m") }
        #expect(refusal?.description.contains("Mi") == true)
    }

    @Test(arguments: [("8", 8 << 20), ("5Mi", 5 << 20), ("8MiB", 8 << 20), ("10M", 10_000_000), ("1Gi", 1 << 30)])
    func aPartIsOfMebibytesWhereNothingIsSaid(text: String, bytes: Int64) throws {
        #expect(try ByteSize.readingMebibytes(text).bytes == bytes)
    }

    @Test(arguments: [(0, "0"), (5, "5"), (64 << 20, "64Mi"), (5120, "5Ki"), (1 << 40, "1Ti")])
    func whatIsShownIsReadAgain(bytes: Int64, text: String) throws {
        #expect("\(ByteSize(bytes: bytes))" == text)
        #expect(try ByteSize(reading: text).bytes == bytes)
    }
}
