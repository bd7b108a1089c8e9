// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// What the API server says about an error (`metav1.Status`).
struct APIStatus: Sendable, Hashable, Decodable {
    var kind: String?
    var message: String?
    var reason: String?
    var code: Int?

    private static let shownLengthMax = 600

    /// `nil` when the body is no Status: a proxy in between answered, or it is no API server.
    init?(body: [UInt8]) {
        guard let status = try? JSONDecoder().decode(APIStatus.self, from: Data(body)), status.kind == "Status" else {
            return nil
        }
        self = status
    }

    init(reason: String? = nil, message: String? = nil, code: Int? = nil) {
        (kind, self.message, self.reason, self.code) = ("Status", message, reason, code)
    }

    /// In one line of bounded length.
    var text: String {
        let words = message.flatMap { $0.isEmpty ? nil : $0 } ?? reason ?? "no reason given"
        let line = words.split(whereSeparator: \.isNewline).joined(separator: " ")
        return line.count <= Self.shownLengthMax ? line : "\(line.prefix(Self.shownLengthMax))…"
    }
}

/// What a decoder says, without the values that it met: they may be secrets.
enum DecodingText {
    static func of(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, let context):
            "\(place(context.codingPath + [key])) is missing"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            "\(place(context.codingPath)) is of another type"
        case DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty:
            "\(place(context.codingPath)) is of another kind"
        case let malformed as Malformed: malformed.reason
        default: "it is not JSON, or cut off"
        }
    }

    private static func place(_ path: [any CodingKey]) -> String {
        path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
    }
}
