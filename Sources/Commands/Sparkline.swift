// SPDX-License-Identifier: Apache-2.0

/// A row of numbers as one word of bars: `▁▂▂▃▅▇`. The highest fills the line, and nothing stands on the ground.
package enum Sparkline {
    private static let bars: [Character] = ["▁", "▂", "▃", "▅", "▇"]
    /// For terminals that know no other letters.
    private static let plainBars: [Character] = ["_", ".", "-", "=", "#"]

    package static func text(_ values: [Double], isPlain: Bool = false) -> String {
        let bars = isPlain ? plainBars : self.bars
        let highest = values.filter(\.isFinite).max() ?? 0
        return String(
            values.map { value in
                guard highest > 0, value > 0 else { return bars[0] }
                let step = Int((min(value, highest) / highest * Double(bars.count)).rounded(.up)) - 1
                return bars[max(0, min(step, bars.count - 1))]
            }
        )
    }

    /// Whether the terminal cannot show the bars, by its locale.
    package static func isPlain(_ environment: [String: String]) -> Bool {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
        let encoding = locale.lowercased()
        return !encoding.contains("utf-8") && !encoding.contains("utf8")
    }
}
