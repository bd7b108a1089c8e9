// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Where the command speaks: results on standard output, everything else on standard error. All of it redacted.
package enum Console {
    package static func result(_ text: String) {
        send(text, to: STDOUT_FILENO)
    }

    package static func talk(_ text: String) {
        send(text, to: STDERR_FILENO)
    }

    /// Whether a person watches standard error.
    package static var errorsGoToTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// A last line that could not be written has nowhere else to go: errors of the descriptor are not reported.
    private static func send(_ text: String, to descriptor: Int32) {
        var bytes = Array(Redaction.apply(to: text).utf8)[...]
        if bytes.last != UInt8(ascii: "\n"), bytes.last != UInt8(ascii: "\r") { bytes.append(UInt8(ascii: "\n")) }
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes { sendBytes(descriptor, $0.baseAddress, $0.count) }
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else { return }
            bytes = bytes.dropFirst(written)
        }
    }
}

/// `write(2)`, named so that it cannot be taken for the function above it.
private func sendBytes(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}
