// SPDX-License-Identifier: Apache-2.0

/// Numbers with their units, as people write spans of time: `90s`, `1d12h`, `1y6mo`.
///
/// The one grammar of every option, and every option of a URL, that takes a time; which units it has is its own.
package enum UnitCounts {
    /// Longer than what anybody writes.
    private static let lengthMax = 64

    /// The numbers with their units, in their order; the unit of a number without one is empty. `nil` when the text is
    /// something else: nothing, a sign, a point, a blank.
    package static func parts(of text: some StringProtocol) -> [(count: Int64, unit: String)]? {
        guard text.utf8.count <= lengthMax else { return nil }
        var parts: [(count: Int64, unit: String)] = []
        var rest = Substring(text)
        repeat {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            guard let count = Int64(digits) else { return nil }
            rest = rest[digits.endIndex...]
            let unit = rest.prefix { $0.isASCII && $0.isLetter }
            rest = rest[unit.endIndex...]
            parts.append((count, String(unit)))
        } while !rest.isEmpty
        return parts
    }
}
