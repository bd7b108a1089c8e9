// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures

/// Follows the pods of a group for as long as its task lives.
struct PodWatch: Sendable {
    private struct Progress: Sendable {
        var book: PodBook
        /// What was told last; `nil` before the first time.
        var told: [Pod]?
    }

    private let client: KubernetesClient
    private let group: PodGroup
    private let news: PodNews
    private let deadline: ContinuousClock.Instant
    private let progress: Monitor<Progress>

    /// How long one request watches; the server ends it then.
    private static let requestSecondsMax: Int64 = 300
    /// The server sends a bookmark about every minute; where nothing comes for longer, nobody is there any more.
    private static let noProgressSeconds = 90

    init(client: KubernetesClient, group: PodGroup, news: PodNews, deadline: ContinuousClock.Instant) {
        self.client = client
        self.group = group
        self.news = news
        self.deadline = deadline
        progress = Monitor(Progress(book: PodBook(ownerUID: group.ownerUID)))
    }

    func run() async {
        do { try await follow() } catch { news.end(error) }
    }

    private func follow() async throws {
        try await list()
        var failures = 0
        while true {
            let before = version
            do {
                if before == nil { try await list() }
                try await watch()
                news.set(trouble: nil)
            } catch is ResourceExpired {
                forgetVersion()
            } catch let error as WatchError {
                news.set(trouble: failure(.unreachable, "the server ended it: \(error.status.text)"))
                // It does not say what it minds; client-go makes a new list then too.
                forgetVersion()
            } catch let failure as Failure where [.unreachable, .timeout].contains(failure.code) {
                news.set(trouble: failure)
            }
            failures = version == nil || version == before ? failures + 1 : 0
            guard failures > 0 else { continue }
            let seconds = RetryWait.seconds(retry: failures - 1, chance: client.exchange.clock.chance())
            try await client.exchange.clock.sleep(.seconds(seconds))
        }
    }

    private var version: String? { progress.quietly { $0.book.version } }

    private func forgetVersion() {
        progress.quietly { $0.book.version = nil }
    }

    private func list() async throws {
        try await note(try await client.listPods(of: group))
    }

    /// Tells what changed, then remembers it: in this order, so that nothing is lost when this is cancelled in between.
    private func note(_ book: PodBook) async throws {
        let pods = book.pods
        if progress.quietly({ $0.told }) != pods { try await news.put(pods) }
        progress.quietly { $0 = Progress(book: book, told: pods) }
    }

    /// One request, to its end.
    private func watch() async throws {
        let operation = operation
        try await client.exchange.stream(operation) { chunks in
            news.set(trouble: nil)
            do {
                var lines = WatchLines()
                for try await chunk in chunks {
                    for line in try lines.feed(chunk) {
                        var book = progress.quietly { $0.book }
                        try book.apply(try WatchEvent(line: line))
                        try await note(book)
                    }
                }
            } catch let malformed as Malformed {
                throw failure(.protocolViolation, "the answer is not understood: \(malformed.reason)")
            } catch let failure as Failure {
                throw failure.during(client.exchange.name(operation))
            }
        }
    }

    /// A failure of the watch itself.
    func failure(_ code: Failure.Code, _ what: String) -> Failure {
        Failure(code, "\(client.exchange.name(operation)): \(what)")
    }

    private var operation: APIOperation {
        var operation = APIOperation(
            .watch,
            resource: "pods",
            namespace: group.namespace,
            attempt: "watch the pods of \(group.shown)"
        )
        let secondsLeft = (deadline - .now).components.seconds
        operation.query = [
            ("watch", "1"), ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", "\(max(1, min(secondsLeft + 1, Self.requestSecondsMax)))"),
        ]
        if let version { operation.query.append(("resourceVersion", version)) }
        if !group.selector.isEmpty { operation.query.append(("labelSelector", group.selector)) }
        operation.noProgressSeconds = Self.noProgressSeconds
        return operation
    }
}

/// Lists of pods on their way from a watch to whoever follows it, a few at a time.
struct PodNews: Sendable {
    private struct State: Sendable {
        var waiting: [[Pod]] = []
        var hasTold = false
        /// Why the server cannot be heard now; `nil` while it can.
        var trouble: Failure?
        var ending: Result<[Pod]?, any Error>?
    }

    private static let waitingMax = 16
    private let state = Monitor(State())

    /// - Returns: `nil` when the time is over.
    func next() async throws -> [Pod]? {
        try await state.wait { state -> Result<[Pod]?, any Error>? in
            if let ending = state.ending { return ending }
            return state.waiting.isEmpty ? nil : .success(state.waiting.removeFirst())
        }.get()
    }

    /// Waits until there is room.
    func put(_ pods: [Pod]) async throws {
        try await state.wait { $0.waiting.count < Self.waitingMax ? () : nil }
        state.change { state in
            state.waiting.append(pods)
            state.hasTold = true
        }
    }

    func set(trouble: Failure?) {
        state.quietly { $0.trouble = trouble }
    }

    /// - Parameter silence: what it means when nothing was told by now.
    func endTime(orElse silence: Failure) {
        state.change { state in
            if state.ending != nil { return }
            let failure = state.trouble ?? (state.hasTold ? nil : silence)
            state.ending = failure.map { .failure($0) } ?? .success(nil)
        }
    }

    func end(_ error: any Error) {
        state.change { state in
            if state.ending == nil { state.ending = .failure(error) }
        }
    }
}
