// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// `azblob://container/prefix`, with options: `?account=…&endpoint-url=…&endpoint-suffix=…&tier=…&tags=…` and
/// `encryption-scope=…`.
///
/// The options make two stores of different accounts possible in one command; elsewhere the environment and the flags
/// of the command say the same. The prefix is taken as it is written, not decoded.
package struct ContainerLocation: Sendable, Hashable, CustomStringConvertible {
    package let container: String
    /// Without a slash at either end; empty for the whole container.
    package let prefix: String
    package private(set) var account: String?
    /// `endpoint-url`
    package private(set) var endpointURL: String?
    /// `endpoint-suffix`: `core.windows.net`, or that of a sovereign cloud.
    package private(set) var endpointSuffix: String?
    package private(set) var tier: AccessTier?
    package private(set) var tags: [BlobTag] = []
    /// `encryption-scope`
    package private(set) var encryptionScope: String?

    /// Where the bytes of snapshots rest. Not `Archive`: what is there cannot be read, and so never be proven.
    package enum AccessTier: String, Sendable, CaseIterable {
        case hot = "Hot"
        case cool = "Cool"
        case cold = "Cold"
    }

    /// - Parameter text: what follows `azblob://`.
    init(parsing text: Substring) throws {
        let path = BucketPath(parsing: text)
        container = path.bucket
        prefix = path.prefix
        guard Self.isValid(container: container) else {
            // Not quoted: it may be a secret that somebody wrote before an @.
            throw Failure(
                .usage,
                "open a store of Azure: what follows azblob:// is not the name of a container",
                hint: "A store is azblob://container/prefix?account=NAME. A container has 3 to 63 characters of "
                    + "a-z 0-9 -. Credentials are not part of it: use AZURE_STORAGE_KEY or an identity."
            )
        }
        try path.requirePlainPrefix(of: "azblob://\(container)")
        if let options = path.options { try take(options: options) }
    }

    package var description: String { "azblob://\(container)" + (prefix.isEmpty ? "" : "/" + prefix) }

    private mutating func take(options text: Substring) throws {
        let options = try LocationOptions(
            parsing: text,
            of: "\(self)",
            known: ["account", "endpoint-url", "endpoint-suffix", "tier", "tags", "encryption-scope"]
        )
        account = options["account"]
        endpointURL = options["endpoint-url"]
        endpointSuffix = options["endpoint-suffix"]
        if let text = options["tier"] {
            guard let known = AccessTier(rawValue: text.prefix(1).uppercased() + text.dropFirst().lowercased()) else {
                throw Failure(
                    .usage,
                    "open \(self): there is no tier \(text) for backups",
                    hint: "The tiers are Hot, Cool and Cold. What is in Archive cannot be read, and so not be proven."
                )
            }
            tier = known
        }
        if let text = options["tags"] { tags = try BlobTag.parse(text, of: self) }
        encryptionScope = options["encryption-scope"]
        guard encryptionScope.map(Self.isValid(scope:)) ?? true else {
            throw Failure(.usage, "open \(self): that is not the name of an encryption scope")
        }
    }

    private static func isValid(container: String) -> Bool {
        (3...63).contains(container.utf8.count) && !container.hasPrefix("-") && !container.hasSuffix("-")
            && container.utf8.allSatisfy { isLowerOrDigit($0) || $0 == UInt8(ascii: "-") }
    }

    private static func isValid(scope: String) -> Bool {
        (3...63).contains(scope.utf8.count)
            && scope.utf8.allSatisfy {
                isLowerOrDigit($0) || (0x41...0x5A).contains($0) || $0 == UInt8(ascii: "-")
            }
    }

    private static func isLowerOrDigit(_ byte: UInt8) -> Bool {
        (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte)
    }
}

/// An index tag of a blob.
package struct BlobTag: Sendable, Hashable {
    package let name: String
    package let value: String

    /// What Azure allows.
    private static let tagsMax = 10

    /// `team=data&env=prod`, decoded.
    fileprivate static func parse(_ text: String, of location: ContainerLocation) throws -> [BlobTag] {
        let tags = text.split(separator: "&").map { pair -> BlobTag? in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, (1...128).contains(parts[0].utf8.count), parts[1].utf8.count <= 256,
                pair.utf8.allSatisfy(isAllowed)
            else { return nil }
            return BlobTag(name: String(parts[0]), value: String(parts[1]))
        }
        let known = tags.compactMap(\.self)
        guard known.count == tags.count, (1...tagsMax).contains(tags.count), Set(known.map(\.name)).count == tags.count
        else {
            throw Failure(
                .usage,
                "open \(location): the tags are not understood",
                hint: "They are written tags=team%3Ddata%26env%3Dprod: 1 to \(tagsMax) names with values of letters, "
                    + "digits, blanks and + - . / : = _"
            )
        }
        return known
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        ObjectKey.isAllowed(byte) || " +/:=".utf8.contains(byte)
    }

    /// As the header `x-ms-tags` wants them.
    static func header(_ tags: [BlobTag]) -> String {
        tags.map { "\(PercentEncoding.component($0.name))=\(PercentEncoding.component($0.value))" }
            .joined(separator: "&")
    }
}
