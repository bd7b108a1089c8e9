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

    @Test func randomRequestsAreSignedAsBotocoreSignsThem() async throws {
        var random = SeededRandom(seed: 20_261_123)
        for number in 0..<300 {
            let example = RandomRequest(&random)
            let signer = RequestSigner(
                credentials: AWSCredentials(
                    accessKeyID: "AKID\(number)",
                    secretAccessKey: example.secret,
                    sessionToken: example.token
                ),
                region: example.region,
                service: example.service
            )
            let time = CivilTime(secondsSince1970: example.seconds)
            let signed = try signer.signed(
                HTTPRequest(method: example.method, url: example.url, headers: example.headers),
                payloadSHA256: example.bodySHA256,
                at: time
            )
            let oracle = try await S3Oracle.sign(
                method: example.method,
                url: example.url,
                headers: Dictionary(uniqueKeysWithValues: example.headers.map { ($0.name, $0.value) }),
                bodySHA256: example.bodySHA256,
                time: time.basicDateTime,
                accessKey: "AKID\(number)",
                secretKey: example.secret,
                sessionToken: example.token,
                region: example.region,
                service: example.service
            )
            let expected = try #require(oracle.first { $0.key.lowercased() == "authorization" }?.value)
            #expect(signed.headers.last?.value == expected, "request \(number): \(example.method) \(example.url)")
        }
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
    let secret: String
    let token: String?
    let region: String
    let service = "s3"
    let seconds: Int64

    private static let alphabet = Array("abzABZ019-._~ /!$&'()*+,;=:@%?#[]äßЖ漢😀\u{7f}|\"<>\\^`{}")

    init(_ random: inout SeededRandom) {
        func text(_ counts: ClosedRange<Int>, _ alphabet: [Character] = Self.alphabet) -> String {
            String(
                (0..<Int.random(in: counts, using: &random)).compactMap { _ in alphabet.randomElement(using: &random) }
            )
        }
        method = ["GET", "PUT", "POST", "DELETE", "HEAD"].randomElement(using: &random) ?? "GET"
        let host =
            ["127.0.0.1:8333", "bucket.s3.eu-west-1.amazonaws.com", "s3.example"].randomElement(using: &random) ?? ""
        // urlsplit of Python drops a scheme-relative host from a path that begins with two slashes.
        let path = "/bucket/" + PercentEncoding.path(text(0...40))
        let query = (0..<Int.random(in: 0...5, using: &random)).map { number in
            let name = PercentEncoding.component("\(number)" + text(0...6))
            return Bool.random(using: &random) ? "\(name)=\(PercentEncoding.component(text(0...20)))" : "\(name)="
        }
        url =
            "http://\(host)\(path)" + (query.isEmpty ? "" : "?" + query.shuffled(using: &random).joined(separator: "&"))
        let value = Array("abcXYZ019-._ =/;:\"")
        headers = [
            ("Content-Type", "x/" + text(0...12, value)), ("X-Amz-Meta-Odd", text(1...30, value) + "x"),
            ("If-Match", "\"" + text(0...8, value) + "\""), ("x-amz-Meta-redoubt", " " + text(0...8, value) + "  y "),
        ].filter { _ in Bool.random(using: &random) }
        let digits = Array("0123456789abcdef")
        bodySHA256 = text(64...64, digits)
        secret = text(20...40, Array("abcABC012+/="))
        token = Bool.random(using: &random) ? text(10...80, Array("abcABC012+/=")) : nil
        region = ["us-east-1", "eu-central-1", "auto"].randomElement(using: &random) ?? ""
        seconds = Int64.random(in: 1_000_000_000...2_000_000_000, using: &random)
    }
}
