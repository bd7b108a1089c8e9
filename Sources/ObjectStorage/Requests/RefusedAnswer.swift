// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// An answer with a status that is an error.
struct RefusedAnswer: Error {
    let refusal: any StoreRefusal
    let head: HTTPResponseHead

    private static let placeLengthMax = 200

    /// How long the store asks to be left alone: seconds, or a date (RFC 9110, section 10.2.3).
    /// - Parameter clock: for a date in an answer that does not say what time it is there.
    func retryAfterSeconds(by clock: RequestClock) -> Int? {
        guard let text = head["retry-after"] else { return nil }
        if let seconds = Int(text) { return seconds }
        guard let due = CivilTime(httpDate: text) else { return nil }
        let now = head["date"].flatMap(CivilTime.init(httpDate:))?.secondsSince1970 ?? clock.secondsSince1970()
        return Int(clamping: due.secondsSince1970 - now)
    }

    /// The failure that this answer means to an operation.
    ///
    /// Nobody follows a redirect: the credentials are for the host that was named (F55). Where it leads is said.
    func failure(of operation: StoreOperation) -> Failure {
        let failure = refusal.failure(of: operation)
        guard [301, 302, 303, 307, 308].contains(head.status), let place else { return failure }
        return Failure(
            .configuration,
            "\(failure.message), and it points to \(place), where no credentials are sent",
            cause: failure.cause,
            hint: failure.hint ?? "If that is where the store is, name it as the endpoint."
        )
    }

    /// The scheme and the host that the answer points to; a path or a query may hold credentials.
    private var place: String? {
        guard let text = head["location"], let mark = text.firstRange(of: "://") else { return nil }
        let authority = text[mark.upperBound...].prefix { !"/?#".contains($0) }
        let host = authority.split(separator: "@", omittingEmptySubsequences: false).last ?? ""
        let place = text[..<mark.upperBound] + host
        guard !host.isEmpty, place.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
        return String(place.prefix(Self.placeLengthMax))
    }
}
