// SPDX-License-Identifier: Apache-2.0

/// What others say, fit for our messages: one line, short, printable, and without what nobody may see.
enum AnswerText {
    private static let lengthMax = 200

    /// `nil` when nothing is left.
    static func quotable(_ text: String, hiding secrets: [String] = []) -> String? {
        let plain = secrets.filter { !$0.isEmpty }.reduce(text) { $0.replacing($1, with: "***") }
        let characters = plain.unicodeScalars.map { (0x20...0x7E).contains($0.value) ? Character($0) : " " }
        let line = String(characters).split(separator: " ").joined(separator: " ")
        return line.isEmpty ? nil : String(line.prefix(lengthMax))
    }
}
