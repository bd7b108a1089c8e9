// SPDX-License-Identifier: Apache-2.0

import CCurl
import Failures

/// A transfer that libcurl moves: its handle, and what the callbacks need. Made, used and freed on one thread.
final class RunningTransfer {
    let transfer: Transfer
    let easy: EasyHandle

    /// Bytes came that the reader was not told of yet.
    var hasNews = false
    /// Why a callback broke the transfer off.
    private(set) var refusal: String?

    /// Bodies of this size and above ask first: a refusal, or a kept connection that is dead, is found out before they
    /// are sent.
    private static let askingBytesMin = 1024 * 1024
    private let asksFirst: Bool

    private var uploaded = 0
    private var parser = ResponseHeadParser()
    private var isHeadPublished = false
    private var isPaused = false
    private var movedBytes = 0
    private var movedAt = ContinuousClock.now

    /// - Parameter mayAsk: whether the server is known to answer, or not known, when it is asked before a large body.
    init(_ transfer: Transfer, _ configuration: HTTPClientConfiguration, mayAsk: Bool) throws {
        self.transfer = transfer
        asksFirst = mayAsk && transfer.request.body.count >= Self.askingBytesMin
        easy = try EasyHandle()
        try easy.configure(configuration)
        try easy.configure(transfer.request, tlsServerName: configuration.tlsServerName, asksFirst: asksFirst)
        let owner = Unmanaged.passUnretained(self).toOpaque()
        try easy.setCallback(CURLOPT_HEADERFUNCTION, Self.takeHeader, CURLOPT_HEADERDATA, owner)
        try easy.setCallback(CURLOPT_WRITEFUNCTION, Self.takeBody, CURLOPT_WRITEDATA, owner)
        try easy.setCallback(CURLOPT_READFUNCTION, Self.giveBody, CURLOPT_READDATA, owner)
        try easy.setSeekCallback(Self.seekBody, owner)
    }

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
        movedAt = .now
        return easy.unpause()
    }

    /// Whether nothing moved for as long as the request allows. Time in which the reader does not read, and the time to
    /// connect, which libcurl limits, do not count.
    func isStalled(at now: ContinuousClock.Instant) -> Bool {
        let bytes =
            easy.offset(CURLINFO_SIZE_UPLOAD_T) + easy.offset(CURLINFO_SIZE_DOWNLOAD_T)
            + easy.long(CURLINFO_HEADER_SIZE)
        if isPaused || bytes != movedBytes || easy.offset(CURLINFO_PRETRANSFER_TIME_T) == 0 {
            movedBytes = bytes
            movedAt = now
        }
        return now - movedAt >= .seconds(transfer.request.deadlines.noProgressSeconds)
    }
}

// MARK: What libcurl calls

extension RunningTransfer {
    private static func owner(_ pointer: UnsafeMutableRawPointer?) -> RunningTransfer {
        guard let pointer else { preconditionFailure("libcurl gives back the owner that it was given") }
        return Unmanaged<RunningTransfer>.fromOpaque(pointer).takeUnretainedValue()
    }

    private static let takeHeader:
        @convention(c) (UnsafeMutablePointer<CChar>?, Int, Int, UnsafeMutableRawPointer?) -> Int = {
            line,
            size,
            count,
            pointer in
            owner(pointer).takeHeader(UnsafeRawBufferPointer(start: line, count: size * count)) ? size * count : 0
        }

    private static let takeBody:
        @convention(c) (UnsafeMutablePointer<CChar>?, Int, Int, UnsafeMutableRawPointer?) -> Int = {
            bytes,
            size,
            count,
            pointer in
            let isTaken = owner(pointer).takeBody(UnsafeRawBufferPointer(start: bytes, count: size * count))
            return isTaken ? size * count : Int(CURL_WRITEFUNC_PAUSE)
        }

    private static let giveBody:
        @convention(c) (UnsafeMutablePointer<CChar>?, Int, Int, UnsafeMutableRawPointer?) -> Int = {
            room,
            size,
            count,
            pointer in
            owner(pointer).giveBody(into: UnsafeMutableRawBufferPointer(start: room, count: size * count))
        }

    private static let seekBody: @convention(c) (UnsafeMutableRawPointer?, curl_off_t, Int32) -> Int32 = {
        pointer,
        offset,
        origin in
        owner(pointer).seekBody(to: Int(offset), from: origin) ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL
    }

    private func takeHeader(_ line: UnsafeRawBufferPointer) -> Bool {
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

    private func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
        hasNews = true
        if transfer.append(bytes) { return true }
        publishHead()
        isPaused = true
        return false
    }

    private func giveBody(into room: UnsafeMutableRawBufferPointer) -> Int {
        transfer.request.body.withUnsafeBytes { body in
            let part = UnsafeRawBufferPointer(rebasing: body[uploaded...].prefix(room.count))
            room.copyMemory(from: part)
            uploaded += part.count
            return part.count
        }
    }

    private func seekBody(to offset: Int, from origin: Int32) -> Bool {
        guard origin == 0, (0...transfer.request.body.count).contains(offset) else { return false }
        uploaded = offset
        return true
    }
}
