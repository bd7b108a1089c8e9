// SPDX-License-Identifier: Apache-2.0

import CCurl
import Failures

/// What the thread does: moves transfers, tells their readers, ends the ones that are over or stand still.
final class TransferLoop {
    /// Often enough for deadlines in seconds.
    private static let turnMilliseconds: Int32 = 250
    private static let idleMilliseconds: Int32 = 60_000

    private(set) var isStopping = false
    private let multi: MultiHandle
    private let maxConnections: Int
    private var queued: [any QueuedTransfer] = []
    private var running: [UnsafeMutableRawPointer: any MovedTransfer] = [:]
    private var lookedAt = ContinuousClock.now
    /// A server that once left the question unanswered is not asked again: each time costs seconds.
    private var mayAsk = true

    init(_ multi: MultiHandle, maxConnections: Int) {
        self.multi = multi
        self.maxConnections = maxConnections
    }

    /// Obeys, moves what can be moved, and waits until there is more to do.
    func turn(_ commands: [TransferThread.Command]) {
        commands.forEach(obey)
        startQueued()
        releaseHeld()
        do {
            try multi.perform()
            endFinished()
            for each in running.values where each.hasNews {
                each.hasNews = false
                each.queued.wake()
            }
            endStalled()
            // A place that became free is taken at once.
            guard !isStopping, queued.isEmpty || running.count >= maxConnections else { return }
            try multi.poll(milliseconds: waitMilliseconds)
        } catch {
            endAll { _ in .failure(error) }
        }
    }

    private func obey(_ command: TransferThread.Command) {
        switch command {
        case .start(let transfer):
            if isStopping { transfer.end(.failure(TransferThread.closed(transfer))) } else { queued.append(transfer) }
        case .resume(let transfer):
            guard let each = find(transfer) else { return }
            let code = each.resume()
            if let failure = each.failure(of: code) { end(each, .failure(failure)) }
        case .abort(let transfer):
            if let each = find(transfer) { end(each, .failure(CancellationError())) }
            queued.removeAll { $0 === transfer }
            transfer.end(.failure(CancellationError()))
        case .stop:
            isStopping = true
            endAll { .failure(TransferThread.closed($0)) }
        }
    }

    /// How long there may be nothing to do, unless something moves.
    private var waitMilliseconds: Int32 {
        if running.isEmpty { return Self.idleMilliseconds }
        guard let due = running.values.compactMap({ $0.heldUntil }).min() else { return Self.turnMilliseconds }
        let wait = (due - .now) / .milliseconds(1)
        return max(1, Int32(min(wait.rounded(.up), Double(Self.turnMilliseconds))))
    }

    /// Lets go on what the bandwidth held back.
    private func releaseHeld() {
        let now = ContinuousClock.now
        for each in running.values where each.heldUntil.map({ $0 <= now }) ?? false {
            let code = each.release(at: now)
            if let failure = each.failure(of: code) { end(each, .failure(failure)) }
        }
    }

    private func find(_ transfer: any QueuedTransfer) -> (any MovedTransfer)? {
        running.values.first { $0.queued === transfer }
    }

    private func startQueued() {
        while running.count < maxConnections, let transfer = queued.first {
            queued.removeFirst()
            do {
                let each = try transfer.begin(mayAsk: mayAsk)
                try multi.add(each.easy)
                running[each.easy.pointer] = each
            } catch {
                transfer.end(.failure(error))
            }
        }
    }

    private func endFinished() {
        while let (easy, code) = multi.nextEnded() {
            guard let each = running[easy] else { continue }
            if each.wasAskedInVain { mayAsk = false }
            end(each, each.outcome(code))
        }
    }

    private func endStalled() {
        let now = ContinuousClock.now
        guard now - lookedAt >= .milliseconds(Int(Self.turnMilliseconds) / 2) else { return }
        lookedAt = now
        for each in running.values where each.isStalled(at: now) { end(each, .failure(each.stall)) }
    }

    private func endAll(_ ending: (any QueuedTransfer) -> Result<Void, any Error>) {
        for each in running.values { end(each, ending(each.queued)) }
        for transfer in queued { transfer.end(ending(transfer)) }
        queued = []
    }

    private func end(_ each: any MovedTransfer, _ ending: Result<Void, any Error>) {
        each.isOver = true
        multi.remove(each.easy)
        running[each.easy.pointer] = nil
        each.queued.end(ending)
    }
}
