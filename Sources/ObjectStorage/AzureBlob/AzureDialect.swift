// SPDX-License-Identifier: Apache-2.0

import HTTPTransport

/// Requests to a container as the Blob service of Azure wants them.
struct AzureDialect: StoreDialect {
    let settings: AzureSettings
    /// `nil` where a key or a SAS proves us.
    private let token: RefreshedCredential<String>?
    private let clock: RequestClock
    /// To be struck out of what the store says.
    private let lastToken = SharedValue<String?>(nil)

    /// The oldest that has the tier Cold.
    static let version = "2021-12-02"

    init(settings: AzureSettings, token: RefreshedCredential<String>?, clock: RequestClock) {
        self.settings = settings
        self.token = token
        self.clock = clock
    }

    func url(key: String?, query: [(name: String, value: String)]) -> String {
        settings.endpoint.url(key: key, query: query)
    }

    func authorized(
        _ request: HTTPRequest,
        for operation: StoreOperation,
        atSecondsSince1970 seconds: Int64
    ) async throws -> HTTPRequest {
        var request = request
        request.headers.append(("x-ms-date", CivilTime(secondsSince1970: seconds).httpDate))
        request.headers.append(("x-ms-version", Self.version))
        switch settings.identity {
        case .sharedKey(let key):
            let signer = SharedKeySigner(account: settings.account, key: key)
            request.headers.append(("Authorization", try signer.authorization(of: request)))
        case .sas(let query):
            request.url += (request.url.contains("?") ? "&" : "?") + query
        case .application, .workload, .managed:
            guard let token else { break }
            let value = try await token.value()
            lastToken.value = value
            request.headers.append(("Authorization", "Bearer \(value)"))
        }
        return request
    }

    func refusal(_ head: HTTPResponseHead, _ body: [UInt8]) -> any StoreRefusal {
        error(head, body)
    }

    func error(_ head: HTTPResponseHead, _ body: [UInt8]) -> AzureError {
        let proof: AzureError.Proof =
            switch settings.identity {
            case .sharedKey: .key
            case .sas: .sas
            case .application, .workload, .managed: .token
            }
        let secrets = settings.identity.secrets + (lastToken.value.map { [$0] } ?? [])
        return AzureError(head, body, proof: proof, secrets: secrets, now: clock.secondsSince1970())
    }

    func renewCredentials() async throws -> Bool {
        try await token?.renew() ?? false
    }
}
