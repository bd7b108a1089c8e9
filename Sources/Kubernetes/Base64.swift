// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// Base64 of RFC 4648, section 4.
enum Base64 {
    static func text(_ bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString()
    }

    /// `nil` when the text is none. Blanks and line ends are passed over: who writes a file by hand folds long lines.
    static func bytes(_ text: String) -> [UInt8]? {
        Data(base64Encoded: text.filter { !$0.isWhitespace }).map { Array($0) }
    }
}
