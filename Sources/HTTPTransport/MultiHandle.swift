// SPDX-License-Identifier: Apache-2.0

import CCurl
import Failures

/// The transfers that one thread moves together: the owner of a `CURLM *`. Stays on that thread.
final class MultiHandle {
    private let pointer: UnsafeMutableRawPointer

    /// `curl_global_init` is called once, before anything else of libcurl.
    private static let globalCode = curl_global_init(Int(CURL_GLOBAL_ALL))

    /// - Parameter keptConnectionsMax: how many idle connections stay open for the next request.
    init(keptConnectionsMax: Int) throws {
        guard Self.globalCode == CURLE_OK, let pointer = curl_multi_init() else {
            throw Failure(.unclassified, "start libcurl: it refuses, with code \(Self.globalCode.rawValue)")
        }
        self.pointer = pointer
        try check(redoubt_curl_multi_set_long(pointer, CURLMOPT_MAXCONNECTS, keptConnectionsMax), "limit connections")
        try check(
            redoubt_curl_multi_set_long(pointer, CURLMOPT_PIPELINING, Int(CURLPIPE_NOTHING)),
            "turn pipelining off"
        )
    }

    deinit {
        curl_multi_cleanup(pointer)
    }

    /// Wakes `poll`; for other threads, and no longer than this lives.
    var waker: Waker { Waker(pointer: pointer) }

    /// Unchecked: `curl_multi_wakeup` is the one function of a multi that libcurl allows on any thread.
    struct Waker: @unchecked Sendable {
        fileprivate let pointer: UnsafeMutableRawPointer

        /// Fails only without memory; a thread that moves something then looks by itself, soon.
        func wake() {
            _ = curl_multi_wakeup(pointer)
        }
    }

    func add(_ easy: EasyHandle) throws {
        try check(curl_multi_add_handle(pointer, easy.pointer), "add a transfer")
    }

    /// Ends what is not ended; its connection is closed then.
    func remove(_ easy: EasyHandle) {
        let code = curl_multi_remove_handle(pointer, easy.pointer)
        precondition(code == CURLM_OK, "a transfer that runs can be removed")
    }

    /// Moves what can be moved without waiting.
    func perform() throws {
        var running: Int32 = 0
        try check(curl_multi_perform(pointer, &running), "move transfers")
    }

    /// Waits until something can be moved, a timer of libcurl is due, somebody wakes it, or the time is over.
    func poll(milliseconds: Int32) throws {
        try check(curl_multi_poll(pointer, nil, 0, milliseconds, nil), "wait for transfers")
    }

    /// A transfer that ended since the last call.
    func nextEnded() -> (easy: UnsafeMutableRawPointer, code: CURLcode)? {
        var left: Int32 = 0
        while let message = curl_multi_info_read(pointer, &left) {
            if message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle {
                return (easy, message.pointee.data.result)
            }
        }
        return nil
    }

    private func check(_ code: CURLMcode, _ attempt: String) throws {
        guard code == CURLM_OK else {
            throw Failure(.unclassified, "\(attempt): libcurl says \(String(cString: curl_multi_strerror(code)))")
        }
    }
}
