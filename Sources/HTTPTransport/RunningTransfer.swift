// SPDX-License-Identifier: Apache-2.0

import CCurl
import Failures

/// A request over HTTP that libcurl moves: its handle, and what the callbacks need. Made, used and freed on one thread.
final class RunningTransfer: CalledTransfer {
    let transfer: HTTPTransfer
    let easy: EasyHandle

    var hasNews = false
    var isOver = false
    /// Why a callback broke the transfer off.
    private(set) var refusal: String?

    /// Bodies of this size and above ask first: a refusal, or a kept connection that is dead, is found out before they
    /// are sent.
    private static let askingBytesMin = 1024 * 1024
    private let asksFirst: Bool
    /// The keys one of which the server must show.
    let pinnedPublicKey: String?

    private var uploaded = 0
    private var parser = ResponseHeadParser()
    private var isHeadPublished = false
    /// The reader does not read.
    private var isPaused = false
    /// The maker of the body has nothing yet.
    private var isBodyAwaited = false
    private var up: BandwidthShare
    private var down: BandwidthShare
    private var movedBytes = 0
    private var movedAt = ContinuousClock.now
    private var callbacks: TransferCallbacks?

    /// - Parameter mayAsk: whether the server is known to answer, or not known, when it is asked before a large body.
    init(_ transfer: HTTPTransfer, _ configuration: HTTPClientConfiguration, mayAsk: Bool) throws {
        self.transfer = transfer
        let request = transfer.request
        asksFirst = mayAsk && (request.outgoing != nil || request.body.count >= Self.askingBytesMin)
        pinnedPublicKey = configuration.pinnedPublicKey
        up = BandwidthShare(of: configuration.bandwidth, .up)
        down = BandwidthShare(of: configuration.bandwidth, .down)
        easy = try EasyHandle()
        try easy.configure(configuration)
        try easy.configure(transfer.request, tlsServerName: configuration.tlsServerName, asksFirst: asksFirst)
        let callbacks = TransferCallbacks(of: self)
        self.callbacks = callbacks
        try callbacks.install()
    }

    var queued: any QueuedTransfer { transfer }

    /// How the transfer ended, now that libcurl has come to its end.
    func outcome(_ code: CURLcode) -> Result<Void, any Error> {
        if let failure = failure(of: code) { return .failure(failure) }
        publishHead()
        // libcurl does not mind an answer that ends in the middle of its headers.
        return isHeadPublished ? .success(()) : .failure(brokenHead)
    }

    /// Whether the server took the body, and never answered the question whether it should be sent.
    var wasAskedInVain: Bool {
        asksFirst && !parser.hasContinued && (200..<300).contains(parser.head?.status ?? 0)
    }

    private func publishHead() {
        guard !isHeadPublished, let head = parser.head else { return }
        isHeadPublished = true
        transfer.publish(head)
    }

    /// Goes on after the reader took what was waiting.
    func resume() -> CURLcode {
        isPaused = false
        isBodyAwaited = false
        return goOn()
    }

    /// When the bandwidth lets it go on; `nil` when it is not held back.
    var heldUntil: ContinuousClock.Instant? {
        guard let one = up.heldUntil, let other = down.heldUntil else { return up.heldUntil ?? down.heldUntil }
        return min(one, other)
    }

    /// Goes on in the directions in which it may by now.
    func release(at now: ContinuousClock.Instant) -> CURLcode {
        if let due = up.heldUntil, due <= now { up.release() }
        if let due = down.heldUntil, due <= now { down.release() }
        return goOn()
    }

    private func goOn() -> CURLcode {
        movedAt = .now
        return easy.pause(
            only: (isBodyAwaited || up.heldUntil != nil ? CURLPAUSE_SEND : 0)
                | (isPaused || down.heldUntil != nil ? CURLPAUSE_RECV : 0)
        )
    }

    /// Whether nothing moved for as long as the request allows. What does not count: time in which the reader does not
    /// read, the maker of the body has nothing or the bandwidth allows nothing; and the time to connect, which libcurl
    /// limits.
    func isStalled(at now: ContinuousClock.Instant) -> Bool {
        let bytes =
            easy.offset(CURLINFO_SIZE_UPLOAD_T) + easy.offset(CURLINFO_SIZE_DOWNLOAD_T)
            + easy.long(CURLINFO_HEADER_SIZE)
        let isHeld = isPaused || isBodyAwaited || heldUntil != nil
        if isHeld || bytes != movedBytes || easy.offset(CURLINFO_PRETRANSFER_TIME_T) == 0 {
            movedBytes = bytes
            movedAt = now
        }
        return now - movedAt >= .seconds(transfer.request.deadlines.noProgressSeconds)
    }
}

// MARK: What libcurl calls

extension RunningTransfer {
    func takeHeader(_ line: UnsafeRawBufferPointer) -> Bool {
        switch parser.take(line) {
        case .more: return true
        case .complete:
            // After 417 libcurl may ask again by itself, without `Expect`: the head that counts is still to come.
            if parser.head?.status != 417 { publishHead() }
            hasNews = true
            return true
        case .restarted where !isHeadPublished: return transfer.restart()
        case .restarted: refusal = "a second answer follows the first"
        case .refused(let reason): refusal = reason
        }
        return false
    }

    func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
        hasNews = true
        guard down.mayMove(bytes.count) else {
            publishHead()
            return false
        }
        if transfer.append(bytes) {
            down.spend(bytes.count)
            return true
        }
        publishHead()
        isPaused = true
        return false
    }

    func giveBody(into room: UnsafeMutableRawBufferPointer) -> Int {
        if let outgoing = transfer.request.outgoing { return give(outgoing, into: room) }
        return giveWholeBody(into: room)
    }

    private func give(_ outgoing: OutgoingBody, into room: UnsafeMutableRawBufferPointer) -> Int {
        guard let waiting = outgoing.waitingBytes() else {
            isBodyAwaited = true
            return Int(CURL_READFUNC_PAUSE)
        }
        let wanted = min(room.count, waiting)
        let allowed = up.take(upTo: wanted)
        if allowed == 0, wanted > 0 { return Int(CURL_READFUNC_PAUSE) }
        outgoing.take(allowed, into: room)
        uploaded += allowed
        return allowed
    }

    private func giveWholeBody(into room: UnsafeMutableRawBufferPointer) -> Int {
        transfer.request.body.withUnsafeBytes { body in
            let wanted = min(room.count, body.count - uploaded)
            let allowed = up.take(upTo: wanted)
            if allowed == 0, wanted > 0 { return Int(CURL_READFUNC_PAUSE) }
            let part = UnsafeRawBufferPointer(rebasing: body[uploaded...].prefix(allowed))
            room.copyMemory(from: part)
            uploaded += part.count
            return part.count
        }
    }

    func seekBody(to offset: Int, from origin: Int32) -> Bool {
        if transfer.request.outgoing != nil { return origin == 0 && offset == uploaded }
        guard origin == 0, (0...transfer.request.body.count).contains(offset) else { return false }
        uploaded = offset
        return true
    }
}
