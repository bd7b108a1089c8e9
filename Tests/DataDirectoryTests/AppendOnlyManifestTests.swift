// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Failures
import Testing

@Suite struct AppendOnlyManifestTests {
    @Test func manifestOfAServerIsReadAndWrittenBack() throws {
        let text = """
            file appendonly.aof.2.base.rdb seq 2 type b
            file appendonly.aof.1.incr.aof seq 1 type h
            file appendonly.aof.2.incr.aof seq 2 type i

            """
        let manifest = try AppendOnlyManifest(parsing: text)
        #expect(
            manifest.parts == [
                .init(fileName: "appendonly.aof.2.base.rdb", sequence: 2, kind: .base),
                .init(fileName: "appendonly.aof.1.incr.aof", sequence: 1, kind: .history),
                .init(fileName: "appendonly.aof.2.incr.aof", sequence: 2, kind: .incremental),
            ]
        )
        #expect(manifest.text == text)
    }

    @Test func commentsOddPairsAndQuotesAreUnderstood() throws {
        let manifest = try AppendOnlyManifest(
            parsing: "# made by hand\r\nfile \"my file.aof\" seq 7 type i startoffset 10 endoffset 20\n"
        )
        #expect(manifest.parts == [.init(fileName: "my file.aof", sequence: 7, kind: .incremental)])
    }

    @Test(arguments: ["my file.aof", "a\"b", "back\\slash", "it's", "tab\there", "é.aof", "plain.aof"])
    func nameSurvivesWritingAndReading(name: String) throws {
        let manifest = AppendOnlyManifest(parts: [.init(fileName: name, sequence: 1, kind: .base)])
        #expect(try AppendOnlyManifest(parsing: manifest.text) == manifest)
    }

    @Test(arguments: [
        "", "\n", "file a seq 1", "file a seq 1 type", "file a seq x type b", "file a seq 0 type b",
        "file a seq -1 type b", "file a seq 1 type z", "file a seq 1 type bb", "seq 1 type b file",
        "file ../a seq 1 type b",
        "file a/b seq 1 type b", "file '' seq 1 type b", "file \"a seq 1 type b",
        "file a seq 1 type b\nfile b seq 2 type b", "file a seq 1 type b extra",
        "file " + String(repeating: "a", count: 1024) + " seq 1 type b",
    ])
    func brokenManifestIsRefused(text: String) throws {
        let failure = #expect(throws: Failure.self) { try AppendOnlyManifest(parsing: text) }
        #expect(failure?.code == .configuration)
    }

    @Test func everyTruncationIsRefusedOrShorter() throws {
        let text = "file appendonly.aof.1.base.rdb seq 12 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n"
        let whole = try AppendOnlyManifest(parsing: text)
        for end in 0..<(text.count - 1) {
            guard let manifest = try? AppendOnlyManifest(parsing: String(text.prefix(end))) else { continue }
            // Nothing but the first line can be whole.
            #expect(manifest.parts == [whole.parts[0]], "cut at \(end)")
        }
    }
}
