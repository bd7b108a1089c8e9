// SPDX-License-Identifier: Apache-2.0

import CryptoExtras
import Failures
import FoundationEssentials

/// What a service account signs to get a token: a JSON Web Token with RS256.
///
/// Source: "Using OAuth 2.0 for Server to Server Applications", Google Identity documentation; RFC 7523.
enum ServiceAccountAssertion {
    private static let lifetimeSeconds: Int64 = 3600

    private struct Header: Encodable {
        let alg = "RS256"
        let typ = "JWT"
        let kid: String?
    }

    private struct Claims: Encodable {
        let iss: String
        let scope: String
        let aud: String
        let iat: Int64
        let exp: Int64
    }

    /// - Throws: `.configuration` when the key is none.
    static func text(_ key: ServiceAccountKey, scope: String, atSecondsSince1970 seconds: Int64) throws -> String {
        let claims = Claims(
            iss: key.email,
            scope: scope,
            aud: key.tokenURL,
            iat: seconds,
            exp: seconds + lifetimeSeconds
        )
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let parts = [try encoder.encode(Header(kid: key.keyID)), try encoder.encode(claims)]
        let signed = parts.map { encoded(Array($0)) }.joined(separator: ".")
        do {
            let signer = try _RSA.Signing.PrivateKey(pemRepresentation: key.privateKey)
            // RS256 is this padding by definition, with SHA-256.
            let signature = try signer.signature(for: Data(signed.utf8), padding: .insecurePKCS1v1_5)
            return "\(signed).\(encoded(Array(signature.rawRepresentation)))"
        } catch {
            // Without the error: nobody vouches that it quotes nothing.
            throw Failure(
                .configuration,
                "sign for the service account \(key.email): its private_key is no PEM of an RSA key of 2048 bits"
            )
        }
    }

    /// Base64 for URLs, without padding.
    private static func encoded(_ bytes: [UInt8]) -> String {
        Base64.text(bytes).replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}
