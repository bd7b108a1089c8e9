// SPDX-License-Identifier: Apache-2.0

import Failures
import ObjectStorage
import Testing

@Suite struct StoreLocationTests {
    @Test(arguments: [
        ("file:///backups", "/backups"), ("file:///a/b/", "/a/b"), ("file:////a//b///", "/a/b"), ("FILE:///a", "/a"),
        ("file://localhost/a", "/a"), ("file:///my%20disk/%C3%A4", "/my disk/ä"), ("file:///a%25b", "/a%b"),
    ])
    func folderIsUnderstood(_ text: String, _ path: String) throws {
        let location = try StoreLocation(parsing: text)
        #expect(location == .folder(path: path))
        #expect(try StoreLocation(parsing: "\(location)") == location)
    }

    @Test(arguments: [
        ("s3://bucket", "bucket", ""), ("s3://bucket/", "bucket", ""), ("s3://b.c-d/a/b/", "b.c-d", "a/b"),
        ("s3://bucket//a//b", "bucket", "a/b"), ("S3://Bucket_1/ä b+c%20", "Bucket_1", "ä b+c%20"),
    ])
    func bucketIsUnderstood(_ text: String, _ bucket: String, _ prefix: String) throws {
        guard case .bucket(let location) = try StoreLocation(parsing: text) else {
            Issue.record("\(text) is no bucket")
            return
        }
        #expect(location.bucket == bucket && location.prefix == prefix)
        #expect(location.pathStyle == nil && location.endpointURL == nil && location.region == nil)
    }

    @Test func optionsOfABucketAreUnderstood() throws {
        let text = "s3://b/p?endpoint-url=http%3A%2F%2F127.0.0.1:9000&region=eu-west-1&profile=a%20b&path-style=false"
        guard case .bucket(let location) = try StoreLocation(parsing: text) else { return }
        #expect(location.endpointURL == "http://127.0.0.1:9000" && location.region == "eu-west-1")
        #expect(location.profile == "a b" && location.pathStyle == false)
        #expect("\(location)" == "s3://b/p")
    }

    @Test(arguments: [
        "", "backups", "/backups", "./a", "file:backups", "file://host/a", "file://", "file:///", "file:///a?b",
        "file:///a#b", "file:///a%", "file:///a%00b", "://a", "ftp://host/a", "gs://", "gs://k:hush@b/a", "gs://b?x=y",
        "gs://b/../c", "s3://", "s3:///a",
        "s3://..",
        "s3://a:b", "s3://key:hush@bucket/a", "s3://b/..", "s3://b/a/./c", "s3://b?region", "s3://b?region=",
        "s3://b?x=y",
        "s3://b?path-style=maybe", "s3://b?region=%zz", "s3://b/a\nb", "file:///a\u{0}b",
    ])
    func anythingElseIsAMistakeOfUsage(_ text: String) throws {
        let failure = try #require(throws: Failure.self) { try StoreLocation(parsing: text) }
        #expect(failure.code == .usage)
        #expect(!failure.message.contains("hush") && !(failure.hint ?? "").contains("hush"))
    }

    @Test func pathWithoutASchemeIsExplained() throws {
        let failure = try #require(throws: Failure.self) { try StoreLocation(parsing: "/backups") }
        #expect(failure.hint?.contains("file:///backups") == true)
    }

    @Test(arguments: [
        ("file:/backups", "file:", "file:///dir"), ("s3:/b/p", "s3:", "s3://bucket/prefix"),
        ("GS:b", "gs:", "gs://bucket/prefix"), ("webdavs:/k:hush@h", "webdavs:", "webdavs://host/path"),
    ])
    func slashesThatAreMissingAreNamed(text: String, scheme: String, form: String) throws {
        let failure = try #require(throws: Failure.self) { try StoreLocation(parsing: text) }
        #expect(failure.code == .usage && failure.message.hasSuffix("two slashes are missing after \(scheme)"))
        #expect(failure.hint == "Write it as \(form).")
    }

    @Test(arguments: [(-1, "-1 s"), (10, "10 s"), (7199, "119 min"), (90_000, "25 h"), (217_883_963, "2521 days")])
    func agesAreSaidAsPeopleSayThem(seconds: Int64, text: String) {
        #expect(SpokenTime.age(seconds) == text)
    }

    @Test func waitsAreSaidToATenth() {
        #expect(SpokenTime.wait(.seconds(0.5071418137562174)) == "0.5 s")
        #expect(SpokenTime.wait(.seconds(59.96)) == "60.0 s" && SpokenTime.wait(.zero) == "0.0 s")
    }

    @Test func prefixLeavesRoomForKeys() throws {
        _ = try StoreLocation(parsing: "s3://b/" + String(repeating: "a", count: 512))
        #expect(throws: Failure.self) { try StoreLocation(parsing: "s3://b/" + String(repeating: "a", count: 513)) }
    }
}

@Suite struct ObjectKeyTests {
    @Test func keysAreOrderedByTheirBytes() throws {
        let texts = ["a", "a-b", "a.b", "a/b", "a/b/c", "aa", "b"]
        let keys = try texts.reversed().map { try #require(ObjectKey(parsing: $0)) }
        #expect(keys.sorted().map(\.description) == texts)
    }

    @Test(arguments: [
        "", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "a b", "ä", "a~b", "a\u{0}", "a/b/c/d/e/f/g/h/i",
    ])
    func otherTextsAreNoKeys(_ text: String) {
        #expect(ObjectKey(parsing: text) == nil)
    }

    @Test func folderHoldsWhatIsBelowIt() throws {
        let folder = try KeyFolder(["a", "b"])
        #expect(folder.contains(try ObjectKey(["a", "b", "c"])))
        for components in [["a", "b"], ["a", "bc", "d"], ["b", "a", "b"]] {
            let key = try ObjectKey(components)
            #expect(!folder.contains(key))
        }
        #expect(KeyFolder.root.contains(try ObjectKey(["x"])))
        #expect("\(folder)" == "a/b/" && "\(KeyFolder.root)" == "")
    }
}
