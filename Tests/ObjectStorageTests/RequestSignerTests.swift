// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import ObjectStorage
import TestParts
import Testing

@Suite struct RequestSignerTests {
    private static let emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    /// The examples of "Signature Calculations for the Authorization Header", Amazon S3 API Reference.
    struct Published: Sendable {
        let method: String
        let target: String
        var headers: [(name: String, value: String)] = []
        var bodySHA256 = RequestSignerTests.emptySHA256
        let signature: String
    }

    @Test(arguments: [
        Published(
            method: "GET",
            target: "/test.txt",
            headers: [("Range", "bytes=0-9")],
            signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        ),
        Published(
            method: "PUT",
            target: "/test%24file.text",
            headers: [("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
            bodySHA256: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        ),
        Published(
            method: "GET",
            target: "/?lifecycle",
            signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        ),
        Published(
            method: "GET",
            target: "/?max-keys=2&prefix=J",
            signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        ),
    ])
    func publishedExampleOfS3IsSignedAlike(_ example: Published) throws {
        let signer = RequestSigner(
            credentials: AWSCredentials(
                accessKeyID: "AKIAIOSFODNN7EXAMPLE",
                secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
            ),
            region: "us-east-1"
        )
        let request = HTTPRequest(
            method: example.method,
            url: "https://examplebucket.s3.amazonaws.com" + example.target,
            headers: example.headers
        )
        let signed = try signer.signed(
            request,
            payloadSHA256: example.bodySHA256,
            at: CivilTime(secondsSince1970: 1_369_353_600)
        )
        let authorization = try #require(signed.headers.last)
        #expect(authorization.name == "Authorization")
        #expect(authorization.value.hasSuffix("Signature=\(example.signature)"))
        #expect(authorization.value.contains("Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"))
    }

    /// `get-vanilla` of the test suite of AWS Signature Version 4.
    @Test func publishedExampleOfAnotherServiceIsSignedAlike() throws {
        let signer = RequestSigner(
            credentials: AWSCredentials(
                accessKeyID: "AKIDEXAMPLE",
                secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
            ),
            region: "us-east-1",
            service: "service"
        )
        let signed = try signer.signed(
            HTTPRequest(method: "GET", url: "https://example.amazonaws.com/"),
            payloadSHA256: Self.emptySHA256,
            at: CivilTime(secondsSince1970: 1_440_938_160)
        )
        #expect(
            signed.headers.last?.value
                == "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                + "SignedHeaders=host;x-amz-date, "
                + "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        )
    }

    /// Thousands of odd requests: our signature and that of botocore must be the same, to the byte.
    @Test(arguments: [20_261_123, 20_261_124, 20_261_125])
    func randomRequestsAreSignedAsBotocoreSignsThem(seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        let examples = (0..<2000).map { _ in RandomRequest(&random) }
        let oracle = try await S3Oracle.sign(examples.map(\.unsigned))
        try #require(oracle.count == examples.count)
        var differences = 0
        for (number, example) in examples.enumerated() {
            let signed = try example.signed().headers.last?.value
            if signed == oracle[number].authorization { continue }
            differences += 1
            // The first few tell enough.
            if differences > 3 { continue }
            Issue.record(
                """
                seed \(seed), request \(number): \(example.method) \(example.url) for \(example.service)
                \(example.headers)
                ours:      \(signed ?? "none")
                botocore:  \(oracle[number].authorization)
                \(oracle[number].canonical)
                """
            )
        }
        #expect(differences == 0)
    }

    @Test func signatureReplacesAnEarlierOne() throws {
        let signer = RequestSigner(
            credentials: AWSCredentials(accessKeyID: "a", secretAccessKey: "b"),
            region: "us-east-1"
        )
        let request = HTTPRequest(method: "GET", url: "http://127.0.0.1:9000/bucket")
        let once = try signer.signed(request, payloadSHA256: Self.emptySHA256, at: CivilTime(secondsSince1970: 0))
        let date = once.headers.filter { $0.name == "x-amz-date" }.map(\.value)
        #expect(date == ["19700101T000000Z"])
        #expect(once.headers.filter { $0.name == "Authorization" }.count == 1)
    }

    @Test func credentialsCannotBePrinted() {
        let credentials = AWSCredentials(accessKeyID: "AKID", secretAccessKey: "hush", sessionToken: "quiet")
        var dumped = ""
        dump(credentials, to: &dumped)
        for text in ["\(credentials)", String(reflecting: credentials), dumped] {
            #expect(!text.contains("hush") && !text.contains("quiet") && !text.contains("AKID"))
        }
    }
}

/// A request with odd keys, queries and headers.
private struct RandomRequest {
    let method: String
    let url: String
    let headers: [(name: String, value: String)]
    let bodySHA256: String
    let accessKey: String
    let secret: String
    let token: String?
    let region: String
    let service: String
    let seconds: Int64

    private static let odd = Array("abzABZ019-._~ /!$&'()*+,;=:@%?#[]äßЖ漢😀\u{7f}|\"<>\\^`{}")
    private static let plain = Array("abcXYZ019-._ =/;:\"")
    private static let base64 = Array("abcABC012+/=")

    init(_ random: inout SeededRandom) {
        func text(_ counts: ClosedRange<Int>, _ alphabet: [Character] = Self.odd) -> String {
            String(
                (0..<Int.random(in: counts, using: &random)).compactMap { _ in alphabet.randomElement(using: &random) }
            )
        }
        func some<Value>(_ values: [Value], or other: Value) -> Value {
            values.randomElement(using: &random) ?? other
        }
        service = some(["s3", "s3", "s3", "sts"], or: "s3")
        method = some(["GET", "PUT", "POST", "DELETE", "HEAD"], or: "GET")
        let host = some(["127.0.0.1:8333", "bucket.s3.eu-west-1.amazonaws.com", "s3.example"], or: "")
        // urlsplit of Python drops a scheme-relative host from a path that begins with two slashes. What other services
        // than S3 do with empty components and dots is of no use here: their paths are one slash.
        let path =
            service == "s3"
            ? "/bucket/" + PercentEncoding.path(text(0...40))
            : "/" + PercentEncoding.component(text(0...12, Array("aZ09~ !&'(*+,;=:@äß漢😀")))
        let names = (0..<3).map { _ in PercentEncoding.component(text(1...6)) }
        let query = (0..<Int.random(in: 0...6, using: &random)).map { _ in
            let name = some(names + [PercentEncoding.component(text(1...8))], or: "a")
            return some([name, "\(name)=", "\(name)=\(PercentEncoding.component(text(0...20)))"], or: name)
        }
        url = "http://\(host)\(path)" + (query.isEmpty ? "" : "?" + query.joined(separator: "&"))
        let spaces = some([" ", "   ", "\t", " \t  "], or: " ")
        headers = [
            ("Content-Type", "x/" + text(0...12, Self.plain)), ("X-Amz-Meta-Odd", text(1...30, Self.plain) + "x"),
            ("If-Match", "\"" + text(0...8, Self.plain) + "\""),
            ("x-amz-Meta-redoubt", spaces + text(0...8, Self.plain) + spaces + "y "),
            ("X-AMZ-meta-twice", "b" + spaces + "c"), ("x-amz-meta-Twice", "a"), ("X-Amz-Meta-Twice", ""),
            ("x-amz-tagging", "a=b&c=" + PercentEncoding.component(text(0...9))), ("x-amz-acl", "private"),
            ("Range", "bytes=0-9"), ("User-Agent", "not signed"), ("Expect", "100-continue"),
        ].filter { _ in Bool.random(using: &random) }
        bodySHA256 = text(64...64, Array("0123456789abcdef"))
        accessKey = "AKID" + text(4...16, Array("ABC012"))
        secret = text(20...40, Self.base64)
        token = Bool.random(using: &random) ? text(10...80, Self.base64) : nil
        region = some(["us-east-1", "eu-central-1", "auto"], or: "")
        seconds = Int64.random(in: 1_000_000_000...2_000_000_000, using: &random)
    }

    /// As we sign it.
    func signed() throws -> HTTPRequest {
        let signer = RequestSigner(
            credentials: AWSCredentials(accessKeyID: accessKey, secretAccessKey: secret, sessionToken: token),
            region: region,
            service: service
        )
        return try signer.signed(
            HTTPRequest(method: method, url: url, headers: headers),
            payloadSHA256: bodySHA256,
            at: CivilTime(secondsSince1970: seconds)
        )
    }

    /// What the oracle gets.
    var unsigned: S3Oracle.Unsigned {
        S3Oracle.Unsigned(
            method: method,
            url: url,
            headers: headers,
            bodySHA256: bodySHA256,
            time: CivilTime(secondsSince1970: seconds).basicDateTime,
            accessKey: accessKey,
            secretKey: secret,
            sessionToken: token,
            region: region,
            service: service
        )
    }
}
