// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials
import Synchronization
import SystemPackage

/// The last word of a run, for `kubectl describe pod`: one JSON document in the file that the kubelet reads when the
/// container has ended (kubernetes.io, "Determine the Reason for Pod Failure"). It never makes a run fail.
struct TerminationMessage: Encodable {
    /// The kubelet reads so many bytes, and cuts the document off where it is longer.
    static let bytesMax = 4096
    /// Where the kubelet looks unless the pod says otherwise. It makes the file before the container starts.
    static let usualPath = "/dev/termination-log"

    let command: String
    let exitCode: Int32
    /// What was done, in a sentence.
    var result: String?
    var error: Problem?

    struct Problem: Encodable {
        let code: String
        var message: String
        var hint: String?
    }

    private static let verdict = Mutex<String?>(nil)

    /// Remembers what was done, for when the run ends.
    static func note(_ result: String) {
        verdict.withLock { $0 = result }
    }

    init(command: String, exitCode: Int32, failure: Failure?) {
        self.command = command
        self.exitCode = exitCode
        result = Self.verdict.withLock { $0 }.map(Redaction.apply(to:))
        error = failure.map { failure in
            Problem(
                code: failure.code.rawValue,
                message: Redaction.apply(to: failure.description),
                hint: failure.hint.map(Redaction.apply(to:))
            )
        }
    }

    /// The document; the message is cut so that all of it fits.
    var bytes: [UInt8] {
        var document = self
        var encoded = document.encoded
        while encoded.count > Self.bytesMax, let message = document.error?.message, !message.isEmpty {
            let excess = max(encoded.count - Self.bytesMax, 16)
            document.error?.message = String(message.dropLast(min(excess, message.count)))
            encoded = document.encoded
        }
        return encoded.count > Self.bytesMax ? [] : encoded
    }

    private var encoded: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(self)).map(Array.init) ?? []
    }

    /// Writes the document into a file that is there already.
    ///
    /// - Parameter path: the usual one if none is given.
    func write(to path: String?) {
        // Opened without creating it: outside of a cluster there is no such file, and none shall appear.
        let options: FileDescriptor.OpenOptions = [.truncate, .closeOnExec, .nonBlocking]
        do {
            let file = try FileDescriptor.open(FilePath(path ?? Self.usualPath), .writeOnly, options: options)
            _ = try file.closeAfter { try file.writeAll(bytes) }
        } catch {
            guard let path else { return }
            Console.talk("redoubt: write the termination message to \(path): \(error)")
        }
    }
}
