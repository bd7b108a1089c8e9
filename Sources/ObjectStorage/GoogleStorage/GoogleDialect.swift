// SPDX-License-Identifier: Apache-2.0

import HTTPTransport

/// Requests to a bucket as Cloud Storage wants them.
struct GoogleDialect: StoreDialect {
    let settings: GoogleSettings
    /// `nil` for an emulator.
    let token: RefreshedCredential<GoogleToken>?
    /// What was last sent, so that no message quotes it.
    private let lastToken = SharedValue<String?>(nil)

    init(settings: GoogleSettings, token: RefreshedCredential<GoogleToken>?) {
        self.settings = settings
        self.token = token
    }

    func url(key: String?, query: [(name: String, value: String)]) -> String {
        key.map { settings.endpoint.object($0, query) } ?? settings.endpoint.objects(query)
    }

    func authorized(
        _ request: HTTPRequest,
        for operation: StoreOperation,
        atSecondsSince1970 seconds: Int64
    ) async throws -> HTTPRequest {
        // An upload may go on at another host, which the store named; its URL is proof enough there.
        guard let token, request.url.hasPrefix(settings.endpoint.origin + "/") else { return request }
        let value = try await token.value()
        lastToken.value = value.text
        var authorized = request
        authorized.headers.append(("Authorization", "Bearer \(value.text)"))
        if settings.location.userProject == nil, let project = value.quotaProject {
            authorized.headers.append(("x-goog-user-project", project))
        }
        return authorized
    }

    func refusal(_ head: HTTPResponseHead, _ body: [UInt8]) -> any StoreRefusal {
        error(head, body)
    }

    func error(_ head: HTTPResponseHead, _ body: [UInt8]) -> GoogleError {
        GoogleError(head, body, secrets: lastToken.value.map { [$0] } ?? [])
    }

    func renewCredentials() async throws -> Bool {
        guard let token else { return false }
        return try await token.renew()
    }
}
