// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// What must hold of a key when a write takes effect.
struct S3Condition: Sendable {
    enum Kind: Sendable, CaseIterable {
        case absentOnPut
        case absentOnComplete
        case sameOnPut
    }

    let kind: Kind
    let header: (name: String, value: String)

    /// Nothing is there.
    static func absent(on kind: Kind) -> S3Condition {
        S3Condition(kind: kind, header: ("If-None-Match", "*"))
    }

    /// What is there is of this version.
    static func same(_ version: ObjectVersion) -> S3Condition {
        S3Condition(kind: .sameOnPut, header: ("If-Match", version.tag))
    }
}

/// What was learned about the provider; it is assumed to know everything until it says otherwise.
final class S3Findings: Sendable {
    private let unknown: SharedValue<Set<S3Condition.Kind>>
    /// Whether the bucket has answered something that it could only answer if it exists.
    let hasSeenBucket = SharedValue(false)
    /// What it was seen to ignore, so that it is said once.
    private let ignored = SharedValue<Set<String>>([])

    /// - Parameter facts: what is known before the first answer.
    init(_ facts: S3Provider.Facts) {
        unknown = SharedValue(facts.knowsConditions ? [] : Set(S3Condition.Kind.allCases))
    }

    func knows(_ kind: S3Condition.Kind) -> Bool { !unknown.value.contains(kind) }

    func doesNotKnow(_ kind: S3Condition.Kind) { unknown.change { $0.insert(kind) } }

    /// - Returns: what of it was not ignored before.
    func ignores(_ options: [String]) -> [String] {
        var news: [String] = []
        ignored.change { ignored in news = options.filter { ignored.insert($0).inserted } }
        return news
    }
}

extension S3Store {
    private enum Outcome<Result> {
        case result(Result)
        case refused(S3Error)
    }

    /// Sends a write under a condition; without it, where the provider says that it does not know such a thing. That is
    /// remembered once the write without it went well.
    func perform<Result>(
        _ operation: StoreOperation,
        under condition: S3Condition,
        read: (HTTPResponse) throws(StoreMalformed) -> Result
    ) async throws -> Result {
        guard findings.knows(condition.kind) else { return try await exchange.perform(operation, read: read) }
        var conditional = operation
        conditional.headers.append(condition.header)
        conditional.answers.formUnion([400, 501])
        let outcome = try await exchange.perform(conditional) { response throws(StoreMalformed) -> Outcome<Result> in
            guard [400, 501].contains(response.head.status) else { return .result(try read(response)) }
            return .refused(dialect.error(response.head, response.body))
        }
        switch outcome {
        case .result(let result): return result
        case .refused(let error) where !error.isUnknownRequest: throw error.failure(of: operation)
        case .refused: break
        }
        let result = try await exchange.perform(operation, read: read)
        findings.doesNotKnow(condition.kind)
        return result
    }
}
