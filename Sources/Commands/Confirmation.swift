// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Failures
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Asks a person before something is changed that cannot be taken back.
enum Confirmation {
    /// Shows what will be done, and goes on only after `yes`.
    /// - Throws: `.guardRefused` when another answer is given, or when nobody is there to ask.
    static func ask(_ lines: [String], question: String) async throws {
        guard isSomebodyThere else {
            throw Failure(
                .guardRefused,
                "\(question): nobody is there to be asked, and nothing was touched"
                    + (lines.isEmpty ? "" : ": \(lines.joined(separator: "; "))"),
                hint: "--yes goes on without asking; --dry-run shows what would be done."
            )
        }
        Console.talk((lines + ["\(question)? Type yes to go on: "]).joined(separator: "\n"))
        guard try await answer()?.lowercased() == "yes" else {
            throw Failure(.guardRefused, "\(question): the answer was not yes, and nothing was touched")
        }
    }

    /// Whether there is anybody to ask.
    static var isSomebodyThere: Bool { isatty(STDIN_FILENO) == 1 && Console.errorsGoToTerminal }

    /// A line from standard input. A cancelled wait ends at once; its thread ends with the process.
    private static func answer() async throws -> String? {
        let waiting = Mutex<CheckedContinuation<String?, any Error>?>(nil)
        @Sendable func resume(_ result: Result<String?, any Error>) {
            let continuation = waiting.withLock { continuation in
                defer { continuation = nil }
                return continuation
            }
            continuation?.resume(with: result)
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                waiting.withLock { $0 = continuation }
                if Task.isCancelled { return resume(.failure(CancellationError())) }
                DispatchQueue.global().async { resume(.success(readLine())) }
            }
        } onCancel: {
            resume(.failure(CancellationError()))
        }
    }
}
