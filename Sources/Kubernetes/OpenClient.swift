// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Logging

/// Gives `body` a client of the API server that the settings lead to. Its connections are closed when the scope is
/// left.
///
/// The server is that of the pod we are in, when neither a kubeconfig nor a context is given, `KUBECONFIG` is not set,
/// and a service account is there; otherwise that of a kubeconfig. Files are read; nothing is asked of the server yet,
/// and no exec plugin is run.
/// - Throws: `.configuration` when no server is found, or what is there cannot be used; `.unsupported` for what a
///   kubeconfig may have and this cannot do; what `body` throws.
package func withKubernetesClient<Result: Sendable>(
    _ settings: KubernetesSettings,
    logger: Logger,
    clock: RequestClock = .system,
    _ body: @Sendable (KubernetesClient) async throws -> Result
) async throws -> Result {
    let access = try await ClusterAccess.find(settings, logger: logger)
    let source = access.credentials
    let keeper = CredentialKeeper(clock: clock, isRefreshable: source.isRefreshable) { clock in
        try await source.load(clock)
    }
    return try await withHTTPClient(access.http) { client in
        let exchange = APIExchange(server: access.server, client: client, keeper: keeper, clock: clock, logger: logger)
        return try await body(KubernetesClient(namespace: access.namespace, exchange: exchange))
    }
}
