// SPDX-License-Identifier: Apache-2.0

import Commands
import Testing

struct SparklineTests {
    @Test func theHighestFillsTheLine() {
        #expect(Sparkline.text([0, 1, 4, 6, 8, 10]) == "▁▁▂▃▅▇")
        #expect(Sparkline.text([5, 5, 5]) == "▇▇▇")
        #expect(Sparkline.text([0, 0]) == "▁▁" && Sparkline.text([]) == "")
        #expect(Sparkline.text([.nan, -1, 2]) == "▁▁▇")
        #expect(Sparkline.text([0, 1, 4, 6, 8, 10], isPlain: true) == "__.-=#")
    }

    @Test(arguments: [
        ("C.UTF-8", false), ("de_DE.utf8", false), ("en_US.UTF-8", false), ("C", true), ("de_DE.ISO-8859-1", true),
    ])
    func theLocaleSaysWhatATerminalShows(locale: String, isPlain: Bool) {
        #expect(Sparkline.isPlain(["LANG": locale]) == isPlain)
        #expect(Sparkline.isPlain(["LANG": "C.UTF-8", "LC_ALL": locale]) == isPlain)
        #expect(Sparkline.isPlain([:]))
    }

    @Test(arguments: [("50%", 0.5), ("100%", 1), ("1%", 0.01), ("0%", nil), ("101%", nil), ("50", nil), ("x%", nil)])
    func aShareIsAPercentage(text: String, share: Double?) {
        #expect(Share(argument: text)?.value == share)
    }
}
