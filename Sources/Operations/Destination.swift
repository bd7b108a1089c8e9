// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import Logging
import ObjectStorage

/// A store that a run writes to: whether it is still part of the run, and why not.
package final class Destination: Sendable {
    package let catalog: Catalog
    /// Which of the stores it is, from 0.
    let number: Int
    /// For people; no two stores of a run have the same.
    package let label: String
    private let failureSeen = Monitor<Failure?>(nil)

    init(_ store: any ObjectStore, number: Int, label: String) {
        catalog = Catalog(store: store)
        self.number = number
        self.label = label
    }

    /// Why it dropped out.
    package var failure: Failure? { failureSeen.quietly { $0 } }
    var isIn: Bool { failure == nil }

    /// - Returns: whether this is why: the first failure counts.
    func dropOut(_ failure: Failure) -> Bool {
        failureSeen.change { seen in
            guard seen == nil else { return false }
            seen = failure
            return true
        }
    }

    /// Runs a step at this store. When the store drops out meanwhile, the step is cancelled.
    /// - Parameter undo: undoes a step that came to its end too late.
    /// - Throws: what `step` throws; why the store dropped out.
    func working<Result: Sendable>(
        _ step: @escaping @Sendable () async throws -> Result,
        undo: @Sendable (Result) async -> Void = { _ in }
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result.self) { group in
            group.addTask { try await step() }
            group.addTask { throw try await self.failureSeen.wait { $0 } }
            defer { group.cancelAll() }
            do {
                guard let result = try await group.next() else { throw CancellationError() }
                return result
            } catch {
                group.cancelAll()
                while let late = await group.nextResult() {
                    if case .success(let result) = late { await undo(result) }
                }
                throw error
            }
        }
    }
}

/// The stores that one run writes to at the same time.
///
/// With one store, its failure is that of the run. With several, one that fails drops out, and the others go on while
/// there are any.
package struct Destinations: Sendable {
    package let all: [Destination]
    /// Where bytes wait for a store that is slower than the server.
    let spool: Spool?
    let logger: Logger

    package init(_ stores: [any ObjectStore], spool: Spool? = nil, logger: Logger) {
        var labels: [String] = []
        all = stores.enumerated().map { number, store in
            // Two buckets of one name at different endpoints look the same.
            let label = store.location + (labels.contains(store.location) ? " (store \(number + 1))" : "")
            labels.append(store.location)
            return Destination(store, number: number, label: label)
        }
        self.spool = spool
        self.logger = logger
    }

    var remaining: [Destination] { all.filter(\.isIn) }

    /// Lets a store drop out of the run, and says so.
    func dropOut(_ destination: Destination, _ failure: Failure) {
        guard destination.dropOut(failure) else { return }
        let rest = remaining.isEmpty ? "no store is left" : "the other stores go on"
        logger.error("\(destination.label) drops out of this backup, \(rest): \(failure)")
    }

    /// - Throws: when no store is left, the failure that tells most about why.
    func requireOne() throws {
        guard remaining.isEmpty else { return }
        let failures = all.compactMap(\.failure)
        let worst = Failure.worst(of: failures)
        guard let worst, failures.count > 1 else { throw worst ?? Failure(.usage, "back up: no store is named") }
        throw Failure(
            worst.code,
            "write to \(failures.count) stores: all of them failed, and none has the set",
            cause: worst,
            hint: worst.hint
        )
    }

    /// What a step gave at one store.
    package struct Done<Value: Sendable>: Sendable {
        package let destination: Destination
        package let value: Value
    }

    /// Does a step at every store that is left, at the same time. A store where it fails drops out.
    /// - Throws: when no store is left; `CancellationError`.
    @discardableResult
    func each<Value: Sendable>(
        _ attempt: String,
        _ step: @escaping @Sendable (Destination) async throws -> Value
    ) async throws -> [Done<Value>] {
        if all.count == 1 { return [Done(destination: all[0], value: try await step(all[0]))] }
        let done = await withTaskGroup(of: Done<Value>?.self) { group in
            for destination in remaining {
                group.addTask { await one(destination, attempt, step) }
            }
            return await group.reduce(into: [Done<Value>]()) { done, one in if let one { done.append(one) } }
        }
        try Task.checkCancellation()
        try requireOne()
        return done.sorted { $0.destination.number < $1.destination.number }
    }

    private func one<Value: Sendable>(
        _ destination: Destination,
        _ attempt: String,
        _ step: @escaping @Sendable (Destination) async throws -> Value
    ) async -> Done<Value>? {
        do {
            return Done(destination: destination, value: try await destination.working { try await step(destination) })
        } catch {
            if !Task.isCancelled {
                dropOut(destination, Failure(wrapping: error, attempting: "\(attempt) \(destination.label)"))
            }
            return nil
        }
    }
}

extension Destinations: CustomStringConvertible {
    package var description: String { all.map(\.label).joined(separator: " and ") }
}
