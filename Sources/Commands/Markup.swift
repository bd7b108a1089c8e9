// SPDX-License-Identifier: Apache-2.0

import Catalog

/// Pieces of a page. What comes from outside passes `text`, wherever it stands.
enum Markup {
    /// A text that cannot be anything else: no element, no attribute, and no character that XML does not have.
    static func text(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            case "\t", "\n", "\r": escaped += " "
            // Controls; marks that turn the direction of what follows; what is no character (XML 1.0, section 2.2).
            case "\u{0}"..."\u{1f}", "\u{7f}"..."\u{9f}", "\u{200e}"..."\u{200f}", "\u{202a}"..."\u{202e}",
                "\u{2066}"..."\u{2069}", "\u{fffe}"..."\u{ffff}":
                escaped += "\u{fffd}"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    static func shortened(_ text: String, to length: Int) -> String {
        text.count <= length ? text : text.prefix(length / 2) + "…" + text.suffix(length / 2 - 1)
    }

    /// `2026-11-22 15:30:00 UTC`
    static func plain(_ time: Timestamp) -> String {
        "\(time)".replacing("T", with: " ").replacing("Z", with: " UTC")
    }

    /// The same, to the minute.
    static func time(_ time: Timestamp) -> String {
        "\("\(time)".prefix(16)) UTC".replacing("T", with: " ", maxReplacements: 1)
    }

    static func day(_ time: Timestamp) -> String { String("\(time)".prefix(10)) }

    static func number(_ text: String) -> String { "<td class=\"n\">\(text)</td>" }

    // MARK: Drawings

    static func drawing(_ width: Double, _ height: Double, _ title: String, _ marks: [String]) -> String {
        "<svg viewBox=\"0 0 \(at(width)) \(at(height))\" role=\"img\" aria-label=\"\(text(title))\">"
            + marks.joined() + "</svg>"
    }

    static func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ kind: String) -> String {
        "<line class=\"\(kind)\" x1=\"\(at(x1))\" y1=\"\(at(y1))\" x2=\"\(at(x2))\" y2=\"\(at(y2))\"/>"
    }

    static func box(_ x: Double, _ y: Double, _ width: Double, _ height: Double, _ colour: String) -> String {
        "<rect x=\"\(at(x))\" y=\"\(at(y))\" width=\"\(at(width))\" height=\"\(at(height))\" fill=\"\(colour)\"/>"
    }

    static func label(_ words: String, _ x: Double, _ y: Double, _ kind: String, anchor: String = "start") -> String {
        "<text class=\"\(kind)\" x=\"\(at(x))\" y=\"\(at(y))\" text-anchor=\"\(anchor)\">\(text(words))</text>"
    }

    static func dot(_ x: Double, _ y: Double, _ radius: Double, _ kind: String) -> String {
        "<circle class=\"dot \(kind)\" cx=\"\(at(x))\" cy=\"\(at(y))\" r=\"\(at(radius))\"/>"
    }

    static func path(_ points: [(x: Double, y: Double)], _ kind: String) -> String {
        guard points.count > 1 else { return "" }
        let list = points.map { "\(at($0.x)),\(at($0.y))" }.joined(separator: " ")
        return "<polyline class=\"\(kind)\" points=\"\(list)\"/>"
    }

    /// A coordinate, to a tenth.
    private static func at(_ value: Double) -> String { Quantity.oneDecimal(max(0, value)) }
}
