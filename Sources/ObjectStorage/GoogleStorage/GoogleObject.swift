// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import HTTPTransport

/// What Cloud Storage says of an object, as far as it is of use here.
///
/// Source: "Objects", Cloud Storage JSON API reference.
struct GoogleObject: Sendable, Decodable {
    let name: String
    /// Numbers of 64 bits are texts.
    private let size: String
    let generation: String
    private let timeCreated: String
    private let metadata: [String: String]?
    /// Base64 of four bytes, the first one the highest; missing when nobody computed it.
    let crc32c: String?

    /// What the API shall send, no more.
    static let fields = "name,size,generation,timeCreated,metadata,crc32c"
    /// The metadata that says which write an object is of.
    static let identityName = "redoubt-upload"

    var identity: String? { metadata?[Self.identityName] }

    /// Reads an answer that is one object.
    init(_ response: HTTPResponse) throws(StoreMalformed) {
        self = try GoogleAnswer.decode(GoogleObject.self, response)
    }

    /// As all stores describe it.
    func stored(as key: ObjectKey) throws(StoreMalformed) -> StoredObject {
        guard let bytes = Int64(size), bytes >= 0, let number = Int64(generation), number > 0,
            let created = CivilTime(iso8601: timeCreated)
        else { throw StoreMalformed(reason: "the store says too little about \(key)") }
        return StoredObject(
            key: key,
            bytes: bytes,
            modifiedAtSeconds: created.secondsSince1970,
            version: ObjectVersion(tag: generation)
        )
    }
}

/// A page of a list of objects.
struct GooglePage: Sendable, Decodable {
    /// Without it, `{}` would be a list of nothing.
    private let kind: String
    let items: [GoogleObject]?
    let nextPageToken: String?

    static let fields = "kind,nextPageToken,items(\(GoogleObject.fields))"

    init(_ response: HTTPResponse) throws(StoreMalformed) {
        self = try GoogleAnswer.decode(GooglePage.self, response)
        guard kind == "storage#objects" else {
            throw StoreMalformed(reason: "the store answered something else than a list of objects")
        }
    }
}

/// The documents that Google answers with. Each is complete, or reading it throws.
enum GoogleAnswer {
    /// What concerns tokens is written in snake case, everything else in camel case.
    static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }

    static func decode<Document: Decodable>(
        _ type: Document.Type,
        _ response: HTTPResponse
    ) throws(StoreMalformed) -> Document {
        do {
            return try decoder.decode(type, from: Data(response.body))
        } catch {
            // Not what the decoder says: it quotes, and what it quotes may be a token.
            throw StoreMalformed(
                reason: "the answer, of status \(response.head.status) and \(response.body.count) bytes, broke off or "
                    + "is none of Google"
            )
        }
    }
}
