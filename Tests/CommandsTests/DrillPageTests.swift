// SPDX-License-Identifier: Apache-2.0

import Catalog
import Commands
import Foundation
import TestParts
import Testing

/// The report of a drill is one page that stands for itself, whatever its records say.
struct DrillPageTests {
    private static let hostile = "\"><script>alert('&amp;')</script>\u{0}\u{202e}]]><!--\u{1f}\u{fffe} &lt;"

    private static func record(
        _ id: String,
        hostile: String? = nil,
        members: Int = 2,
        seconds: Double = 12
    ) throws -> DrillRecord {
        let set = try #require(BackupID("20261120T010000Z-7f3a"))
        let names = (0..<members).map { hostile.map { "\($0)\($0.count)" } ?? "redis-\($0)" }
        let manifest = Manifest(
            id: set,
            name: hostile ?? "prod.redis",
            startedAt: set.time,
            finishedAt: set.time,
            tool: .init(name: hostile ?? "redoubt", version: hostile ?? "1"),
            source: .init(kind: "endpoints"),
            members: names.map { Manifest.Member(member: $0) }
        )
        let members = manifest.members.map { member in
            var drilled = DrillRecord.Member(of: member, verdict: hostile == nil ? .proven : .different)
            drilled.source = hostile
            drilled.slots = hostile
            drilled.bytes = 300 << 20
            drilled.manifestDigest = hostile
            let content = DrillRecord.Content(
                digest: "1:" + String(repeating: "0c", count: 32),
                keys: ["0": 10],
                types: ["hash": 10],
                functions: 1
            )
            drilled.expected = content
            drilled.found = hostile.map { .init(digest: $0, keys: [$0: 1], types: [$0: 1], functions: 0) } ?? content
            drilled.seconds.restore = seconds
            drilled.seconds.load = seconds / 3
            if let hostile { drilled.error = .init(code: hostile, message: hostile) }
            return drilled
        }
        return DrillRecord(
            id: try #require(BackupID(id)),
            of: manifest,
            tool: manifest.tool,
            store: hostile ?? "s3://bucket/redis",
            host: hostile ?? "pod",
            server: .init(product: hostile ?? "redis", version: hostile ?? "7.0.15", appendOnly: true),
            finishedAt: set.time,
            members: members
        )
    }

    /// The elements of a page, as a foreign parser sees them, and the names of their attributes.
    private static func parsed(_ page: String) async throws -> (elements: Set<String>, attributes: Set<String>) {
        let script = """
            import json, sys, xml.etree.ElementTree as t
            found = list(t.fromstring(sys.stdin.buffer.read()).iter())
            print(json.dumps([sorted({e.tag for e in found}), sorted({a for e in found for a in e.attrib})]))
            """
        let output = try await run(try Parts.python(), ["-c", script], input: .bytes(Array(page.utf8)))
        let lists = try JSONDecoder().decode([[String]].self, from: Data(output))
        return (Set(lists[0]), Set(lists[1]))
    }

    @Test func itIsWellFormedAndNeedsNothingElse() async throws {
        let record = try Self.record("20261125T010000Z-0001")
        let earlier = try (1...5).map { try Self.record("2026112\($0 % 5)T010000Z-0001", seconds: Double($0)) }
        let page = DrillPage(record, earlier: earlier)
        #expect(page.html == DrillPage(record, earlier: earlier).html)
        let parsed = try await Self.parsed(page.html)
        #expect(parsed.elements.isDisjoint(with: ["script", "link", "img", "iframe", "object", "image", "use", "a"]))
        #expect(parsed.attributes.isDisjoint(with: ["href", "src", "srcset", "data", "action", "onload", "onclick"]))
        for reference in ["http://", "https://", "url(", "@import", "nan", "inf "] {
            #expect(!page.html.contains(reference), "\(reference)")
        }
        #expect(page.html.contains("Proven") && page.html.contains("6 drills.") && page.html.contains("@media print"))
    }

    @Test func textsFromOutsideStayTexts() async throws {
        let plain = try await Self.parsed(
            DrillPage(try Self.record("20261125T010000Z-0001"), earlier: []).html
        )
        let record = try Self.record("20261125T010000Z-0001", hostile: Self.hostile)
        let page = DrillPage(record, earlier: []).html
        let parsed = try await Self.parsed(page)
        #expect(parsed.elements.subtracting(plain.elements).isSubset(of: ["ul", "li", "code", "br"]))
        #expect(parsed.attributes.subtracting(plain.attributes).isEmpty)
        #expect(!page.contains("<script") && !page.contains("alert('") && !page.contains("\u{202e}"))
        #expect(page.contains("Content differs"))
    }

    /// Nothing measured, everything at once, and numbers at the ends of their ranges.
    @Test(arguments: [(0, 0.0), (1, 0.0), (1, 1e-9), (300, 31_000_000.0)])
    func itIsDrawnWhateverTheNumbersAre(members: Int, seconds: Double) async throws {
        let record = try Self.record("20261125T010000Z-0001", members: members, seconds: seconds)
        let page = DrillPage(record, earlier: [record]).html
        _ = try await Self.parsed(page)
        #expect(!page.contains("\"nan\"") && !page.contains("\"inf\""))
        if members > 40 { #expect(page.contains("and \(members - 40) more members")) }
    }
}
