// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// The double of Azure, used by two clients that know nothing of it.
@Suite struct AzureServiceTests {
    private static func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 * $0 / 7) } }

    @Test func theSDKOfAzureFindsWhatItPut() async throws {
        try await withAzure { service in
            let container = try await service.makeContainer()
            // Above 600 kB the SDK sends blocks, and above 500 kB it asks for ranges.
            let bytes = Self.bytes(1_000_001)
            try await service.put("a/ä b", in: container, bytes)
            try await service.put("small", in: container, [1])
            #expect(try await service.get("a/ä b", in: container) == bytes)
            #expect(try await service.blobs(in: container).map(\.bytes) == [1_000_001, 1])
            #expect(try await service.unfinished(in: container).isEmpty)
            try await service.delete("small", in: container)
            #expect(try await service.names(in: container) == ["a/ä b"])
            let refusal = await #expect(throws: S3OracleError.self) { try await service.get("small", in: container) }
            #expect(refusal?.code == "BlobNotFound" && refusal?.status == 404)
            let missing = await #expect(throws: S3OracleError.self) { try await service.names(in: "none-such") }
            #expect(missing?.code == "ContainerNotFound")
        }
    }

    @Test func rcloneFindsWhatItPut() async throws {
        try await withAzure { service in
            let container = try await service.makeContainer()
            try await withTemporaryFolder { folder async throws in
                let (file, back) = (folder.appendingPathComponent("file"), folder.appendingPathComponent("back"))
                let bytes = Self.bytes(9_000_001)
                try Data(bytes).write(to: file)
                try await rclone(
                    service,
                    folder,
                    ["copyto", file.path, "az:\(container)/a/b", "--azureblob-chunk-size=4Mi"]
                )
                try await service.put("a/c", in: container, [7])
                try await rclone(service, folder, ["copyto", "az:\(container)/a/b", back.path])
                #expect(try Data(contentsOf: back) == Data(bytes))
                #expect(try await service.get("a/b", in: container) == bytes)
                let list = try await rclone(service, folder, ["lsf", "--recursive", "az:\(container)"])
                let names = String(decoding: list, as: UTF8.self).split(separator: "\n")
                #expect(names.sorted() == ["a/", "a/b", "a/c"])
                try await rclone(service, folder, ["deletefile", "az:\(container)/a/b"])
                #expect(try await service.names(in: container) == ["a/c"])
            }
        }
    }

    @discardableResult
    private func rclone(_ service: AzureService, _ folder: URL, _ arguments: [String]) async throws -> [UInt8] {
        let settings = [
            "HOME": folder.path, "RCLONE_CONFIG_AZ_TYPE": "azureblob", "RCLONE_CONFIG_AZ_ACCOUNT": service.account,
            "RCLONE_CONFIG_AZ_KEY": service.key, "RCLONE_CONFIG_AZ_ENDPOINT": service.endpoint,
        ]
        return try await run(
            try Parts.rclone(),
            ["--config", "", "--retries", "1", "--low-level-retries", "1"] + arguments,
            environment: ChildProcess.plainEnvironment.merging(settings) { $1 }
        )
    }
}
