// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// An entry of a list of blobs.
struct AzureEntry: Sendable {
    let key: ObjectKey
    /// `nil` where blocks were uploaded and never committed.
    let object: StoredObject?
    /// See `AzureLook`.
    let discarded: String?
}

extension AzureStore {
    /// Azure gives up to 5000, which is more than is read of one answer.
    private static let entriesMax = 1000

    package func list(under folder: KeyFolder) async throws -> [StoredObject] {
        let found = try await entries(
            under: folder,
            "list \(location)/\(folder)",
            including: ["metadata"]
        )
        return found.filter { $0.discarded == nil }.compactMap(\.object).sorted { $0.key < $1.key }
    }

    /// Every entry of all pages, or it throws.
    func entries(under folder: KeyFolder, _ attempt: String, including extras: [String]) async throws -> [AzureEntry] {
        var operation = StoreOperation(attempt, action: Right.read, "GET")
        operation.query = [
            ("restype", "container"), ("comp", "list"), ("prefix", fullPrefix(folder)),
            ("include", extras.joined(separator: ",")), ("maxresults", "\(Self.entriesMax)"),
        ]
        var entries: [AzureEntry] = []
        var seen: Set<String> = []
        var marker: String?
        repeat {
            var page = operation
            if let marker { page.query.append(("marker", marker)) }
            let (found, next) = try await exchange.perform(page) { response throws(StoreMalformed) in
                try self.entries(in: AzureAnswers.document(response, root: "EnumerationResults"), under: folder)
            }
            entries += found
            marker = next
            // A store that gives the same page again and again would never end.
            if let next, !seen.insert(next).inserted {
                throw Failure(.protocolViolation, "\(attempt): the store gives the same page again and again")
            }
        } while marker != nil
        return entries
    }

    private func entries(
        in page: XMLElement,
        under folder: KeyFolder
    ) throws(StoreMalformed) -> (found: [AzureEntry], next: String?) {
        guard let blobs = page.all("Blobs").first, let marker = page["NextMarker"] else {
            throw StoreMalformed(reason: "the list does not say what it holds, or whether it is complete")
        }
        var found: [AzureEntry] = []
        for blob in blobs.all("Blob") {
            if let entry = try entry(blob, under: folder) { found.append(entry) }
        }
        // There may be more when nothing was found so far, too.
        return (found, marker.isEmpty ? nil : marker)
    }

    /// `nil` when it is none of ours, or a folder of an account with a hierarchical namespace.
    private func entry(_ blob: XMLElement, under folder: KeyFolder) throws(StoreMalformed) -> AzureEntry? {
        guard let name = blob["Name"], !name.isEmpty, let properties = blob.all("Properties").first else {
            throw StoreMalformed(reason: "the list has an entry without a name or without properties")
        }
        guard let key = key(named: name), folder.contains(key) else { return nil }
        let metadata = blob.all("Metadata").first
        if properties["ResourceType"] == "directory" || metadata?[Self.folderName] == "true" { return nil }
        // What was never committed has no time and no ETag; an emulator gives both, and a size of nothing.
        let bytes = properties["Content-Length"].flatMap { Int64($0) } ?? 0
        guard let tag = properties["Etag"], !tag.isEmpty else {
            guard bytes == 0, properties["Last-Modified"] == nil else {
                throw StoreMalformed(reason: "the list says too little about \(key)")
            }
            return AzureEntry(key: key, object: nil, discarded: nil)
        }
        guard properties["Content-Length"] != nil, bytes >= 0,
            let modified = properties["Last-Modified"].flatMap(CivilTime.init(httpDate:))
        else { throw StoreMalformed(reason: "the list says too little about \(key)") }
        let object = StoredObject(
            key: key,
            bytes: bytes,
            modifiedAtSeconds: modified.secondsSince1970,
            version: ObjectVersion(quoting: tag)
        )
        return AzureEntry(key: key, object: object, discarded: metadata?[Self.discardedName])
    }
}
