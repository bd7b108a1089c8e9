// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// What a web identity token says of itself, for messages: it is verified by whoever is asked to believe it. None of it
/// is secret; the signature is, and is not kept.
struct TokenClaims: Decodable {
    private var iss: String?
    private var sub: String?
    private var aud: Audience?
    private var exp: Double?

    private enum Audience: Decodable {
        case one(String)
        case many([String])

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let one = try? container.decode(String.self) {
                self = .one(one)
            } else {
                self = .many(try container.decode([String].self))
            }
        }

        var text: String {
            switch self {
            case .one(let text): text
            case .many(let list): list.joined(separator: ", ")
            }
        }
    }

    /// - Returns: `nil` when it is no JSON Web Token.
    init?(_ token: String) {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3 else { return nil }
        var payload = String(parts[1]).replacing("-", with: "+").replacing("_", with: "/")
        while payload.utf8.count % 4 != 0 { payload += "=" }
        guard let bytes = Data(base64Encoded: payload),
            let claims = try? JSONDecoder().decode(TokenClaims.self, from: bytes)
        else { return nil }
        self = claims
    }

    /// `sub system:serviceaccount:prod:redoubt-backup, aud sts.amazonaws.com, iss https://…`
    var text: String {
        [("sub", sub), ("aud", aud?.text), ("iss", iss)].compactMap { name, value in
            value.flatMap { AnswerText.quotable($0) }.map { "\(name) \($0)" }
        }.joined(separator: ", ")
    }

    /// In seconds since 1970.
    var endsAtSeconds: Int64? { exp.flatMap { (0..<1e12).contains($0) ? Int64($0) : nil } }
}
