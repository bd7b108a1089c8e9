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
    case .container(let container): return try await withAzureStore(container, configuration, body)
    case .bucket(let bucket):
        let settings = try await onBlockingThread { try S3Settings(bucket, configuration) }
        let http = configuration.http(to: settings.endpoint.host, caFile: settings.caFile)
        return try await withHTTPClient(http) { client in
            try await body(S3Store(settings: settings, client: client, configuration: configuration))
        }
    case .webDAV(let folder):
        let store = try await onBlockingThread { try WebDAVSettings(folder, configuration) }
        return try await withHTTPClient(configuration.http(to: folder.authority, caFile: configuration.caBundle)) {
            client in
            try await body(WebDAVStore(store, client: client, configuration: configuration))
        }
    case .object(let object): return try await withSingleObjectStore(object, configuration, body)
    case .googleBucket(let bucket):
        return try await withGoogleStore(bucket, configuration: configuration, body)
    case .server(let server):
        let settings = try await onBlockingThread { try SFTPSettings(server, configuration) }
        return try await withSFTPClient(settings.client) { client in
            try await body(SFTPStore(settings: settings, client: client, configuration: configuration))
        }
    }
}
