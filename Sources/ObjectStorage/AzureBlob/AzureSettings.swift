// SPDX-License-Identifier: Apache-2.0

import Failures

/// What was found out about a container before the first request: from the URL, the flags and the environment.
package struct AzureSettings: Sendable {
    package let location: ContainerLocation
    package let account: String
    package let endpoint: BlobEndpoint
    package let identity: AzureIdentity
    /// How often a request is sent, counting the first time.
    let attemptsMax: Int

    private static let attemptsUsual = 8

    /// - Throws: `.configuration`, `.unsupported`.
    package init(_ location: ContainerLocation, _ configuration: StoreConfiguration) throws {
        let environment = configuration.environment.filter { !$0.value.isEmpty }
        let connection = try environment["AZURE_STORAGE_CONNECTION_STRING"].map(ConnectionString.init(parsing:))
        self.location = location
        identity = try AzureIdentitySource(environment: environment, connection: connection).identity()
        account = try Self.account(location, environment, connection)
        endpoint = try Self.endpoint(location, account, configuration, environment, connection)
        attemptsMax = configuration.attemptsMax ?? Self.attemptsUsual
        try Self.refuseOpenWire(identity, endpoint, isAccepted: configuration.insecureSkipVerify)
    }

    private static func account(
        _ location: ContainerLocation,
        _ environment: [String: String],
        _ connection: ConnectionString?
    ) throws -> String {
        let named = location.account ?? environment["AZURE_STORAGE_ACCOUNT"]
        let account = named ?? connection?.account ?? connection?.endpointURL.flatMap(Self.account(inHostOf:))
        guard let account else {
            throw Failure(
                .configuration,
                "open \(location): the storage account is not named",
                hint: "Write azblob://\(location.container)?account=NAME, or set AZURE_STORAGE_ACCOUNT."
            )
        }
        guard (3...63).contains(account.utf8.count), account.utf8.allSatisfy(ObjectKey.isAllowed) else {
            throw Failure(.configuration, "open \(location): that is not the name of a storage account")
        }
        // A key of one account signs nothing for another; what is configured is never passed over.
        let known = connection?.account ?? connection?.endpointURL.flatMap(Self.account(inHostOf:))
        if let known, known != account {
            throw Failure(
                .configuration,
                "open \(location): AZURE_STORAGE_CONNECTION_STRING is of the account \(known), not of \(account)",
                hint: "Leave one of the two out."
            )
        }
        return account
    }

    /// `https://account.blob.core.windows.net` names its account.
    private static func account(inHostOf url: String) -> String? {
        guard let mark = url.firstRange(of: "://") else { return nil }
        let labels = url[mark.upperBound...].prefix { $0 != "/" && $0 != ":" }.split(separator: ".")
        return labels.count > 2 && labels[1] == "blob" ? String(labels[0]) : nil
    }

    private static func endpoint(
        _ location: ContainerLocation,
        _ account: String,
        _ configuration: StoreConfiguration,
        _ environment: [String: String],
        _ connection: ConnectionString?
    ) throws -> BlobEndpoint {
        let named =
            location.endpointURL ?? environment["AZURE_STORAGE_BLOB_ENDPOINT"]
            ?? environment["AZURE_STORAGE_SERVICE_ENDPOINT"]
        // A suffix in the URL of the store is meant for that store, whatever the environment says.
        if location.endpointURL == nil, let suffix = location.endpointSuffix {
            return try BlobEndpoint(account: account, suffix: suffix, container: location.container)
        }
        if let url = named ?? connection?.endpointURL {
            return try BlobEndpoint(url: url, account: account, container: location.container)
        }
        let suffix = environment["AZURE_STORAGE_ENDPOINT_SUFFIX"] ?? connection?.endpointSuffix
        let scheme = connection?.scheme ?? "https"
        guard ["http", "https"].contains(scheme) else {
            throw Failure(.configuration, "open \(location): DefaultEndpointsProtocol is neither https nor http")
        }
        return try BlobEndpoint(
            account: account,
            suffix: suffix ?? BlobEndpoint.usualSuffix,
            scheme: scheme,
            container: location.container
        )
    }

    /// A token or a SAS that is sent in the open is everybody's. A key is never sent.
    private static func refuseOpenWire(
        _ identity: AzureIdentity,
        _ endpoint: BlobEndpoint,
        isAccepted: Bool
    ) throws {
        func refuse(_ scheme: String, _ host: String, _ what: String, isAccepted: Bool) throws {
            if isAccepted || BlobEndpoint.isPrivate(scheme: scheme, host: host) { return }
            throw Failure(
                .configuration,
                "send \(what) to \(host): over http everybody on the way can read and use it",
                hint: "Use https. --store-insecure sends it all the same."
            )
        }
        switch identity {
        case .sharedKey: return
        case .sas, .managed: try refuse(endpoint.scheme, endpoint.host, "\(identity)", isAccepted: isAccepted)
        case .application(let application, _), .workload(let application, _):
            try refuse(endpoint.scheme, endpoint.host, "a token", isAccepted: isAccepted)
            let authority = try BlobEndpoint(url: application.authority, account: "", container: "")
            try refuse(authority.scheme, authority.host, "\(identity)", isAccepted: false)
        }
    }
}
