// SPDX-License-Identifier: Apache-2.0

import CCurl
import Failures

typealias SFTPTransfer = Transfer<SFTPRequest, SFTPStatus>

/// A request over SFTP that libcurl moves. Made, used and freed on one thread.
///
/// At the end of a transfer libcurl closes the file and keeps the thread until the server has answered; only the
/// progress callback is heard then. So it is there that a transfer ends that nobody wants any more, or that stands
/// still.
final class RunningSFTPTransfer: CalledTransfer {
    let easy: EasyHandle
    var hasNews = false
    var isOver = false

    private let transfer: SFTPTransfer
    private let hostKeysFile: HostKeysFile?
    private var isStatusPublished = false
    /// Whether it waits for the reader, or for more to send.
    private var isPaused = false
    private var up: BandwidthShare
    private var down: BandwidthShare
    private var movedBytes = 0
    private var movedAt = ContinuousClock.now
    private var hasStalled = false
    private var callbacks: TransferCallbacks?

    init(_ transfer: SFTPTransfer, _ configuration: SFTPClientConfiguration) throws {
        self.transfer = transfer
        up = BandwidthShare(of: configuration.bandwidth, .up)
        down = BandwidthShare(of: configuration.bandwidth, .down)
        easy = try EasyHandle()
        let hostKeys = configuration.hostKeys[transfer.request.hostKeys]
        hostKeysFile = try HostKeysFile(hostKeys, of: configuration)
        try easy.configure(configuration)
        try easy.configure(hostKeys, file: hostKeysFile?.path)
        try easy.configure(transfer.request, of: configuration)
        let callbacks = TransferCallbacks(of: self)
        self.callbacks = callbacks
        try callbacks.install(hearsProgress: true)
    }

    deinit {
        if case .write(let outbox, _) = transfer.request.purpose { outbox.forgetTransfer() }
    }

    var queued: any QueuedTransfer { transfer }
    var wasAskedInVain: Bool { false }

    func outcome(_ code: CURLcode) -> Result<Void, any Error> {
        if let failure = failure(of: code) { return .failure(failure) }
        publishStatus()
        return .success(())
    }

    func failure(of code: CURLcode) -> Failure? {
        guard code != CURLE_OK else { return nil }
        if hasStalled { return stall }
        return SFTPFailure.failure(of: code, easy.text(of: code), attempt: transfer.shown)
    }

    var stall: Failure {
        let seconds = transfer.request.deadlines.noProgressSeconds
        return Failure(.timeout, "\(transfer.shown): nothing moved for \(seconds) s")
    }

    func resume() -> CURLcode {
        isPaused = false
        return goOn()
    }

    var heldUntil: ContinuousClock.Instant? { up.heldUntil ?? down.heldUntil }

    func release(at now: ContinuousClock.Instant) -> CURLcode {
        if let due = up.heldUntil, due <= now { up.release() }
        if let due = down.heldUntil, due <= now { down.release() }
        return goOn()
    }

    /// Bytes move in one direction only.
    private func goOn() -> CURLcode {
        movedAt = .now
        let isHeld = isPaused || heldUntil != nil
        return easy.pause(only: isHeld ? CURLPAUSE_SEND | CURLPAUSE_RECV : 0)
    }

    /// The time to connect counts too: libcurl has a limit of its own for it, which is shorter.
    func isStalled(at now: ContinuousClock.Instant) -> Bool {
        let bytes = easy.offset(CURLINFO_SIZE_UPLOAD_T) + easy.offset(CURLINFO_SIZE_DOWNLOAD_T)
        if isPaused || heldUntil != nil || bytes != movedBytes {
            movedBytes = bytes
            movedAt = now
        }
        return now - movedAt >= .seconds(transfer.request.deadlines.noProgressSeconds)
    }

    private func publishStatus() {
        guard !isStatusPublished else { return }
        isStatusPublished = true
        let time = easy.offset(CURLINFO_FILETIME_T)
        let bytes = Int64(easy.offset(CURLINFO_CONTENT_LENGTH_DOWNLOAD_T))
        transfer.publish(
            SFTPStatus(
                bytes: bytes > 0 ? bytes : nil,
                modifiedAtSeconds: time > 0 ? Int64(time) : nil
            )
        )
    }
}

// MARK: What libcurl calls

extension RunningSFTPTransfer {
    /// The answers to commands come as such.
    func takeHeader(_ line: UnsafeRawBufferPointer) -> Bool { takeBody(line) }

    func seekBody(to offset: Int, from origin: Int32) -> Bool { true }

    func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
        hasNews = true
        publishStatus()
        guard case .read = transfer.request.purpose else {
            // A listing cannot be paused, and the answer to a command cannot either; both are small.
            transfer.appendAnyway(bytes)
            return true
        }
        guard down.mayMove(bytes.count) else { return false }
        if transfer.append(bytes) {
            down.spend(bytes.count)
            return true
        }
        isPaused = true
        return false
    }

    func giveBody(into room: UnsafeMutableRawBufferPointer) -> Int {
        guard case .write(let outbox, _) = transfer.request.purpose else { return 0 }
        let wanted = min(room.count, outbox.waitingBytes)
        let allowed = up.take(upTo: wanted)
        if allowed == 0, wanted > 0 { return Int(CURL_READFUNC_PAUSE) }
        let part = wanted > 0 ? UnsafeMutableRawBufferPointer(rebasing: room[..<allowed]) : room
        if let count = outbox.take(into: part, orResume: { [transfer] in transfer.resume() }) { return count }
        isPaused = true
        return Int(CURL_READFUNC_PAUSE)
    }

    func mayGoOn() -> Bool {
        if isOver || transfer.isAbandoned { return false }
        if isStalled(at: .now) { hasStalled = true }
        return !hasStalled
    }
}
