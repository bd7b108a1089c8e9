// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// How one kind of endpoint wants to be asked, and what its answers mean.
protocol StoreDialect: Sendable {
    /// The URL of an object, or of the bucket when there is no key.
    /// - Parameter query: names and values, not encoded.
    func url(key: String?, query: [(name: String, value: String)]) -> String

    /// The request with what proves who sends it. Asked for each try anew: signatures and tokens age.
    /// - Throws: the failure of the source of the credentials; it is final.
    func authorized(
        _ request: HTTPRequest,
        for operation: StoreOperation,
        atSecondsSince1970 seconds: Int64
    ) async throws -> HTTPRequest

    /// What an answer says that is none of success.
    func refusal(_ head: HTTPResponseHead, _ body: [UInt8]) -> any StoreRefusal

    /// Looks for other credentials, because the store says that those of the last request are no longer good.
    /// - Returns: whether there are others, so that it is worth another try.
    func renewCredentials() async throws -> Bool

    /// Takes over where the bucket is, as the store says. Only a name that the dialect makes a host of itself counts.
    /// - Returns: the place, when requests go there from now on.
    func adoptPlace(of refusal: any StoreRefusal) -> String?

    /// The same, where the request tells which credentials are meant: another one may have renewed them already.
    func renewCredentials(after request: HTTPRequest) async throws -> Bool
}

extension StoreDialect {
    func renewCredentials() async throws -> Bool { false }
    func adoptPlace(of refusal: any StoreRefusal) -> String? { nil }
    func renewCredentials(after request: HTTPRequest) async throws -> Bool { try await renewCredentials() }
}

/// What a store answered when it did not do what it was asked.
protocol StoreRefusal: Sendable {
    /// Whether the same request may succeed when it is sent once more.
    var isPassing: Bool { get }
    /// Whether the bucket itself is missing: then an object is not absent, it could not be asked for.
    var isStoreMissing: Bool { get }
    /// Whether the store thinks that our clock is wrong.
    var isAboutClock: Bool { get }
    /// Whether the store says that the bucket is elsewhere.
    var isAboutPlace: Bool { get }
    /// Whether the credentials were good once and are not any more.
    var areCredentialsStale: Bool { get }

    /// The failure that this answer means to an operation.
    func failure(of operation: StoreOperation) -> Failure
}

extension StoreRefusal {
    var isAboutPlace: Bool { false }

    /// Whether the request, signed anew, may succeed.
    var isMendable: Bool { isAboutClock || areCredentialsStale }
}
