// SPDX-License-Identifier: Apache-2.0

import Failures
import Synchronization
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Where the command speaks: results on standard output, everything else, redacted, on standard error.
package enum Console {
    private static let resultWasWritten = Atomic(false)

    /// Whether a result stands on standard output: an error then says no second thing there.
    package static var hasResult: Bool { resultWasWritten.load(ordering: .relaxed) }

    /// - Throws: `.inputOutput` when the result does not arrive: a script must not take half of it for all of it.
    package static func result(_ text: String) throws {
        resultWasWritten.store(true, ordering: .relaxed)
        guard let errno = send(text, to: .standardOutput), errno != .brokenPipe else { return }
        throw Failure(.inputOutput, "write the result to standard output: \(errno)")
    }

    /// What cannot be said on standard error has nowhere else to go.
    package static func talk(_ text: String) {
        _ = send(Redaction.apply(to: text), to: .standardError)
    }

    /// Says what was redacted before it was encoded: in JSON a secret may stand escaped, and a key may look like one.
    package static func talk(redacted text: String) {
        _ = send(text, to: .standardError)
    }

    /// Whether a person watches standard error.
    package static var errorsGoToTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Whether a person reads the result.
    package static var resultsGoToTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    /// - Returns: why not all of it could be written.
    private static func send(_ text: String, to descriptor: FileDescriptor) -> Errno? {
        var bytes = Array(text.utf8)[...]
        if bytes.last != UInt8(ascii: "\n"), bytes.last != UInt8(ascii: "\r") { bytes.append(UInt8(ascii: "\n")) }
        while !bytes.isEmpty {
            do {
                bytes = bytes.dropFirst(try bytes.withUnsafeBytes { try descriptor.write($0) })
            } catch Errno.wouldBlock {
                // Another process made the pipe non-blocking.
                var ready = pollfd(fd: descriptor.rawValue, events: Int16(POLLOUT), revents: 0)
                poll(&ready, 1, -1)
            } catch let errno as Errno {
                return errno
            } catch {
                return .ioError
            }
        }
        return nil
    }
}
