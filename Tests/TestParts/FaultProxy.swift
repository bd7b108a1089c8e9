// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A TCP proxy on the loopback that breaks connections the way a test asks for. Started and ended by `withFaultProxy`.
package final class FaultProxy: Sendable {
    /// Which bytes a fault is about.
    package enum Direction: Sendable, Hashable {
        case toServer
        case toClient
    }

    /// What goes wrong. Offsets count the bytes of one connection in one direction.
    package enum Fault: Sendable, Hashable {
        /// Both sides see the end (FIN) after so many bytes.
        case close(afterBytes: Int)
        /// Both sides see a reset (RST) after so many bytes.
        case reset(afterBytes: Int)
        /// Both sides see a reset instead of what the other one says after so many bytes went to the server: a reply
        /// that is lost. For bytes to the client.
        case loseReply(afterBytesToServer: Int)
        /// Nothing more is forwarded after so many bytes; the connection stays open.
        case stall(afterBytes: Int)
        /// Each chunk waits so long.
        case delay(milliseconds: Int)
        case bandwidth(bytesPerSecond: Int)
        /// Bytes are forwarded in pieces of this size, each in a segment of its own.
        case slices(bytes: Int)
        /// The bits of `mask` are turned over in one byte.
        case flip(atByte: Int, mask: UInt8)
    }

    /// Which connections a fault is about; they count from 1.
    package enum Connections: Sendable, Hashable {
        case all
        case only(Int)
        case first(Int)
        case from(Int)

        func contains(_ index: Int) -> Bool {
            switch self {
            case .all: true
            case .only(let one): index == one
            case .first(let count): index <= count
            case .from(let first): index >= first
            }
        }
    }

    /// A connection that came, and what was forwarded.
    package struct Record: Sendable {
        package let index: Int
        package internal(set) var bytesToServer = 0
        package internal(set) var bytesToClient = 0
        package internal(set) var wasRefused = false
        package internal(set) var isOpen = true
    }

    private struct Rule {
        let fault: Fault
        let direction: Direction
        let connections: Connections
    }

    private struct State {
        var port = 0
        var rules: [Rule] = []
        var refused: Connections?
        var isFrozen = false
        var records: [Record] = []
        var open: [Int: (client: ByteChannel, server: ByteChannel)] = [:]
        var broken: Set<Int> = []
    }

    private let state = Mutex(State())

    fileprivate init() {}

    /// Where clients connect.
    package var port: Int { state.withLock { $0.port } }

    package var url: String { "http://127.0.0.1:\(port)" }

    /// Adds a fault; connections that are open already get it too, from their next chunk on.
    package func add(_ fault: Fault, _ direction: Direction, on connections: Connections = .all) {
        state.withLock { $0.rules.append(Rule(fault: fault, direction: direction, connections: connections)) }
    }

    /// Resets these connections as soon as they come.
    package func refuse(_ connections: Connections) {
        state.withLock { $0.refused = connections }
    }

    /// Takes all faults back; a stalled connection goes on.
    package func clear() {
        state.withLock { state in
            state.rules = []
            state.refused = nil
            state.isFrozen = false
        }
    }

    /// Holds all bytes of all connections back, until `clear`.
    package func freeze() {
        state.withLock { $0.isFrozen = true }
    }

    /// Resets all connections that are open.
    package func resetAll() async {
        for (index, (client, server)) in state.withLock({ $0.open }) {
            breakOff(index)
            await client.reset()
            await server.reset()
        }
    }

    /// Every connection that came, in order.
    package var connections: [Record] { state.withLock { $0.records } }
    package var bytesToServer: Int { connections.reduce(0) { $0 + $1.bytesToServer } }
    package var bytesToClient: Int { connections.reduce(0) { $0 + $1.bytesToClient } }
}

extension FaultProxy {
    /// Carries one connection until both directions have ended, or a fault ends it.
    fileprivate func carry(_ client: ByteChannel, _ index: Int, to host: String, _ port: Int) async throws {
        let isRefused = state.withLock { state in
            state.records.append(Record(index: index))
            return state.refused?.contains(index) ?? false
        }
        if isRefused {
            change(index) { $0.wasRefused = true }
            return await client.reset()
        }
        guard let server = try? await ByteChannel.connect(host: host, port: port) else { return await client.reset() }
        state.withLock { $0.open[index] = (client, server) }
        await withTaskCancellationHandler {
            // Either direction's failure ends both; the end of one direction does not.
            try? await withThrowingTaskGroup(of: Void.self) { pumps in
                pumps.addTask { try await self.pump(index, .toServer, from: client, to: server) }
                pumps.addTask { try await self.pump(index, .toClient, from: server, to: client) }
                for try await _ in pumps {}
            }
        } onCancel: {
            server.closeSoon()
        }
        await server.close()
        state.withLock { _ = $0.open.removeValue(forKey: index) }
    }

    private func pump(
        _ index: Int,
        _ direction: Direction,
        from source: ByteChannel,
        to target: ByteChannel
    ) async throws {
        var offset = 0
        while true {
            let room = try await obey(index, direction, at: offset, source, target)
            guard var bytes = try await source.read(upTo: room) else {
                // The end that a fault made is not to be passed on as if the peer had sent it.
                return isBroken(index) ? () : try await target.closeWriting()
            }
            for fault in faults(index, direction) {
                switch fault {
                case .loseReply(let limit) where bytesToServer(index) >= limit:
                    try await breakWithReset(index, source, target)
                case .flip(let position, let mask) where offset <= position && position < offset + bytes.count:
                    bytes[position - offset] ^= mask
                case .delay(let milliseconds): try await Task.sleep(for: .milliseconds(milliseconds))
                case .bandwidth(let rate): try await Task.sleep(for: .seconds(Double(bytes.count) / Double(rate)))
                default: break
                }
            }
            // A freeze may have come while we waited for these bytes.
            while state.withLock({ $0.isFrozen }) { try await Task.sleep(for: .milliseconds(10)) }
            try await target.write(bytes)
            offset += bytes.count
            change(index) { record in
                if direction == .toServer { record.bytesToServer = offset } else { record.bytesToClient = offset }
            }
        }
    }

    /// Does what is due at this offset, and tells how many bytes may follow before something else is.
    private func obey(
        _ index: Int,
        _ direction: Direction,
        at offset: Int,
        _ source: ByteChannel,
        _ target: ByteChannel
    ) async throws -> Int {
        while true {
            var room = 64 * 1024
            var holds = state.withLock { $0.isFrozen }
            for fault in faults(index, direction) {
                switch fault {
                case .close(let limit) where offset >= limit:
                    breakOff(index)
                    await target.close()
                    await source.close()
                    throw CancellationError()
                case .reset(let limit) where offset >= limit: try await breakWithReset(index, source, target)
                case .stall(let limit) where offset >= limit: holds = true
                case .close(let limit), .reset(let limit), .stall(let limit): room = min(room, limit - offset)
                case .slices(let bytes): room = min(room, bytes)
                case .bandwidth(let rate): room = min(room, max(1, rate / 20))
                case .delay, .flip, .loseReply: break
                }
            }
            if !holds { return room }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    private func faults(_ index: Int, _ direction: Direction) -> [Fault] {
        state.withLock { state in
            state.rules.filter { $0.direction == direction && $0.connections.contains(index) }.map(\.fault)
        }
    }

    private func bytesToServer(_ index: Int) -> Int {
        state.withLock { state in state.records.first { $0.index == index }?.bytesToServer ?? 0 }
    }

    private func breakWithReset(_ index: Int, _ source: ByteChannel, _ target: ByteChannel) async throws {
        breakOff(index)
        await target.reset()
        await source.reset()
        throw CancellationError()
    }

    private func breakOff(_ index: Int) {
        state.withLock { _ = $0.broken.insert(index) }
    }

    private func isBroken(_ index: Int) -> Bool {
        state.withLock { $0.broken.contains(index) }
    }

    fileprivate func change(_ index: Int, _ body: (inout Record) -> Void) {
        state.withLock { state in
            if let place = state.records.firstIndex(where: { $0.index == index }) { body(&state.records[place]) }
        }
    }
}

/// Runs a proxy before a server of the loopback for as long as the scope lasts.
@discardableResult
package func withFaultProxy<Value: Sendable>(
    to port: Int,
    host: String = "127.0.0.1",
    _ body: (FaultProxy) async throws -> Value
) async throws -> Value {
    let proxy = FaultProxy()
    return try await withByteServer { client, index in
        try await proxy.carry(client, index, to: host, port)
        proxy.change(index) { $0.isOpen = false }
    } _: { port in
        proxy.listen(on: port)
        return try await body(proxy)
    }
}

extension FaultProxy {
    fileprivate func listen(on port: Int) {
        state.withLock { $0.port = port }
    }
}
