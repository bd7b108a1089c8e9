// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Crypto
import HTTPTransport

/// Requests to a bucket as S3 wants them.
struct S3Dialect: StoreDialect {
    let settings: S3Settings
    let keeper: AWSCredentialKeeper
    /// Where the bucket is, as far as it is known.
    private let place: SharedValue<S3Place>

    init(settings: S3Settings, configuration: StoreConfiguration) {
        self.settings = settings
        keeper = AWSCredentialKeeper(settings, configuration)
        place = SharedValue(settings.place)
    }

    func url(key: String?, query: [(name: String, value: String)]) -> String {
        place.value.endpoint.url(key: key, query: query)
    }

    func authorized(
        _ request: HTTPRequest,
        for operation: StoreOperation,
        atSecondsSince1970 seconds: Int64
    ) async throws -> HTTPRequest {
        var request = request
        request.headers += settings.location.options.headers
        let signer = RequestSigner(credentials: try await keeper.current(), region: place.value.region)
        let digest = SHA256Digest.hex(of: operation.body)
        return try signer.signed(request, payloadSHA256: digest, at: CivilTime(secondsSince1970: seconds))
    }

    func renewCredentials(after request: HTTPRequest) async throws -> Bool {
        try await keeper.renew { RequestSigner.isSigned(request, by: $0) }
    }

    func refusal(_ head: HTTPResponseHead, _ body: [UInt8]) -> any StoreRefusal {
        error(head, body)
    }

    func error(_ head: HTTPResponseHead, _ body: [UInt8]) -> S3Error {
        S3Error(head, body, secrets: keeper.secrets + (settings.customerKey?.secrets ?? []))
    }

    func adoptPlace(of refusal: any StoreRefusal) -> String? {
        guard let error = refusal as? S3Error else { return nil }
        let found = place.value.found(region: error.region, byRedirect: error.status / 100 == 3)
        guard let found else { return nil }
        place.value = found
        return found.region
    }
}

extension StoreOperation {
    /// Sets the body with its MD5, which Object Lock and old stores want.
    mutating func carry(_ bytes: [UInt8], type: String) {
        body = bytes
        headers.append(("Content-Type", type))
        headers.append(("Content-MD5", Base64.text(Array(Insecure.MD5.hash(data: bytes)))))
    }
}
