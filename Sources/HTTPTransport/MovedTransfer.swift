// SPDX-License-Identifier: Apache-2.0

import CCurl
import Failures

/// A transfer as its thread knows it before it runs: `Transfer`, of whichever protocol.
protocol QueuedTransfer: AnyObject, Sendable {
    /// What is attempted, for messages.
    var shown: String { get }

    /// Makes what libcurl moves. On the thread.
    /// - Parameter mayAsk: whether the server is known to answer, or not known, when it is asked before a large body.
    func begin(mayAsk: Bool) throws -> any MovedTransfer

    /// Lets the task look at what has come.
    func wake()

    /// The last word about this transfer.
    func end(_ ending: Result<Void, any Error>)
}

/// A transfer that libcurl moves: its handle, and what the callbacks need. Made, used and freed on one thread.
protocol MovedTransfer: AnyObject {
    var queued: any QueuedTransfer { get }
    var easy: EasyHandle { get }
    /// Bytes came that the reader was not told of yet.
    var hasNews: Bool { get set }
    /// Nothing more is wanted of it: libcurl is about to let go of the handle.
    var isOver: Bool { get set }
    /// Whether the server took the body, and never answered the question whether it should be sent.
    var wasAskedInVain: Bool { get }
    /// The failure of a transfer in which nothing moved for too long.
    var stall: Failure { get }

    /// How the transfer ended, now that libcurl has come to its end.
    func outcome(_ code: CURLcode) -> Result<Void, any Error>
    /// What a code of libcurl means for whoever sent the request. `nil` when all is well.
    func failure(of code: CURLcode) -> Failure?
    /// Goes on after the task took what was waiting, or gave what was waited for.
    func resume() -> CURLcode
    /// When the bandwidth lets it go on; `nil` when it is not held back.
    var heldUntil: ContinuousClock.Instant? { get }
    /// Goes on in the directions in which it may by now.
    func release(at now: ContinuousClock.Instant) -> CURLcode
    /// Whether nothing moved for as long as the request allows.
    func isStalled(at now: ContinuousClock.Instant) -> Bool
}
