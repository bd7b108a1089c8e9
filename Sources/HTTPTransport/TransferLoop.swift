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
    private let configuration: HTTPClientConfiguration
    private var queued: [Transfer] = []
    private var running: [UnsafeMutableRawPointer: RunningTransfer] = [:]
    private var lookedAt = ContinuousClock.now
    /// A server that once left the question unanswered is not asked again: each time costs seconds.
    private var mayAsk = true

    init(_ multi: MultiHandle, _ configuration: HTTPClientConfiguration) {
        self.multi = multi
        self.configuration = configuration
    }

    /// Obeys, moves what can be moved, and waits until there is more to do.
    func turn(_ commands: [TransferThread.Command]) {
        commands.forEach(obey)
        startQueued()
        do {
            try multi.perform()
            endFinished()
            for each in running.values where each.hasNews {
                each.hasNews = false
                each.transfer.wake()
            }
            endStalled()
            // A place that became free is taken at once.
            guard !isStopping, queued.isEmpty || running.count >= configuration.maxConnections else { return }
            try multi.poll(milliseconds: running.isEmpty ? Self.idleMilliseconds : Self.turnMilliseconds)
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

    private func find(_ transfer: Transfer) -> RunningTransfer? {
        running.values.first { $0.transfer === transfer }
    }

    private func startQueued() {
        while running.count < configuration.maxConnections, let transfer = queued.first {
            queued.removeFirst()
            do {
                let each = try RunningTransfer(transfer, configuration, mayAsk: mayAsk)
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

    private func endAll(_ ending: (Transfer) -> Result<Void, any Error>) {
        for each in running.values { end(each, ending(each.transfer)) }
        for transfer in queued { transfer.end(ending(transfer)) }
        queued = []
    }

    private func end(_ each: RunningTransfer, _ ending: Result<Void, any Error>) {
        multi.remove(each.easy)
        running[each.easy.pointer] = nil
        each.transfer.end(ending)
    }
}
