// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTransport
import ObjectStorage
import TestParts
import Testing

@Suite struct SharedKeySignerTests {
    /// Batches of random requests against the signer of azure-storage-blob.
    @Test func randomRequestsAreSignedAsTheSDKSignsThem() async throws {
        var random = SeededRandom(seed: 20_261_125)
        try await withAzure { service in
            let key = try #require(Data(base64Encoded: service.key).map { Array($0) })
            let signer = SharedKeySigner(account: service.account, key: key)
            for _ in 0..<6 {
                let requests = (0..<500).map { _ in RandomBlobRequest(&random) }
                let expected = try await service.signatures(
                    requests.map { ($0.method, $0.url, $0.headersOfTheSDK) }
                )
                #expect(expected.count == requests.count)
                for (request, authorization) in zip(requests, expected) {
                    let ours = try signer.authorization(
                        of: HTTPRequest(
                            method: request.method,
                            url: request.url,
                            headers: request.headers.map { ($0.key, $0.value) },
                            body: request.body
                        )
                    )
                    #expect(ours == authorization, "\(request.method) \(request.url) \(request.headers)")
                }
            }
        }
    }

    /// By hand, and without the SDK: the text is that of the reference, and a `Range` is part of it.
    @Test func textIsThatOfTheReference() throws {
        let signer = SharedKeySigner(account: "acct", key: Array("key".utf8))
        func sign(_ headers: [(String, String)]) throws -> String {
            try signer.authorization(
                of: HTTPRequest(
                    method: "GET",
                    url: "https://acct.blob.core.windows.net/c/a%20b?restype=x&Comp=list&comp=A",
                    headers: headers
                )
            )
        }
        let plain = try sign([("x-ms-version", "1"), ("x-ms-date", " d ")])
        // HMAC-SHA256, by Python, of "GET", twelve line ends and
        // "x-ms-date:d\nx-ms-version:1\n/acct/c/a%20b\ncomp:A,list\nrestype:x".
        #expect(plain == "SharedKey acct:\(Self.expected)")
        #expect(try sign([("x-ms-version", "1"), ("x-ms-date", "d"), ("Range", "bytes=1-")]) != plain)
        #expect(try sign([("x-ms-version", "1"), ("x-ms-date", "d"), ("User-Agent", "x")]) == plain)
    }

    private static let expected = "4aCJToa1TjLb6EZv+eFWoH6tAlGJdKO/xuh9zReb94E="
}

/// A request with odd names, queries and headers.
private struct RandomBlobRequest {
    let method: String
    let url: String
    let headers: [String: String]
    let body: [UInt8]

    private static let alphabet = Array("abzABZ019-._~ /!$&'()*+,;=:@%?#[]äßЖ漢😀|\"<>\\^`{}")

    init(_ random: inout SeededRandom) {
        func text(_ counts: ClosedRange<Int>, _ alphabet: [Character] = Self.alphabet) -> String {
            String(
                (0..<Int.random(in: counts, using: &random)).compactMap { _ in alphabet.randomElement(using: &random) }
            )
        }
        method = ["GET", "PUT", "DELETE", "HEAD"].randomElement(using: &random) ?? "GET"
        let host = ["127.0.0.1:10000/acct", "acct.blob.core.windows.net"].randomElement(using: &random) ?? ""
        let query = [
            "comp", "restype", "prefix", "marker", "include", "blockid", "blocklisttype", "maxresults", "snapshot",
        ]
        .filter { _ in Int.random(in: 0..<3, using: &random) == 0 }
        .map { "\($0)=\(PercentEncoding.component(text(1...24)))" }.shuffled(using: &random)
        url =
            "http://\(host)/container/\(PercentEncoding.path(text(1...40)))"
            + (query.isEmpty ? "" : "?" + query.joined(separator: "&"))
        let value = Array("abcXYZ019-._=/;:\"")
        var headers = ["x-ms-date": "Wed, 25 Nov 2026 22:42:15 GMT", "x-ms-version": "2021-12-02"]
        let more = [
            "Content-Type", "Content-MD5", "If-Match", "If-None-Match", "If-Modified-Since", "Content-Encoding",
            "x-ms-blob-type", "x-ms-meta-redoubtupload", "x-ms-access-tier", "x-ms-tags", "x-ms-range",
            "x-ms-meta-a1", "x-ms-meta-ab", "x-ms-meta-a_b", "x-ms-blob-content-type", "x-ms-blob-content-md5",
            "x-ms-encryption-scope", "x-ms-client-request-id", "x-ms-delete-snapshots",
        ]
        for name in more where Bool.random(using: &random) { headers[name] = text(1...20, value) }
        self.headers = headers
        body = [UInt8](repeating: 1, count: [0, 1, 300].randomElement(using: &random) ?? 0)
    }

    var headersOfTheSDK: [String: String] {
        headers.merging(["Content-Length": "\(body.count)"]) { $1 }
    }
}
