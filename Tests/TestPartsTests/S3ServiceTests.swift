// SPDX-License-Identifier: Apache-2.0

import TestParts
import Testing

@Suite struct S3ServiceTests {
    @Test func seaweedFSHoldsWhatIsPut() async throws {
        try await withSeaweedFS { try await exercise($0) }
    }

    @Test func motoHoldsWhatIsPut() async throws {
        try await withMoto { try await exercise($0) }
    }

    @Test func rcloneHoldsWhatIsPut() async throws {
        try await withRcloneS3 { try await exercise($0) }
    }

    private func exercise(_ service: S3Service) async throws {
        let bucket = try await service.makeBucket()
        try await service.put("a/b", in: bucket, [0, 1, 255])
        #expect(try await service.get("a/b", in: bucket) == [0, 1, 255])
        #expect(try await service.objects(in: bucket).map(\.bytes) == [3])
        try await service.call("create_multipart_upload", ["Bucket": .text(bucket), "Key": "begun"])
        #expect(try await service.uploads(in: bucket).map(\.key) == ["begun"])
        try await service.delete("a/b", in: bucket)
        #expect(try await service.keys(in: bucket).isEmpty)
        let refusal = await #expect(throws: S3OracleError.self) { try await service.get("a/b", in: bucket) }
        #expect(refusal?.code == "NoSuchKey")
        #expect(refusal?.status == 404)
    }

    /// The first example of "Signature Calculations: Transferring Payload in a Single Chunk" in the S3 API reference.
    @Test func oracleSignsThePublishedExample() async throws {
        let signed = try await S3Oracle.sign([
            S3Oracle.Unsigned(
                method: "GET",
                url: "https://examplebucket.s3.amazonaws.com/test.txt",
                headers: [("Range", "bytes=0-9")],
                bodySHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                time: "20130524T000000Z",
                accessKey: "AKIAIOSFODNN7EXAMPLE",
                secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                sessionToken: nil,
                region: "us-east-1",
                service: "s3"
            )
        ])
        let signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        #expect(signed.first?.authorization.hasSuffix("Signature=\(signature)") == true)
        #expect(signed.first?.canonical.hasPrefix("GET\n/test.txt\n\n") == true)
    }
}
