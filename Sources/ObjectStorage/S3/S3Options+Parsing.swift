// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

extension S3Options {
    static let names = [
        "provider", "sse", "sse-kms-key-id", "sse-kms-context", "sse-bucket-key", "sse-c-key-file", "sse-c-over-http",
        "storage-class", "tags", "lock-mode", "lock-for", "legal-hold", "requester-pays", "expected-owner", "acl",
        "checksum",
    ]

    private static let tagsMax = 10
    private static let tagKeyLengthMax = 128
    private static let tagValueLengthMax = 256
    /// A hundred years, the most that S3 takes.
    private static let lockDaysMax: Int64 = 36_500

    /// - Throws: `.usage` when a value is none that the option can have, or does not fit another one.
    init(_ options: LocationOptions) throws {
        for name in Self.names {
            if let value = options[name], !value.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) {
                throw options.refused(name, "has a character that no header can hold")
            }
        }
        if let name = options["provider"] {
            guard let known = S3Provider(rawValue: name) else {
                let all = S3Provider.allCases.map(\.rawValue).joined(separator: ", ")
                throw options.refused("provider", "is none of \(all)")
            }
            provider = known
        }
        encryption = try Self.encryption(options)
        customerKeyFile = options["sse-c-key-file"]
        isCustomerKeySentInClear = try options.flag("sse-c-over-http") ?? false
        if customerKeyFile != nil, encryption != nil {
            throw options.refused("sse", "does not go with sse-c-key-file: one key is enough")
        }
        storageClass = try options.word("storage-class")
        tags = try Self.tags(options)
        lock = try Self.lock(options)
        hasLegalHold = try options.flag("legal-hold") ?? false
        isRequesterPaying = try options.flag("requester-pays") ?? false
        expectedOwner = try options.word("expected-owner")
        acl = try options.word("acl")
        checksum = try Self.checksum(options)
    }

    private static func encryption(_ options: LocationOptions) throws -> Encryption? {
        guard let algorithm = options["sse"] else {
            for name in ["sse-kms-key-id", "sse-kms-context", "sse-bucket-key"] where options[name] != nil {
                throw options.refused(name, "says something about sse=aws:kms, which is not given")
            }
            return nil
        }
        guard ["AES256", "aws:kms", "aws:kms:dsse"].contains(algorithm) else {
            throw options.refused("sse", "is none of AES256, aws:kms and aws:kms:dsse")
        }
        let encryption = Encryption(
            algorithm: algorithm,
            keyID: options["sse-kms-key-id"],
            usesBucketKey: try options.flag("sse-bucket-key"),
            context: try context(options)
        )
        if algorithm == "AES256", encryption != Encryption(algorithm: algorithm) {
            throw options.refused("sse", "is AES256, which has no key of its own: sse=aws:kms has")
        }
        return encryption
    }

    /// `a=b,c=d` as the base64 of `{"a":"b","c":"d"}`.
    private static func context(_ options: LocationOptions) throws -> String? {
        guard let pairs = try options.pairs("sse-kms-context") else { return nil }
        guard !pairs.contains(where: { "\($0.name)\($0.value)".contains { $0 == "\"" || $0 == "\\" } }) else {
            throw options.refused("sse-kms-context", "has a quote or a backslash")
        }
        let members = pairs.map { "\"\($0.name)\":\"\($0.value)\"" }
        return Base64.text(Array("{\(members.joined(separator: ","))}".utf8))
    }

    private static func tags(_ options: LocationOptions) throws -> String? {
        guard let pairs = try options.pairs("tags") else { return nil }
        guard pairs.count <= tagsMax,
            pairs.allSatisfy({ $0.name.utf8.count <= tagKeyLengthMax && $0.value.utf8.count <= tagValueLengthMax })
        else {
            throw options.refused(
                "tags",
                "are more than \(tagsMax), or longer than \(tagKeyLengthMax) = \(tagValueLengthMax) characters"
            )
        }
        return pairs.map { "\(PercentEncoding.component($0.name))=\(PercentEncoding.component($0.value))" }
            .joined(separator: "&")
    }

    private static func lock(_ options: LocationOptions) throws -> Lock? {
        let mode = options["lock-mode"]
        guard mode != nil || options["lock-for"] != nil else { return nil }
        guard let mode, ["GOVERNANCE", "COMPLIANCE"].contains(mode), let time = options["lock-for"] else {
            throw options.refused("lock-mode", "is GOVERNANCE or COMPLIANCE, and lock-for=30d says how long")
        }
        guard let seconds = lockSeconds(time), (1...lockDaysMax * 86_400).contains(seconds) else {
            throw options.refused("lock-for", "is no time such as 12h, 30d, 8w or 1y, of at most 100 years")
        }
        return Lock(mode: mode, seconds: seconds)
    }

    /// A year is 365 days, as with the default retention of a bucket.
    private static func lockSeconds(_ text: String) -> Int64? {
        let secondsOf: [String: Int64] = ["h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400]
        var total: Int64 = 0
        for (count, unit) in UnitCounts.parts(of: text) ?? [] {
            guard let seconds = secondsOf[unit], count <= lockDaysMax * 24 else { return nil }
            total += count * seconds
        }
        return total
    }

    private static func checksum(_ options: LocationOptions) throws -> Checksum? {
        guard let name = options["checksum"] else { return nil }
        if name == "none" { return .off }
        guard let checksum = S3Checksum(rawValue: name) else {
            let all = S3Checksum.allCases.map(\.rawValue).joined(separator: ", ")
            throw options.refused("checksum", "is none of \(all) and none")
        }
        return .on(checksum)
    }
}

extension LocationOptions {
    /// A value that is one word.
    fileprivate func word(_ name: String) throws -> String? {
        guard let value = self[name] else { return nil }
        guard ObjectKey.isValid(component: value) else { throw refused(name, "is not one word") }
        return value
    }

    /// `a=b,c=d`; no name stands there twice.
    fileprivate func pairs(_ name: String) throws -> [(name: String, value: String)]? {
        guard let text = self[name] else { return nil }
        let pairs = text.split(separator: ",").map { pair -> (name: String, value: String) in
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (String(halves[0]), halves.count > 1 ? String(halves[1]) : "")
        }
        guard !pairs.isEmpty, pairs.allSatisfy({ !$0.name.isEmpty }), Set(pairs.map(\.name)).count == pairs.count else {
            throw refused(name, "is not of the form name=value,name=value, each name once")
        }
        return pairs
    }
}
