// SPDX-License-Identifier: Apache-2.0

import Failures

/// The public keys that a server may have, as libcurl and curl write them: `sha256//` and the Base64 of the SHA-256 of
/// a key, several with a semicolon between.
package enum KeyPin {
    private static let prefix = "sha256//"
    /// 32 bytes in Base64.
    private static let digestLength = 44

    package static func isValid(_ text: String) -> Bool {
        text.split(separator: ";", omittingEmptySubsequences: false).allSatisfy { pin in
            let digest = pin.dropFirst(prefix.count).utf8
            return pin.hasPrefix(prefix) && digest.count == digestLength && digest.last == UInt8(ascii: "=")
                && digest.dropLast().allSatisfy(isBase64)
        }
    }

    static var malformed: Failure {
        Failure(
            .configuration,
            "pin the key of a server: it is not sha256// and the 44 characters of a SHA-256 in Base64",
            hint: "`openssl x509 -in CERTIFICATE -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst "
                + "-sha256 -binary | base64` prints them."
        )
    }

    private static func isBase64(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"): true
        default: false
        }
    }
}
