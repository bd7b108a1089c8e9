// SPDX-License-Identifier: Apache-2.0

import Commands
import Testing

struct InspectTextTests {
    @Test(arguments: [
        (0.0, 1.0, ""), (1, 1, String(repeating: "█", count: 20)), (1, 2, String(repeating: "█", count: 10)),
        (1, 1_000_000, "▏"), (3, 160, "▍"), (9, 160, "█▏"), (2, 1, String(repeating: "█", count: 20)), (1, 0, ""),
        (-1, 5, ""),
    ])
    func aBarIsAsLongAsItsShare(part: Double, whole: Double, bar: String) {
        #expect(Bar.text(part, of: whole) == bar)
    }

    @Test func everyByteBecomesPrintableASCII() {
        let text = PrintableASCII.text(UInt8.min...UInt8.max)
        #expect(text.utf8.allSatisfy { (0x20..<0x7f).contains($0) })
        #expect(text.hasPrefix("\\x00\\x01") && text.hasSuffix("\\xfe\\xff") && text.contains("\\x1f !\\\"#"))
        #expect(PrintableASCII.text("a\u{1b}[2J\n\u{9b}é") == "a\\x1b[2J\\x0a\\xc2\\x9b\\xc3\\xa9")
    }

    @Test func whatIsTooLongIsCut() {
        #expect(PrintableASCII.cut("abcdef", to: 6) == "abcdef")
        #expect(PrintableASCII.cut("abcdefg", to: 6) == "abc...")
        #expect(PrintableASCII.cut("ab", to: 6, isCutAlready: true) == "ab...")
    }

    @Test(arguments: [
        (["inspect", "dump.rdb"], true), (["inspect", "--from", "file:///b"], true), (["inspect"], false),
        (["inspect", "latest", "--from", "file:///b", "--member", "m", "--top", "5", "--delimiter", "::"], true),
        (["inspect", "dump.rdb", "--member", "m"], false), (["inspect", "dump.rdb", "--delimiter", ""], false),
        (["inspect", "dump.rdb", "--top", "-1"], false), (["inspect", "dump.rdb", "--top", "1001"], false),
    ])
    func theCommandLineIsHeldToItsRules(arguments: [String], isUnderstood: Bool) {
        #expect(Entry.understands(arguments) == isUnderstood)
    }
}
