// SPDX-License-Identifier: Apache-2.0

/// A share as a bar of blocks, an eighth of a column fine.
package enum Bar {
    private static let columns = 20
    private static let eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]

    /// - Returns: the bar, as long as `part` is of `whole`; empty for nothing, and never so for something.
    package static func text(_ part: Double, of whole: Double) -> String {
        guard part > 0, whole > 0 else { return "" }
        let length = max(1, Int((min(1, part / whole) * Double(columns * 8)).rounded()))
        return String(repeating: "█", count: length / 8) + eighths[length % 8]
    }
}
