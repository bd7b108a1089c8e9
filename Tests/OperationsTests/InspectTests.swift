// SPDX-License-Identifier: Apache-2.0

import Failures
import Foundation
import Operations
import Testing

/// What is found in files, and how a file that is no snapshot ends.
struct InspectTests {
    /// Two strings, one of which expires, without checksum.
    private static let rdb: [UInt8] =
        Array("REDIS0009".utf8) + aux("ctime", "1700000000") + aux("redis-ver", "6.2.14") + aux("used-mem", "1000000")
        + [254, 0, 0] + text("user:1") + text("one") + [254, 5, 252] + littleEndian(1_700_000_030_000) + [0]
        + text("user:2") + text("two") + [255] + [UInt8](repeating: 0, count: 8)

    @Test func aFileIsCounted() async throws {
        let findings = try await inspect(Self.rdb)
        let census = findings.census
        #expect(findings.summary.keyCount == 2 && census.databases.mapValues(\.keys) == [0: 1, 5: 1])
        #expect(census.prefixesByKeys.entries.map(\.name) == [Array("user".utf8)])
        #expect(census.prefixesByKeys.entries.map(\.weight) == [2])
        #expect(census.lifetimes[.minute] == 1 && census.lifetimes[.none] == 1)
        #expect(findings.measuredFrom.description == "2023-11-14T22:13:20Z")
        #expect(census.largestByBytes.count == 1)
    }

    @Test func theTargetIsTheOldestReleaseThatLoadsIt() async throws {
        let loader = try await inspect(Self.rdb).loader
        #expect(loader.oldestRedis?.description == "Redis 5.0" && loader.oldestValkey?.description == "Valkey 7.2")
        #expect(loader.oldestRelaxedValkey == nil && loader.databases == 6 && loader.memoryBytes == 1_000_000)
    }

    @Test func withoutATimeOfItsOwnTheTimeIsNow() async throws {
        let before = Int64(Date().timeIntervalSince1970)
        let bytes =
            Array("REDIS0006".utf8) + [0] + Self.text("k") + Self.text("v") + [255] + [UInt8](repeating: 0, count: 8)
        let from = try await inspect(bytes).measuredFrom.secondsSince1970
        #expect((before...before + 600).contains(from))
    }

    @Test(
        arguments: [
            (Array(rdb.dropLast()), .truncated), (rdb + [0], .trailingBytes),
            (Array(rdb.dropFirst()), .corruptSnapshot),
            (Array("REDIS0099".utf8) + rdb.dropFirst(9), .unsupported), ([], .truncated),
            (rdb.dropLast(9) + [6] + rdb.suffix(9), .corruptSnapshot),
        ] as [([UInt8], Failure.Code)]
    )
    func whatIsNoSnapshotIsAFailure(bytes: [UInt8], code: Failure.Code) async throws {
        let failure = await #expect(throws: Failure.self) { _ = try await inspect(bytes) }
        #expect(failure?.code == code)
    }

    @Test func aFileThatIsNotThereIsAFailure() async {
        let inspect = Inspect(Inspect.Request(), meter: ProgressMeter())
        let failure = await #expect(throws: Failure.self) { _ = try await inspect.run(file: "/nonexistent/dump.rdb") }
        #expect(failure?.code == .inputOutput)
    }

    private func inspect(_ bytes: [UInt8]) async throws -> Inspect.Findings {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("inspect-\(UUID().uuidString).rdb")
        try Data(bytes).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        return try await Inspect(Inspect.Request(top: 1), meter: ProgressMeter()).run(file: file.path)
    }

    private static func text(_ text: String) -> [UInt8] { [UInt8(text.utf8.count)] + Array(text.utf8) }

    private static func aux(_ name: String, _ value: String) -> [UInt8] { [250] + text(name) + text(value) }

    private static func littleEndian(_ value: Int64) -> [UInt8] { withUnsafeBytes(of: value.littleEndian, Array.init) }
}
