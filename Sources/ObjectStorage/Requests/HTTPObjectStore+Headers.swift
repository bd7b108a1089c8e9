// SPDX-License-Identifier: Apache-2.0

import HTTPTransport

extension HTTPObjectStore {
    func object(_ key: ObjectKey, _ head: HTTPResponseHead) throws(StoreMalformed) -> StoredObject {
        try object(key, head, bytes: bytes(head))
    }

    /// An object of a known size, from the headers of an answer about it.
    func object(_ key: ObjectKey, _ head: HTTPResponseHead, bytes: Int64) throws(StoreMalformed) -> StoredObject {
        StoredObject(key: key, bytes: bytes, modifiedAtSeconds: try modified(head), version: try version(head))
    }

    func version(_ head: HTTPResponseHead) throws(StoreMalformed) -> ObjectVersion {
        guard let tag = head["etag"], !tag.isEmpty else {
            throw StoreMalformed(reason: "the store gave no ETag of the object")
        }
        return ObjectVersion(quoting: tag)
    }

    /// How large the body is, and so the object, where the answer carries all of it.
    func bytes(_ head: HTTPResponseHead) throws(StoreMalformed) -> Int64 {
        guard let bytes = head["content-length"].flatMap({ Int64($0) }), bytes >= 0 else {
            throw StoreMalformed(reason: "the store did not say how large the object is")
        }
        return bytes
    }

    /// Seconds since 1970.
    func modified(_ head: HTTPResponseHead) throws(StoreMalformed) -> Int64 {
        guard let time = head["last-modified"].flatMap(CivilTime.init(httpDate:)) else {
            throw StoreMalformed(reason: "the store did not say when the object was written")
        }
        return time.secondsSince1970
    }
}

extension ObjectVersion {
    /// Some providers leave the quotes of an ETag out of lists; `If-Match` wants them.
    init(quoting tag: String) {
        self.init(tag: tag.hasSuffix("\"") ? tag : "\"\(tag)\"")
    }
}
