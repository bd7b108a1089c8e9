// SPDX-License-Identifier: Apache-2.0

import ObjectStorage
import TestParts
import Testing

@Suite struct XMLElementTests {
    static let listing = """
        <?xml version="1.0" encoding="UTF-8"?>
        <!-- a store -->
        <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/" odd='"1"'>
          <Name>bucket</Name><Prefix/><IsTruncated>false</IsTruncated>
          <Contents><Key>a&amp;b &lt;c&gt; &quot;d&quot; &apos;&#228;&#x1F600;</Key>
            <ETag>&quot;x&quot;</ETag></Contents>
          <s3:Contents s3:kind="x"><Key><![CDATA[<&]]]></Key><Size> 12 </Size ></s3:Contents>
        </ListBucketResult>

        """

    @Test func documentOfAStoreIsRead() throws {
        let root = try XMLElement(parsing: Array(Self.listing.utf8))
        #expect(root.name == "ListBucketResult")
        #expect(root["Name"] == "bucket")
        #expect(root["Prefix"] == "")
        #expect(root["Nothing"] == nil)
        let contents = root.all("Contents")
        #expect(contents.map { $0["Key"] } == ["a&b <c> \"d\" 'ä😀", "<&]"])
        #expect(contents.map { $0["ETag"] } == ["\"x\"", nil])
        #expect(contents.last?["Size"] == " 12 ")
    }

    @Test func everyTruncationIsRefused() {
        let bytes = Array(Self.listing.utf8)
        let end = bytes.lastIndex(of: UInt8(ascii: ">")) ?? 0
        for length in 0...end {
            #expect(throws: XMLError.self, "\(length) bytes") { try XMLElement(parsing: Array(bytes.prefix(length))) }
        }
    }

    /// S3 sends spaces while it completes an upload.
    @Test func whiteSpaceAroundTheDocumentIsPassedOver() throws {
        #expect(try XMLElement(parsing: Array(" \r\n  <?xml version=\"1.0\"?>\n<a>1</a>\n ".utf8)).text == "1")
        #expect(try XMLElement(parsing: [0xEF, 0xBB, 0xBF] + Array("<a/>".utf8)).name == "a")
    }

    @Test(arguments: [
        "", " ", "text", "<a>", "</a>", "<a></b>", "<a/><b/>", "<a/>x", "<a", "<a b>", "<a b=c/>", "<a b=\"<\"/>",
        "<a b=\"c/>", "<a>&nbsp;</a>", "<a>&#0;</a>", "<a>&#xD800;</a>", "<a>&#x110000;</a>", "<a>&#;</a>", "<a>&</a>",
        "<a>&amp</a>", "<a>&aaaaaaaaaaaaaaaaaaaa;</a>", "<a><![CDATA[</a>", "<a><!-- </a>", "<>", "< a/>", "<a/ >",
        "<!DOCTYPE a><a/>", "<a><!ENTITY b \"c\"></a>",
        "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>",
        "<a>&#+5;</a>", "<a>&#x;</a>", "<ä/>",
    ])
    func whatIsNotWellFormedIsRefused(_ text: String) {
        #expect(throws: XMLError.self) { try XMLElement(parsing: Array(text.utf8)) }
    }

    @Test func textThatIsNotUTF8IsRefused() {
        #expect(throws: XMLError.self) { try XMLElement(parsing: Array("<a>".utf8) + [0xFF] + Array("</a>".utf8)) }
    }

    @Test func limitsHold() throws {
        func nested(_ depth: Int) -> [UInt8] {
            Array((String(repeating: "<a>", count: depth) + String(repeating: "</a>", count: depth)).utf8)
        }
        _ = try XMLElement(parsing: nested(XMLLimits.depthMax))
        #expect(throws: XMLError.self) { try XMLElement(parsing: nested(XMLLimits.depthMax + 1)) }
        // Deep enough to overflow the stack of a parser without a limit.
        #expect(throws: XMLError.self) { try XMLElement(parsing: nested(500_000)) }
        func wide(_ count: Int) -> [UInt8] { Array("<r>\(String(repeating: "<a/>", count: count))</r>".utf8) }
        _ = try XMLElement(parsing: wide(XMLLimits.elementsMax - 1))
        #expect(throws: XMLError.self) { try XMLElement(parsing: wide(XMLLimits.elementsMax)) }
        let large = Array("<a>".utf8) + [UInt8](repeating: 0x20, count: XMLLimits.bytesMax) + Array("</a>".utf8)
        #expect(throws: XMLError.self) { try XMLElement(parsing: large) }
    }

    @Test func garbageNeverTraps() {
        var random = SeededRandom(seed: 7)
        let pieces = [
            "<", ">", "/", "<a>", "</a>", "&", ";", "&#", "x", "\"", "'", "=", " ", "<![CDATA[", "]]>", "<!--", "-->",
            "<?", "?>", "ä",
        ]
        var understood = 0
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 0...12, using: &random)).compactMap { _ in
                pieces.randomElement(using: &random)
            }.joined()
            if (try? XMLElement(parsing: Array(text.utf8))) != nil { understood += 1 }
            _ = try? XMLElement(parsing: random.bytes(Int.random(in: 0...40, using: &random)))
        }
        let bytes = Array(Self.listing.utf8)
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= UInt8(1 << (index % 8))
            _ = try? XMLElement(parsing: damaged)
        }
        #expect(understood > 0)
    }
}
