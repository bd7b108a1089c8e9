// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import ObjectStorage

extension Check {
    /// A difference between two clocks that is worth a word, in seconds; S3 refuses requests from 900 on.
    private static let clockSkewSecondsMax: Int64 = 60

    /// Looks at a store: writes a small object, reads it back and removes it; begins an upload and gives it up.
    package func run(_ store: any ObjectStore, suffix: UInt64) async -> [Finding] {
        let subject = store.location
        do {
            let name = "check-\(String(suffix, radix: 16)).json"
            let key = try ObjectKey([".locks", name])
            let bytes = Array("{}".utf8)
            let object = try await store.create(key, bytes)
            var findings = [Finding(subject, "write", .good, "an object can be written")]
            findings.append(await reading(key, bytes, store))
            findings.append(await removing(key, store))
            findings.append(await uploading(try ObjectKey([name]), bytes, store))
            findings.append(Self.clock(subject, object, now: .now()))
            findings.append(await listing(store))
            return findings
        } catch {
            return [Finding(subject, "write", failed: Failure(wrapping: error, attempting: "write to \(subject)"))]
        }
    }

    private func reading(_ key: ObjectKey, _ bytes: [UInt8], _ store: any ObjectStore) async -> Finding {
        do {
            guard try await store.read(key, bytesMax: 1024).bytes == bytes else {
                throw Failure(.digestMismatch, "read \(key) in \(store.location): it is not what was written")
            }
            return Finding(store.location, "read", .good, "and read back")
        } catch {
            return Finding(store.location, "read", failed: Failure(wrapping: error, attempting: "read \(key)"))
        }
    }

    /// A backup needs no right to remove; without it, what a dead run leaves stays until `prune` is run by another
    /// identity.
    private func removing(_ key: ObjectKey, _ store: any ObjectStore) async -> Finding {
        do {
            try await store.remove(key)
            return Finding(store.location, "remove", .good, "and removed")
        } catch {
            return Finding(
                store.location,
                "remove",
                .warning,
                "\(Failure(wrapping: error, attempting: "remove \(key)"))",
                hint: "A backup works without this right, but cannot clean up after a run that was killed."
            )
        }
    }

    /// What a member of a backup begins with, and with it all that the URL of the store says of new objects: tags, a
    /// lock, a storage class. It is given up again, so that nothing becomes visible and nothing is locked.
    private func uploading(_ key: ObjectKey, _ bytes: [UInt8], _ store: any ObjectStore) async -> Finding {
        do {
            let staged = try await store.stage(key, estimatedBytes: nil, from: ByteStream([bytes]))
            await staged.discard()
            return Finding(store.location, "upload", .good, "an upload can be begun and given up")
        } catch {
            return Finding(store.location, "upload", failed: Failure(wrapping: error, attempting: "upload \(key)"))
        }
    }

    private func listing(_ store: any ObjectStore) async -> Finding {
        do {
            let count = try await store.list(under: .root).count
            return Finding(store.location, "list", .good, "\(count) objects")
        } catch {
            return Finding(
                store.location,
                "list",
                failed: Failure(wrapping: error, attempting: "list \(store.location)")
            )
        }
    }

    private static func clock(_ subject: String, _ object: StoredObject, now: Timestamp) -> Finding {
        clock(
            subject,
            aheadSeconds: now.secondsSince1970 - object.modifiedAtSeconds,
            hint: "Set the clock of this machine: S3 refuses requests that are 15 minutes off."
        )
    }

    /// What is to be said of another clock.
    /// - Parameter aheadSeconds: how far ours is ahead of it.
    static func clock(_ subject: String, aheadSeconds: Int64, hint: String) -> Finding {
        guard abs(aheadSeconds) > clockSkewSecondsMax else {
            return Finding(subject, "clock", .good, "within \(clockSkewSecondsMax) s of ours")
        }
        let word = aheadSeconds > 0 ? "ahead of" : "behind"
        return Finding(subject, "clock", .warning, "our clock is \(abs(aheadSeconds)) s \(word) this one", hint: hint)
    }
}

extension Check.Finding {
    /// A single object could only be tried by writing it.
    package init(untried object: String) {
        self.init(
            object,
            "write",
            .warning,
            "not tried: whether the URL is good shows when the one object is written",
            hint: "Read it back after the first backup: redoubt verify --from, with a URL for GET."
        )
    }

    /// A folder that does not exist: a backup makes it, and so would write beside a volume that is not mounted.
    /// Nothing is written to find out more.
    package init(missingFolder path: String, of url: String) {
        self.init(
            url,
            "folder",
            .warning,
            "\(path) does not exist: a backup makes it",
            hint: "If a volume should be mounted there, it is not."
        )
    }
}
