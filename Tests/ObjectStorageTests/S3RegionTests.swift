// SPDX-License-Identifier: Apache-2.0

import Failures
import ObjectStorage
import TestParts
import Testing

/// A bucket that is in another region than requests are signed for.
@Suite struct S3RegionTests {
    private static func place(_ store: String, _ environment: [String: String] = [:]) throws -> S3Place {
        guard case .bucket(let location) = try StoreLocation(parsing: store) else { throw Failure(.usage, "no bucket") }
        let keys = ["AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"]
        return try S3Settings(location, StoreConfiguration(environment: keys.merging(environment) { $1 })).place
    }

    private static func url(_ place: S3Place?) -> String? { place?.endpoint.url(key: "k", query: []) }

    @Test(arguments: [
        ("s3://bucket", [:], "https://bucket.s3.eu-west-3.amazonaws.com/k"),
        ("s3://my.bucket", [:], "https://s3.eu-west-3.amazonaws.com/my.bucket/k"),
        ("s3://bucket?path-style=true", [:], "https://s3.eu-west-3.amazonaws.com/bucket/k"),
        (
            "s3://bucket", ["AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"],
            "https://bucket.s3-fips.dualstack.eu-west-3.amazonaws.com/k"
        ),
    ])
    func regionOfTheAnswerIsGoneToAtAWS(_ store: String, _ environment: [String: String], _ there: String) throws {
        let place = try Self.place(store, environment)
        for isRedirect in [true, false] {
            let found = place.found(region: "eu-west-3", byRedirect: isRedirect)
            #expect(found?.region == "eu-west-3")
            #expect(Self.url(found) == there)
            // Once: the second region is not believed, and the first one is good for requests that were under way.
            #expect(found?.found(region: "us-west-2", byRedirect: isRedirect) == nil)
            #expect(found?.found(region: "eu-west-3", byRedirect: isRedirect) == found)
        }
        #expect(place.found(region: "us-east-1", byRedirect: true) == nil)
        #expect(place.found(region: nil, byRedirect: true) == nil)
    }

    /// A region is one label of a host name of AWS, whatever the answer says (F55).
    @Test(arguments: ["evil.example", "x/y", "a@b", "", "..", "eu-west-3.evil.example/", "x:80", "a#", "ä"])
    func answerDoesNotNameAHost(_ region: String) throws {
        #expect(try Self.place("s3://bucket").found(region: region, byRedirect: true) == nil)
    }

    @Test(arguments: [
        ("s3://bucket?region=us-east-1", [:]), ("s3://bucket", ["AWS_REGION": "us-east-1"]),
        ("s3://bucket", ["AWS_DEFAULT_REGION": "us-west-2"]),
    ])
    func regionThatWasGivenIsKept(_ store: String, _ environment: [String: String]) throws {
        #expect(try Self.place(store, environment).found(region: "eu-west-3", byRedirect: true) == nil)
        #expect(try Self.place(store, environment).found(region: "eu-west-3", byRedirect: false) == nil)
    }

    @Test func endpointThatWasNamedIsKept() throws {
        let place = try Self.place("s3://bucket?endpoint-url=https://minio.example")
        #expect(place.found(region: "eu-west-3", byRedirect: true) == nil)
        let found = place.found(region: "eu-west-3", byRedirect: false)
        #expect(found?.region == "eu-west-3" && found?.endpoint == place.endpoint)
    }

    private static let elsewhere = ScriptedHTTP.response(
        "400 Bad Request",
        headers: ["Connection: close"],
        body: "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong; expecting "
            + "'eu-west-3'</Message><Region>eu-west-3</Region></Error>"
    )
    private static let empty = S3Text.ok("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")

    /// Signed anew for the region, once, and from then on.
    @Test func namedEndpointIsSignedForTheRegionThatItNames() async throws {
        let key = try #require(ObjectKey(parsing: "a"))
        try await ScriptedStore.withStore { request, _ in
            let isRight = request.headers["authorization"]?.contains("/eu-west-3/s3/") == true
            if request.method == "HEAD" {
                return "HTTP/1.1 \(isRight ? "404 Not Found" : "400 Bad Request")\r\nConnection: close\r\n\r\n"
            }
            return isRight
                ? request.target.contains("list-type") ? Self.empty : S3Text.error("404 No", "NoSuchKey")
                : Self.elsewhere
        } _: { store, server, waits async throws in
            // A look has no body to learn the region from; what is asked then has.
            let failure = await #expect(throws: Failure.self) { try await store.stat(key) }
            #expect(failure?.code == .noSuchStore)
            _ = try await store.list(under: .root)
            _ = try await store.list(under: .root)
            let regions = server.requests.map { $0.headers["authorization"]?.split(separator: "/")[2] ?? "" }
            #expect(regions == ["us-east-1", "us-east-1"] + [Substring](repeating: "eu-west-3", count: 5))
            #expect(waits.all == [])
        }
    }

    @Test func storeThatNeverAgreesIsAskedTwice() async throws {
        try await ScriptedStore.withStore { _, _ in
            Self.elsewhere
        } _: { store, server, _ async throws in
            let failure = await #expect(throws: Failure.self) { try await store.list(under: .root) }
            #expect(failure?.code == .configuration)
            #expect(failure?.hint?.contains("AWS_REGION=eu-west-3") == true)
            #expect(server.requests.count == 2)
        }
        try await ScriptedStore.withStore { _, _ in
            Self.elsewhere
        } configure: {
            $0.region = "us-east-1"
        } _: { store, server, _ async throws in
            await #expect(throws: Failure.self) { try await store.list(under: .root) }
            #expect(server.requests.count == 1)
        }
    }
}
