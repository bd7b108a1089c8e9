// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Logging

/// Gives `body` the store of a location. Its connections are closed when the scope is left.
///
/// Nothing is asked of the store yet; settings and credentials are looked for.
/// - Throws: `.configuration`, `.authenticationFailed` or `.unsupported` of the settings of a bucket; what `body`
///   throws.
@discardableResult
package func withObjectStore<Result>(
    _ location: StoreLocation,
    configuration: StoreConfiguration,
    _ body: (any ObjectStore) async throws -> Result
) async throws -> Result {
    switch location {
    case .folder(let path):
        return try await body(FileStore(root: path))
    case .bucket(let bucket):
        let settings = try await onBlockingThread { try S3Settings(bucket, configuration) }
        var http = HTTPClientConfiguration()
        http.caFile = settings.caFile
        http.insecureSkipVerify = configuration.insecureSkipVerify
        if http.insecureSkipVerify {
            configuration.logger.warning("any certificate is believed of \(settings.endpoint.host)")
        }
        return try await withHTTPClient(http) { client in
            try await body(S3Store(settings: settings, client: client, configuration: configuration))
        }
    }
}
