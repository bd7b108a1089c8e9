// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Foundation
import HTTPTransport
import ObjectStorage
import Synchronization
import TestParts
import Testing

/// The stores that the contract of `ObjectStore` is tried on.
enum TestedStore: String, CaseIterable, Sendable {
    case folder
    case seaweed
    case rclone
    case moto
    /// rclone, by WebDAV.
    case webdav
    case openSSH
    case rcloneSFTP
    /// The double of Azure.
    case azure
    /// The double of Google Cloud Storage.
    case google

    /// Whether two writers of one key at one instant are told apart, always. SeaweedFS compares and then writes: of
    /// eight `PUT` with `If-Match` at once two were seen to succeed. A lease is confirmed before a commit for that
    /// reason too.
    var isSafeInARace: Bool { [.folder, .azure, .google].contains(self) }

    /// Whether uploads that nobody finished can be listed.
    var listsLeftovers: Bool { self != .google }
}

/// A store, and a look at it that does not go through our code.
struct StoreWithWitness: Sendable {
    let kind: TestedStore
    let location: StoreLocation
    let configuration: StoreConfiguration
    let witness: Witness

    /// AWS takes no less, and moto and SeaweedFS do as AWS does.
    static let partSizeBytes = 5 << 20

    enum Witness: Sendable {
        case folder(URL)
        case bucket(S3Service, String, prefix: String)
        case container(AzureService, String, prefix: String)
        case google(GoogleStorageDouble, String, prefix: String)
    }

    func withStore<Result>(_ body: (any ObjectStore) async throws -> Result) async throws -> Result {
        try await withObjectStore(location, configuration: configuration, body)
    }

    /// The size of every visible object, by key.
    func visible() async throws -> [String: Int] {
        switch witness {
        case .folder(let root):
            var found: [String: Int] = [:]
            for file in try Self.files(root) where !file.contains("partial~") {
                found[file] = try Data(contentsOf: root.appendingPathComponent(file)).count
            }
            return found
        case .bucket(let service, let bucket, let prefix):
            let objects = try await service.objects(in: bucket, prefix: prefix)
            return Dictionary(uniqueKeysWithValues: objects.map { (String($0.key.dropFirst(prefix.count)), $0.bytes) })
        case .container(let service, let container, let prefix):
            let blobs = try await service.blobs(in: container, prefix: prefix)
            return Dictionary(uniqueKeysWithValues: blobs.map { (String($0.name.dropFirst(prefix.count)), $0.bytes) })
        case .google(let double, let bucket, let prefix):
            let objects = try await double.objects(in: bucket).filter { $0.key.hasPrefix(prefix) }
            return Dictionary(uniqueKeysWithValues: objects.map { (String($0.key.dropFirst(prefix.count)), $0.value) })
        }
    }

    /// How many uploads or temporary files are unfinished.
    func unfinished() async throws -> Int {
        switch witness {
        case .folder(let root): return try Self.files(root).count { $0.contains("partial~") }
        case .container(let service, let container, _): return try await service.unfinished(in: container).count
        case .google(let double, let bucket, _): return try await double.uploads(in: bucket)
        case .bucket(let service, let bucket, _):
            do {
                return try await service.uploads(in: bucket).count
            } catch let error as S3OracleError where error.code == "NoSuchUpload" {
                // How rclone says that there are none.
                return 0
            }
        }
    }

    func expect(visible: [String: Int], at place: SourceLocation = #_sourceLocation) async throws {
        let found = try await self.visible()
        #expect(found == visible, sourceLocation: place)
    }

    func expectNothingUnfinished(at place: SourceLocation = #_sourceLocation) async throws {
        var count = try await unfinished()
        // rclone answers MOVE and DELETE before it has done them on its disk, where the witness looks.
        for _ in 0..<100 where kind == .webdav && count > 0 {
            try await Task.sleep(for: .milliseconds(50))
            count = try await unfinished()
        }
        #expect(count == 0, "uploads or temporary files are left", sourceLocation: place)
    }

    /// Whether a list and a look tell the same of an object. rclone rounds its time in lists to the nearest
    /// millisecond, and in headers down to the second.
    func isSame(_ listed: StoredObject?, _ found: StoredObject?) -> Bool {
        guard kind == .rclone, let listed, let found else { return listed == found }
        return listed.key == found.key && listed.bytes == found.bytes && listed.version == found.version
            && abs(listed.modifiedAtSeconds - found.modifiedAtSeconds) <= 1
    }

    func read(_ key: ObjectKey) async throws -> [UInt8] {
        switch witness {
        case .folder(let root): Array(try Data(contentsOf: root.appendingPathComponent(key.description)))
        case .bucket(let service, let bucket, let prefix): try await service.get(prefix + key.description, in: bucket)
        case .container(let service, let container, let prefix):
            try await service.get(prefix + key.description, in: container)
        case .google(let double, let bucket, let prefix): try await double.get(prefix + key.description, in: bucket)
        }
    }

    /// Puts an object that is none of ours.
    func place(_ key: String, _ bytes: [UInt8]) async throws {
        switch witness {
        case .folder(let root):
            let file = root.appendingPathComponent(key)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(),
                withIntermediateDirectories: true
            )
            try Data(bytes).write(to: file, options: .atomic)
        case .bucket(let service, let bucket, let prefix): try await service.put(prefix + key, in: bucket, bytes)
        case .container(let service, let container, let prefix):
            try await service.put(prefix + key, in: container, bytes)
        case .google(let double, let bucket, let prefix): try await double.put(prefix + key, in: bucket, bytes)
        }
    }

    private static func files(_ root: URL) throws -> [String] {
        guard let found = FileManager.default.enumerator(atPath: root.path) else { return [] }
        return found.compactMap { $0 as? String }.filter { path in
            var isFolder: ObjCBool = false
            let exists = FileManager.default.fileExists(
                atPath: root.appendingPathComponent(path).path,
                isDirectory: &isFolder
            )
            return exists && !isFolder.boolValue
        }
    }
}

extension RequestClock {
    /// The clock of the system, with waits so short that a test does not notice them.
    static let hasty = RequestClock(
        secondsSince1970: RequestClock.system.secondsSince1970,
        sleep: { try await Task.sleep(for: min($0, .milliseconds(20))) },
        chance: { 0.5 }
    )
}

/// Starts a store of a kind, empty.
func withTestedStore<Result: Sendable>(
    _ kind: TestedStore,
    _ body: (StoreWithWitness) async throws -> Result
) async throws -> Result {
    switch kind {
    case .folder:
        try await withTemporaryFolder { folder async throws in
            let store = StoreWithWitness(
                kind: kind,
                location: .folder(path: folder.path),
                configuration: StoreConfiguration(),
                witness: .folder(folder)
            )
            return try await body(store)
        }
    case .seaweed: try await withSeaweedFS { try await body(bucket(kind, $0)) }
    case .rclone: try await withRcloneS3 { try await body(bucket(kind, $0)) }
    case .moto: try await withMoto { try await body(bucket(kind, $0)) }
    case .webdav:
        try await withTemporaryFolder { folder async throws in
            try await withRcloneWebDAV(folder: folder) { service async throws in
                let root = folder.appendingPathComponent("some/prefix")
                try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
                var configuration = StoreConfiguration(environment: service.environment)
                configuration.clock = .hasty
                configuration.logger.logLevel = .error
                let store = StoreWithWitness(
                    kind: kind,
                    location: try StoreLocation(parsing: "webdav://127.0.0.1:\(service.port)/some/prefix"),
                    configuration: configuration,
                    witness: .folder(root)
                )
                return try await body(store)
            }
        }
    case .openSSH: try await withOpenSSH { try await body(StoreWithWitness($0, kind)) }
    case .rcloneSFTP: try await withRcloneSFTP { try await body(StoreWithWitness($0, kind)) }
    case .azure: try await withAzure { try await body(.azure($0)) }
    case .google: try await withGoogleStorage { try await body(.google($0)) }
    }
}

private func bucket(_ kind: TestedStore, _ service: S3Service) async throws -> StoreWithWitness {
    let bucket = try await service.makeBucket()
    var configuration = StoreConfiguration(environment: service.environment)
    configuration.partSizeBytes = StoreWithWitness.partSizeBytes
    configuration.clock = .hasty
    configuration.logger.logLevel = .error
    return StoreWithWitness(
        kind: kind,
        location: try StoreLocation(parsing: "s3://\(bucket)/some/prefix"),
        configuration: configuration,
        witness: .bucket(service, bucket, prefix: "some/prefix/")
    )
}

extension ObjectStore {
    /// Stages and commits.
    @discardableResult
    func write(_ key: ObjectKey, _ bytes: [UInt8], chunkSizeBytes: Int = 100_000) async throws -> StoredObject {
        try await stage(key, estimatedBytes: nil, from: chunked(bytes, chunkSizeBytes)).commit()
    }

    func readAll(_ key: ObjectKey) async throws -> [UInt8] {
        try await read(key, bytesMax: .max).bytes
    }
}

/// Bytes as a stream of chunks.
func chunked(_ bytes: [UInt8], _ sizeBytes: Int = 100_000) -> ByteStream {
    ByteStream(
        stride(from: 0, to: bytes.count, by: sizeBytes).map { Array(bytes[$0..<min($0 + sizeBytes, bytes.count)]) }
    )
}

/// A stream that gives these bytes and then fails.
func failing(after bytes: [UInt8], with error: any Error) -> ByteStream {
    let rest = Mutex(
        stride(from: 0, to: bytes.count, by: 100_000).map { Array(bytes[$0..<min($0 + 100_000, bytes.count)]) }[...]
    )
    return ByteStream {
        guard let chunk = rest.withLock({ $0.popFirst() }) else { throw error }
        return chunk
    }
}
