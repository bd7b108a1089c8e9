// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Synchronization

/// Runs `body` with a client of one SFTP server, whose one thread and all of whose connections are gone when the scope
/// is left.
/// - Throws: what `body` throws; `.unclassified` when libcurl or the thread cannot be started.
nonisolated(nonsending) package func withSFTPClient<Result>(
    _ configuration: SFTPClientConfiguration,
    _ body: (SFTPClient) async throws -> Result
) async throws -> Result {
    let thread = try TransferThread.start(maxConnections: configuration.maxConnections)
    do {
        let result = try await body(SFTPClient(thread: thread, configuration: configuration))
        await thread.stop()
        return result
    } catch {
        await thread.stop()
        throw error
    }
}

/// Speaks SFTP, version 3, to one server, through libcurl and libssh2. Any number of tasks may use it at once.
///
/// Nothing is tried again here. Codes of the failures:
/// - `.unreachable`: the name, the connection, or a connection that broke. libssh2 tells a connection that broke in the
///   middle of a file not from a server that could not read or write it.
/// - `.timeout`: the deadlines.
/// - `.tlsFailed`: the host key is not one that the configuration knows, or none can be agreed on.
/// - `.authenticationFailed`: the server does not believe who we are.
/// - `.noSuchObject`, `.permissionDenied`, `.noSpace`, `.alreadyExists`, `.unsupported`: what the server answered, and
///   `.inputOutput` for the one code that servers have for all else. After a connection broke, libssh2 gives the answer
///   to an earlier request as if it were one to this; so each of these is believed only when it comes twice, the second
///   time over a new connection.
/// A cancelled task throws `CancellationError`; its transfer is over by then.
package struct SFTPClient: Sendable {
    let thread: TransferThread
    let configuration: SFTPClientConfiguration
    private let chosen = ChosenHostKeys()

    /// How a request goes out.
    package struct Options: Sendable {
        package var deadlines: HTTPDeadlines
        package var isOnNewConnection: Bool

        package init(deadlines: HTTPDeadlines = HTTPDeadlines(), isOnNewConnection: Bool = false) {
            self.deadlines = deadlines
            self.isOnNewConnection = isOnNewConnection
        }
    }

    private static let listingBytesMax = 64 << 20

    init(thread: TransferThread, configuration: SFTPClientConfiguration) {
        self.thread = thread
        self.configuration = configuration
    }

    /// Size and time of a file. Of a folder some servers say the same.
    package func look(at path: String, _ options: Options = Options()) async throws -> SFTPStatus {
        try await perform(.look, path, options).status
    }

    /// The first bytes of a file.
    package func head(of path: String, bytesMax: Int, _ options: Options = Options()) async throws -> (
        status: SFTPStatus, bytes: [UInt8]
    ) {
        try await perform(.read(from: 0, bytesMax: bytesMax), path, options)
    }

    /// The lines of a listing as the server writes them, which is as `ls -l` does.
    package func list(_ path: String, _ options: Options = Options()) async throws -> [Substring] {
        let bytes = try await perform(.list, path, options).bytes
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    }

    package func perform(_ commands: [SFTPCommand], _ options: Options = Options()) async throws -> String {
        String(decoding: try await perform(.commands(commands), "/", options).bytes, as: UTF8.self)
    }

    /// Writes what is in an outbox and what is still put into it, until its end: into a new file, whose folders are
    /// made when they are missing, or, with an offset, to the end of the file, which must be as long.
    ///
    /// What the server acknowledged is known as little as libcurl tells: after a failure the file may hold more.
    package func write(
        _ outbox: SFTPOutbox,
        to path: String,
        at offset: Int64,
        _ options: Options = Options()
    ) async throws {
        _ = try await perform(.write(outbox, offset: offset), path, options)
    }

    /// Gives `body` the bytes of a file from an offset on, as a stream. The reader sets the pace.
    package func withFile<Result>(
        _ path: String,
        from offset: Int64,
        _ options: Options = Options(),
        _ body: (SFTPStatus, ByteStream) async throws -> Result
    ) async throws -> Result {
        try await start(.read(from: offset, bytesMax: nil), path, options, body)
    }

    private func perform(
        _ purpose: SFTPRequest.Purpose,
        _ path: String,
        _ options: Options
    ) async throws -> (status: SFTPStatus, bytes: [UInt8]) {
        try await start(purpose, path, options) { status, chunks in
            var bytes: [UInt8] = []
            for try await chunk in chunks {
                guard bytes.count + chunk.count <= Self.listingBytesMax else {
                    throw Failure(.protocolViolation, "list \(path): the answer is too large")
                }
                bytes += chunk
            }
            return (status, bytes)
        }
    }

    /// Asks with the host keys that did before, else with each of those that are known.
    private func start<Result>(
        _ purpose: SFTPRequest.Purpose,
        _ path: String,
        _ options: Options,
        _ body: (SFTPStatus, ByteStream) async throws -> Result
    ) async throws -> Result {
        while true {
            try Task.checkCancellation()
            let index = chosen.index
            var request = SFTPRequest(path: path, purpose: purpose)
            request.deadlines = options.deadlines
            request.isOnNewConnection = options.isOnNewConnection
            request.hostKeys = index
            let transfer = SFTPTransfer(request, shown: request.shown, on: thread) { [configuration] transfer, _ in
                try RunningSFTPTransfer(transfer, configuration)
            }
            thread.obey(.start(transfer))
            do {
                let status = try await transfer.head()
                chosen.settle()
                let result = try await body(status, ByteStream { try await transfer.nextChunk() })
                await transfer.abandon()
                return result
            } catch let failure as Failure where failure.code == .tlsFailed && moveOn(from: index, failure) {
                await transfer.abandon()
            } catch {
                await transfer.abandon()
                throw error
            }
        }
    }

    /// Whether other host keys may be those of the server. A key that is of a known kind and not the known one is none
    /// of the server's: then nothing else is tried.
    private func moveOn(from index: Int, _ failure: Failure) -> Bool {
        let isAboutKind: Bool
        switch configuration.hostKeys[index] {
        case .known: isAboutKind = failure.message.contains("establishing ssh session")
        case .pinned: isAboutKind = true
        case .anyone: isAboutKind = false
        }
        return isAboutKind && chosen.moveOn(from: index, count: configuration.hostKeys.count)
    }
}

/// Which of the host keys of a configuration the server has shown.
private final class ChosenHostKeys: Sendable {
    private let state = Mutex((index: 0, isSettled: false))

    var index: Int { state.withLock { $0.index } }

    func settle() {
        state.withLock { $0.isSettled = true }
    }

    func moveOn(from index: Int, count: Int) -> Bool {
        state.withLock { state in
            // Another task has moved on meanwhile.
            if state.index != index { return true }
            guard !state.isSettled, index + 1 < count else { return false }
            state.index += 1
            return true
        }
    }
}
