// SPDX-License-Identifier: Apache-2.0

import Commands
import Failures
import Testing

struct OutputTests {
    @Test(
        arguments: [
            (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (300 << 20, "300.0 MiB"),
            (5 << 40, "5.0 TiB"),
        ] as [(Int64, String)]
    )
    func bytesReadAsPeopleWriteThem(count: Int64, text: String) {
        #expect(Quantity.bytes(count) == text)
    }

    @Test(arguments: [(0.04, "0.0 s"), (61, "61.0 s"), (100, "1m 40s"), (312.4, "5m 12s"), (7380, "2h 03m")])
    func secondsReadAsPeopleWriteThem(seconds: Double, text: String) {
        #expect(Quantity.seconds(seconds) == text)
    }

    @Test(arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] as [(UInt64, String)])
    func countsAreGrouped(count: UInt64, text: String) {
        #expect(Quantity.count(count) == text)
    }

    @Test func columnsAlignAndLinesHaveNoTrailingSpaces() {
        var table = TextTable([("NAME", .left), ("N", .right)])
        table.append(["a", "100"])
        table.append(["longer", "7"])
        #expect(table.text == "NAME      N\na       100\nlonger    7")
    }

    @Test func exitCodesOfTheContractAreKept() {
        let expected: [(Failure.Code, Int32)] = [
            (.unclassified, 1), (.corruptSnapshot, 4), (.digestMismatch, 4), (.truncated, 4), (.trailingBytes, 4),
            (.corruptManifest, 4), (.unreachable, 5), (.timeout, 5), (.storeUnavailable, 5), (.replicaLinkDown, 6),
            (.replicaLagging, 6), (.memberLoading, 6), (.snapshotNotFresh, 6), (.saveFailed, 6), (.configuration, 7),
            (.permissionDenied, 7), (.retained, 7), (.authenticationFailed, 7), (.tlsFailed, 7), (.guardRefused, 8),
            (.noSuchBackup, 10),
            (.noSuchStore, 10), (.locked, 11), (.cannotDecrypt, 12), (.usage, 64), (.interrupted, 130),
        ]
        for (code, number) in expected { #expect(ExitCode(code).rawValue == number) }
        #expect(ExitCode.partial.rawValue == 3 && ExitCode.terminated.rawValue == 143)
    }

    @Test func aFailureIsPrintedWithItsCausesAndItsHint() {
        let cause = Failure(.unreachable, "connect to redis-1:6379: refused", hint: "inner")
        let report = FailureReport(Failure(.noFitMember, "back up", cause: cause, hint: "Start it."))
        #expect(
            report.text == """
                redoubt: back up [no-fit-member]
                  because: connect to redis-1:6379: refused
                  hint: Start it.
                """
        )
    }

    @Test(arguments: [
        ("cannot read 'redis://user:s3cr3t@host:1/0'", "cannot read 'redis://***@host:1/0'"),
        ("redis://p@ss@host and rediss://u:p@h", "redis://***@host and rediss://***@h"),
        ("file://KEY:secret@/x", "file://***@/x"), ("http://host/a@b", "http://host/a@b"),
        ("mail a@b :// c", "mail a@b :// c"),
    ])
    func theUserInformationOfEveryURLIsStruckOut(text: String, shown: String) {
        #expect(Redaction.apply(to: text) == shown)
    }

    @Test func secretsAreStruckOut() {
        Redaction.learn("hunter2-but-long")
        Redaction.learn("abc")
        #expect(Redaction.apply(to: "AUTH hunter2-but-long failed, abc") == "AUTH *** failed, abc")
    }

    /// Schemes, ids and times have one form; whatever else looks like a secret is one.
    @Test(
        arguments: [
            ("to rediss://h and rediss", "to rediss://h and ***"), ("xrediss://h", "x***://h"),
            ("prod.x/20330405T060708Z-7f3a: begun 2033-04-05T06:07:08Z", nil),
            ("it answered 20330405, at 2033-04-05T06:07:08Z", "it answered ***0405, at 2033-04-05T06:07:08Z"),
            ("20330405T060708Z-7f3ab", "***0405T060708Z-7f3ab"), ("a2033b", "a***b"),
        ] as [(String, String?)]
    )
    func schemesIdsAndTimesStay(text: String, shown: String?) {
        Redaction.learn("rediss")
        Redaction.learn("2033")
        #expect(Redaction.apply(to: text) == shown ?? text)
    }

    /// In JSON it would stand escaped, and one that looks like a key would break the line.
    @Test func aLineOfJSONIsRedactedBeforeItIsEncoded() throws {
        Redaction.learn("pass\"\\word")
        Redaction.learn("run_id")
        let handler = LineLogHandler(format: .json, level: .info, runID: "r1")
        let line = handler.json(.info, "AUTH pass\"\\word", ["answer": "run_id"])
        #expect(line.contains("\"msg\":\"AUTH ***\"") && line.contains("\"run_id\":\"r1\""), "\(line)")
        #expect(line.contains("\"answer\":\"***\"") && !line.contains("word"), "\(line)")
    }
}
