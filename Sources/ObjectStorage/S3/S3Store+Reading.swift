// SPDX-License-Identifier: Apache-2.0

import HTTPTransport

extension S3Store {
    func reading(_ key: ObjectKey, after offset: Int64, of object: StoredObject?) -> StoreOperation {
        var operation = StoreOperation("read \(shown(key))", action: "s3:GetObject", "GET", key: fullKey(key))
        operation.headers = keyHeaders
        guard let object else { return operation }
        operation.headers.append(("If-Match", object.version.tag))
        if offset > 0 { operation.headers.append(("Range", "bytes=\(offset)-")) }
        operation.answers = [206, 412, 416]
        return operation
    }
}
