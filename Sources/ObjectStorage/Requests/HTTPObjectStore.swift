// SPDX-License-Identifier: Apache-2.0

import HTTPTransport

/// A store that is reached by requests over HTTP. What such stores do alike stands in extensions of this: reading with
/// resumption, and cleaning up.
protocol HTTPObjectStore: ObjectStore {
    var exchange: StoreExchange { get }

    /// The request for an object, from an offset on.
    /// - Parameter object: what an earlier answer said; then the answer may only be about the same version. A provider
    ///   that cannot promise so must be found out by `version`. The statuses 206, 412 and 416 are answers of it.
    func reading(_ key: ObjectKey, after offset: Int64, of object: StoredObject?) -> StoreOperation

    /// An object from the headers of an answer that carries all of it.
    func object(_ key: ObjectKey, _ head: HTTPResponseHead) throws(StoreMalformed) -> StoredObject

    /// The version of an object from the headers of an answer about it, or about a part of it.
    func version(_ head: HTTPResponseHead) throws(StoreMalformed) -> ObjectVersion

    /// An object that is not there may also mean that the store is not: asks, where the answer did not tell.
    /// - Throws: `.noSuchStore`.
    func confirmStore() async throws
}

extension HTTPObjectStore {
    func confirmStore() async throws {}

    /// A key as people see it.
    func shown(_ key: ObjectKey) -> String {
        "\(location)/\(key)"
    }
}
