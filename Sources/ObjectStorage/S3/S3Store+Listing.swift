// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport
import Logging

extension S3Store {
    package func list(under folder: KeyFolder) async throws -> [StoredObject] {
        var operation = StoreOperation("list \(location)/\(folder)", action: "s3:ListBucket", "GET")
        operation.query = [("list-type", "2"), ("encoding-type", "url"), ("prefix", fullPrefix(folder))]
        var objects: [StoredObject] = []
        var seen: Set<String> = []
        var token: String?
        repeat {
            var page = operation
            if let token { page.query.append(("continuation-token", token)) }
            let (found, next) = try await exchange.perform(page) { response throws(StoreMalformed) in
                try self.objects(in: S3Answers.document(response, root: "ListBucketResult"), under: folder)
            }
            objects += found
            token = next
            // A store that gives the same page again and again would never end.
            if let next, !seen.insert(next).inserted { throw endless(operation) }
        } while token != nil
        findings.hasSeenBucket.value = true
        return objects.sorted { $0.key < $1.key }
    }

    package func leftovers(under folder: KeyFolder) async throws -> [Leftover] {
        var operation = StoreOperation(
            "list the uploads under \(location)/\(folder)",
            action: "s3:ListBucketMultipartUploads",
            "GET"
        )
        operation.query = [("uploads", ""), ("encoding-type", "url"), ("prefix", fullPrefix(folder))]
        operation.answers = [400, 404, 405, 501]
        var leftovers: [Leftover] = []
        var seen: Set<String> = []
        var marker: UploadMarker?
        repeat {
            var page = operation
            if let marker { page.query += [("key-marker", marker.key), ("upload-id-marker", marker.id)] }
            let answer = try await exchange.perform(page) {
                response throws(StoreMalformed) -> Result<UploadPage, S3Error> in
                let head = response.head
                if head.status != 200 {
                    let error = dialect.error(head, response.body)
                    // How rclone says that there are none.
                    return error.code == "NoSuchUpload" ? .success(([], nil)) : .failure(error)
                }
                let document = try S3Answers.document(response, root: "ListMultipartUploadsResult")
                return .success(try self.uploads(in: document, under: folder))
            }
            let (found, next) = try answer.mapError { cannotList($0, operation) }.get()
            leftovers += found
            marker = next
            if let next, !seen.insert("\(next.key)\n\(next.id)").inserted { throw endless(operation) }
        } while marker != nil
        return leftovers.sorted { ($0.key, $0.handle) < ($1.key, $1.handle) }
    }

    private func cannotList(_ error: S3Error, _ operation: StoreOperation) -> Failure {
        let failure = error.failure(of: operation)
        guard error.status == 405 || error.isUnknownRequest else { return failure }
        return Failure(.unsupported, failure.message, hint: "The provider cannot list uploads that were not finished.")
    }

    package func remove(_ leftover: Leftover) async throws {
        var operation = StoreOperation(
            "abort the upload of \(shown(leftover.key))",
            action: "s3:AbortMultipartUpload",
            "DELETE",
            key: fullKey(leftover.key)
        )
        operation.query = [("uploadId", leftover.handle)]
        operation.answers = [204, 404]
        _ = try await exchange.perform(operation)
    }

    // MARK: Pages

    private typealias UploadMarker = (key: String, id: String)
    private typealias UploadPage = (found: [Leftover], next: UploadMarker?)

    private func objects(
        in page: XMLElement,
        under folder: KeyFolder
    ) throws(StoreMalformed) -> (found: [StoredObject], next: String?) {
        var found: [StoredObject] = []
        for entry in page.all("Contents") {
            guard let key = try key(of: entry, in: page), folder.contains(key) else { continue }
            guard let bytes = entry["Size"].flatMap({ Int64($0) }), bytes >= 0, let tag = entry["ETag"], !tag.isEmpty,
                let modified = entry["LastModified"].flatMap(CivilTime.init(iso8601:))
            else { throw StoreMalformed(reason: "the list says too little about \(key)") }
            let version = ObjectVersion(quoting: tag)
            found.append(
                StoredObject(
                    key: key,
                    bytes: bytes,
                    modifiedAtSeconds: modified.secondsSince1970,
                    version: version
                )
            )
        }
        guard try isTruncated(page) else { return (found, nil) }
        guard let token = page["NextContinuationToken"], !token.isEmpty else {
            throw StoreMalformed(reason: "the list goes on, and the store does not say where")
        }
        return (found, token)
    }

    private func uploads(in page: XMLElement, under folder: KeyFolder) throws(StoreMalformed) -> UploadPage {
        var found: [Leftover] = []
        for entry in page.all("Upload") {
            guard let key = try key(of: entry, in: page), folder.contains(key) else { continue }
            guard let id = entry["UploadId"], !id.isEmpty,
                let started = entry["Initiated"].flatMap(CivilTime.init(iso8601:))
            else { throw StoreMalformed(reason: "the list says too little about an upload of \(key)") }
            found.append(Leftover(key: key, handle: id, startedAtSeconds: started.secondsSince1970))
        }
        // What a list of uploads misses is found by the next run, so that a provider may leave this out.
        guard page["IsTruncated"] != nil, try isTruncated(page) else { return (found, nil) }
        guard let key = try decoded(page["NextKeyMarker"], in: page), let id = page["NextUploadIdMarker"], !key.isEmpty
        else { throw StoreMalformed(reason: "the list of uploads goes on, and the store does not say where") }
        return (found, (key, id))
    }

    /// S3 says it on every page; a list of objects without it may not be whole.
    private func isTruncated(_ page: XMLElement) throws(StoreMalformed) -> Bool {
        switch page["IsTruncated"] {
        case "true": return true
        case "false": return false
        default: throw StoreMalformed(reason: "the list does not say whether it is complete")
        }
    }

    /// The key of an entry without the prefix of the store; `nil` when it is none of ours.
    private func key(of entry: XMLElement, in page: XMLElement) throws(StoreMalformed) -> ObjectKey? {
        guard let full = try decoded(entry["Key"], in: page) else {
            throw StoreMalformed(reason: "the list has an entry without a key")
        }
        return key(named: full)
    }

    private func decoded(_ text: String?, in page: XMLElement) throws(StoreMalformed) -> String? {
        guard let text, page["EncodingType"] == "url" else { return text }
        guard let decoded = PercentEncoding.decode(text, plusIsSpace: true) else {
            throw StoreMalformed(reason: "the list has a key that is wrongly encoded")
        }
        return decoded
    }

    private func endless(_ operation: StoreOperation) -> Failure {
        Failure(.protocolViolation, "\(operation.attempt): the store gives the same page again and again")
    }
}
