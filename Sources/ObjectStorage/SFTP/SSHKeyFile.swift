// SPDX-License-Identifier: Apache-2.0

/// What can be seen of a private key without decrypting it; for hints alone.
struct SSHKeyFile {
    let isRSA: Bool
    let isEncrypted: Bool

    init(_ text: String) {
        let lines = text.split(whereSeparator: \.isNewline)
        let heading = lines.first ?? ""
        guard heading.contains("OPENSSH") else {
            isRSA = heading.contains("RSA")
            isEncrypted = text.contains("ENCRYPTED")
            return
        }
        // "openssh-key-v1", a zero byte, then the name of the cipher; the public key follows in the clear.
        let bytes = Base64.bytes(unfilled: lines.filter { !$0.hasPrefix("-") }.joined()) ?? []
        isEncrypted = !bytes.dropFirst(19).starts(with: "none".utf8)
        isRSA = String(decoding: bytes.prefix(200), as: UTF8.self).contains("ssh-rsa")
    }
}
