// SPDX-License-Identifier: Apache-2.0

import Age
import CLinux
import Foundation

/// What `make bench-encryption` measures the format with, without the rest of the program:
///
///     redoubt-age encrypt RECIPIENT <PLAIN >FILE
///     redoubt-age decrypt IDENTITY-FILE <FILE >PLAIN

let chunkBytes = 256 << 10
// As the program does when it starts.
linux_give_back_blocks_of(1 << 20)

/// Reads and writes as plainly as can be: the format is to be measured.
func chunks(_ take: ([UInt8]) throws -> [UInt8]) throws {
    while true {
        let chunk = [UInt8](unsafeUninitializedCapacity: chunkBytes) { room, count in
            count = max(0, read(STDIN_FILENO, room.baseAddress, room.count))
        }
        guard !chunk.isEmpty else { return }
        put(try take(chunk))
    }
}

func put(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
        guard count > 0 else { exit(74) }
        rest = rest.dropFirst(count)
    }
}

switch CommandLine.arguments.dropFirst().first {
case "encrypt":
    let recipient = try AgeRecipient(parsing: CommandLine.arguments[2])
    var encryptor = try AgeEncryptor(for: AgeLock(recipients: [recipient]))
    try chunks { try encryptor.encrypt($0) }
    put(try encryptor.finish())
case "decrypt":
    let file = CommandLine.arguments[2]
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
    let keyring = AgeKeyring(identities: try AgeKeyFile.identities(bytes, in: file))
    var decryptor = AgeDecryptor()
    try chunks { chunk in
        let plain = try decryptor.decrypt(chunk)
        return try decryptor.lockedHeader == nil ? plain : decryptor.open(with: keyring)
    }
    put(try decryptor.finish())
default:
    try FileHandle.standardError.write(contentsOf: Data("usage: redoubt-age encrypt|decrypt KEY\n".utf8))
    exit(64)
}
