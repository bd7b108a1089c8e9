// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures

/// Where bytes rest: a folder or a bucket with a prefix, seen as keys with objects.
///
/// The contract, which one conformance suite runs against every implementation:
/// - An object is visible under its key whole or not at all. Staged bytes are not visible.
/// - A key is never overwritten, but through `replace`, which only lease objects use.
/// - `list` gives everything or throws; a listing that breaks off is never a shorter listing.
/// - `noSuchObject` and an absent `stat` mean that the store said so, never that it could not be asked.
/// - Everything that passes is retried inside; a thrown `Failure` is final for this call. Its code tells whether a
///   later run may succeed (`isTransient`). No message holds a credential.
/// - When the calling task is cancelled, every call returns soon, with nothing new made visible. A `commit` that is
///   cancelled or fails may have made its object visible all the same; `discard` takes it back then.
/// - No key is the folder of another one: a store may be unable to hold both `a` and `a/b`.
package protocol ObjectStore: Sendable {
    /// The location, for people: no credentials in it.
    var location: String { get }

    /// Reads `chunks` to their end and keeps them under `key`, not yet visible.
    ///
    /// When the stream throws, or the task is cancelled, what was staged is discarded before the error is passed on.
    /// - Parameter estimatedBytes: about how many bytes will come; sizes the parts, promises nothing.
    /// - Throws: what the stream throws; `.alreadyExists` (also possible at commit), and what the store answers.
    func stage(_ key: ObjectKey, estimatedBytes: Int64?, from chunks: ByteStream) async throws -> any StagedObject

    /// Writes a small object at once, visible only if no object of that key is there.
    /// - Throws: `.alreadyExists` when the key is taken.
    @discardableResult
    func create(_ key: ObjectKey, _ bytes: [UInt8]) async throws -> StoredObject

    /// Replaces a small object if it is still the version given. For leases alone.
    /// - Throws: `.alreadyExists` when the object changed or is gone. After another failure it is the old or the new
    ///   version.
    func replace(_ key: ObjectKey, version: ObjectVersion, with bytes: [UInt8]) async throws -> StoredObject

    /// What the store holds under the key, or `nil` if it holds nothing there.
    /// - Throws: `.noSuchStore` when the bucket or the root folder does not exist.
    func stat(_ key: ObjectKey) async throws -> StoredObject?

    /// Reads an object as a stream, inside the scope of `body`.
    ///
    /// A connection that breaks is resumed at the offset it broke at, on the same version of the object.
    /// The stream throws `.truncated` if fewer bytes come than the store announced, `.alreadyExists` if the object was
    /// replaced meanwhile, and the failure of the connection if it cannot be made again.
    /// - Throws: `.noSuchObject` and `.noSuchStore` before `body` is called, and what `body` throws.
    func withObject<Result: Sendable>(
        _ key: ObjectKey,
        _ body: (StoredObject, ByteStream) async throws -> Result
    ) async throws -> Result

    /// Every object whose key starts with the folder, in the order of keys. Complete, or it throws.
    /// - Throws: `.noSuchStore` when the bucket or the root folder does not exist.
    func list(under folder: KeyFolder) async throws -> [StoredObject]

    /// Removes an object; it is no error if it is not there.
    /// - Throws: `.retained` when a lock or a retention keeps it.
    @discardableResult
    func remove(_ key: ObjectKey) async throws -> Removal

    /// What staging left behind: unfinished uploads and temporary files, whose key starts with the folder. What other
    /// runs are staging right now is among them.
    /// - Throws: `.unsupported` when the provider cannot list them.
    func leftovers(under folder: KeyFolder) async throws -> [Leftover]

    /// Removes one leftover; it is no error if it is gone.
    func remove(_ leftover: Leftover) async throws
}

extension ObjectStore {
    /// Reads a small object whole.
    /// - Throws: `.noSuchObject`; `.unsupported` when it is larger than `bytesMax`.
    package func read(_ key: ObjectKey, bytesMax: Int) async throws -> (object: StoredObject, bytes: [UInt8]) {
        try await withObject(key) { object, chunks in
            var bytes: [UInt8] = []
            for try await chunk in chunks {
                guard bytes.count + chunk.count <= bytesMax else {
                    throw Failure(.unsupported, "read \(key) in \(location): it is larger than \(bytesMax) bytes")
                }
                bytes += chunk
            }
            return (object, bytes)
        }
    }
}

/// Bytes that a store holds and does not show yet: an unfinished multipart upload, or a temporary file that is synced.
package protocol StagedObject: Sendable {
    var key: ObjectKey { get }
    /// How many bytes the store took.
    var bytes: Int64 { get }

    /// Makes the object visible and durable under its key, then asks the store what it holds there.
    ///
    /// May be called again after it threw, and after it succeeded. A reply that got lost is found out by asking.
    /// - Throws: `.alreadyExists` when the key is taken by something else; `.digestMismatch` when the store then holds
    ///   another number of bytes than was sent.
    func commit() async throws -> StoredObject

    /// Gives the bytes up, unless `commit` has returned. Does its best and never throws: what it cannot remove is a
    /// leftover, found by `leftovers`. Works also when the calling task is already cancelled, within a few seconds.
    func discard() async
}

extension StagedObject {
    /// Commits, or gives the bytes up when that fails.
    func commitOrDiscard() async throws -> StoredObject {
        do {
            return try await commit()
        } catch {
            await discard()
            throw error
        }
    }
}

/// An object as the store describes it.
package struct StoredObject: Sendable, Hashable {
    package let key: ObjectKey
    package let bytes: Int64
    /// Seconds since 1970 by the clock of the store.
    package let modifiedAtSeconds: Int64
    package let version: ObjectVersion

    package init(key: ObjectKey, bytes: Int64, modifiedAtSeconds: Int64, version: ObjectVersion) {
        self.key = key
        self.bytes = bytes
        self.modifiedAtSeconds = modifiedAtSeconds
        self.version = version
    }
}

/// What became of an object that was removed.
package enum Removal: Sendable, Hashable {
    /// It is gone, as far as the store says.
    case gone
    /// Nobody sees it any more, and the store says that it keeps it: as a version that is not current.
    case hidden
}

/// What tells two versions of an object apart: an ETag, or inode, size and time of a file. Opaque: never a content
/// hash.
package struct ObjectVersion: Sendable, Hashable {
    package let tag: String

    package init(tag: String) {
        self.tag = tag
    }
}

/// Something that staging left behind.
package struct Leftover: Sendable, Hashable {
    /// The key that it would have had.
    package let key: ObjectKey
    /// An upload id, or the path of a temporary file.
    package let handle: String
    /// Seconds since 1970 by the clock of the store: when the upload began, or the file was last written to.
    package let startedAtSeconds: Int64
    /// How many bytes it takes up, where the store says so with the listing.
    package let bytes: Int64?

    package init(key: ObjectKey, handle: String, startedAtSeconds: Int64, bytes: Int64? = nil) {
        self.key = key
        self.handle = handle
        self.startedAtSeconds = startedAtSeconds
        self.bytes = bytes
    }
}
