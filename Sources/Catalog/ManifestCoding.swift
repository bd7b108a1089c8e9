// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials
import ObjectStorage

extension Manifest {
    /// The largest manifest that is read, in bytes: a thousand members take about one megabyte.
    package static let sizeBytesMax = 16 << 20

    /// The manifest as JSON: sorted keys, two-space indentation, a final newline.
    package func encoded() throws -> [UInt8] { try RecordCoding.encoded(self) }

    /// Reads a manifest and holds it against its own rules: nothing in it is believed because it is there.
    /// - Throws: `.corruptManifest`; `.unsupported` for a format of a later program.
    package init(decoding bytes: [UInt8]) throws {
        let format: Int
        do {
            format = try RecordCoding.format(of: bytes)
        } catch {
            throw Failure(
                .corruptManifest,
                "read a manifest of \(bytes.count) bytes: it is not JSON with a format number"
            )
        }
        guard format <= Self.formatNumber else {
            throw Failure(
                .unsupported,
                "read a manifest of format \(format): a later redoubt wrote it, and this one reads format "
                    + "\(Self.formatNumber)",
                hint: "Use a newer redoubt."
            )
        }
        guard format == Self.formatNumber else {
            throw Failure(.corruptManifest, "read a manifest of \(bytes.count) bytes: there is no format \(format)")
        }
        do {
            self = try JSONDecoder().decode(Manifest.self, from: Data(bytes))
        } catch let error as DecodingError {
            throw Failure(.corruptManifest, "read a manifest of \(bytes.count) bytes: \(Self.reason(error))")
        } catch {
            throw Failure(
                .corruptManifest,
                "read a manifest of \(bytes.count) bytes",
                cause: Failure(wrapping: error, attempting: "decode it")
            )
        }
        try validate()
    }

    /// What decoding stopped at, and where; the library's own text is a page long.
    private static func reason(_ error: DecodingError) -> String {
        switch error {
        case .keyNotFound(let key, let context): "the field \(place(context.codingPath + [key])) is missing"
        case .valueNotFound(_, let context): "the field \(place(context.codingPath)) is empty"
        case .typeMismatch(_, let context), .dataCorrupted(let context):
            context.codingPath.isEmpty
                ? "it is not the document that it should be"
                : "the field \(place(context.codingPath)) cannot be read"
        @unknown default: "it is not the document that it should be"
        }
    }

    /// As docs/backup-format.md writes it: `members[0].rdb.bytes`.
    private static func place(_ path: [any CodingKey]) -> String {
        path.reduce("") { place, key in
            if let index = key.intValue { return place + "[\(index)]" }
            return place + (place.isEmpty ? "" : ".") + key.stringValue
        }
    }

    private func validate() throws {
        guard ObjectKey.isValid(component: name) else {
            throw Failure(.corruptManifest, "read the manifest of \(id): \(String(reflecting: name)) cannot be a name")
        }
        guard tags?.allSatisfy(Self.isTag) != false else {
            throw Failure(.corruptManifest, "read the manifest of \(id): one of its tags cannot be one")
        }
        if let previous, previous.id >= id || !Self.isDigest(previous.manifestSha256) {
            throw Failure(.corruptManifest, "read the manifest of \(id): what it says of the set before cannot be")
        }
        guard members.count <= Self.membersMax else {
            throw Failure(.corruptManifest, "read the manifest of \(id): it has \(members.count) members")
        }
        var seen: Set<String> = []
        for member in members {
            guard ObjectKey.isValid(component: member.member), seen.insert(member.member).inserted else {
                throw broken(member, "its name cannot be one, or stands twice")
            }
            guard (member.stored == nil) == (member.rdb == nil), (member.stored == nil) != (member.error == nil) else {
                throw broken(member, "it must have either a snapshot and what is stored of it, or an error")
            }
            try validateStored(of: member)
        }
    }

    /// A cluster has at most a thousand nodes; so many pebibytes still add up.
    private static let membersMax = 4096
    /// A pebibyte: no snapshot is larger.
    private static let bytesMax: Int64 = 1 << 50
    /// A year.
    private static let secondsMax = 366.0 * 86400

    private func validateStored(of member: Member) throws {
        for seconds in [member.seconds?.save, member.seconds?.stream].compactMap({ $0 })
        where !(0...Self.secondsMax).contains(seconds) {
            throw broken(member, "a duration in it cannot be one")
        }
        guard let stored = member.stored, let rdb = member.rdb else { return }
        guard let key = ObjectKey(parsing: stored.key), key.components.count == 3,
            key.components.starts(with: [name, id.text])
        else {
            throw broken(member, "its key \(String(reflecting: stored.key)) is not in the folder of the set")
        }
        let sizes = 0...Self.bytesMax
        guard sizes.contains(stored.bytes), sizes.contains(rdb.bytes), Self.isDigest(stored.sha256),
            Self.isDigest(rdb.sha256)
        else {
            throw broken(member, "a size or a digest in it cannot be one")
        }
        guard stored.recipients.map(Self.areFingerprints) ?? true else {
            throw broken(member, "whom it is encrypted for cannot be read")
        }
        // Later definitions of the digest have another number; this program compares only those that it makes.
        if let digest = rdb.contentDigest {
            let parts = digest.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, UInt64(parts[0]) != nil, Self.isDigest(String(parts[1])) else {
                throw broken(member, "its content digest cannot be one")
            }
        }
    }

    /// They are shown as they are: nothing but printable ASCII, and not too much of it.
    private static func areFingerprints(_ recipients: [String]) -> Bool {
        recipients.allSatisfy { recipient in
            (1...100).contains(recipient.utf8.count) && recipient.utf8.allSatisfy { (0x21...0x7E).contains($0) }
        }
    }

    private static func isDigest(_ text: String) -> Bool {
        text.utf8.count == 64
            && text.utf8.allSatisfy { byte in
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
            }
    }

    private func broken(_ member: Member, _ rule: String) -> Failure {
        Failure(.corruptManifest, "read the manifest of \(id), member \(String(reflecting: member.member)): \(rule)")
    }
}
