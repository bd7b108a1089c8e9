// SPDX-License-Identifier: Apache-2.0

import Failures
import Foundation
import HTTPTransport
import Logging
import ObjectStorage
import TestParts
import Testing

/// A bucket whose requests and whose sources of credentials end at one scripted server.
struct CredentialRig: Sendable {
    let store: any ObjectStore
    let server: ScriptedHTTP
    let clock: TurnedClock
    let log: KeptLog
    let home: URL

    /// Who signed the requests to the bucket, in order.
    var signers: [String] { server.requests.filter(\.isForBucket).map(\.signer) }

    /// The requests to whatever gives credentials.
    var asked: [SeenRequest] { server.requests.filter { !$0.isForBucket } }

    /// Lists the bucket, which is to fail.
    /// - Returns: the failure, which has shown no secret, as the log has not.
    func failure(at place: SourceLocation = #_sourceLocation) async throws -> Failure {
        let failure = await #expect(throws: Failure.self, sourceLocation: place) { try await store.list(under: .root) }
        log.expectNoSecret(at: place)
        let found = try #require(failure, sourceLocation: place)
        let text = found.shown
        #expect(!text.contains("hush"), "\(text)", sourceLocation: place)
        #expect(text.utf8.allSatisfy { $0 >= 0x20 }, "\(text)", sourceLocation: place)
        return found
    }
}

extension Failure {
    /// All that people get to see of it.
    var shown: String { "\(self) \(hint ?? "")" }
}

extension SeenRequest {
    var isForBucket: Bool { target.hasPrefix("/bucket") }

    /// The access key that it is signed with.
    var signer: String {
        let words = (headers["authorization"] ?? "").split { "=/, ".contains($0) }
        return words.firstIndex(of: "Credential").map { String(words[$0 + 1]) } ?? ""
    }

    /// The fields of a form.
    var form: [String: String] {
        let pairs = String(decoding: body, as: UTF8.self).split(separator: "&").map { field in
            let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (String(parts[0]), parts.count > 1 ? PercentEncoding.decode(parts[1]) ?? "?" : "")
        }
        return Dictionary(pairs) { first, _ in first }
    }
}

/// A clock that tests turn, and on which nobody really waits, but for what lasts a minute: a program that runs.
struct TurnedClock: Sendable {
    /// 2026-11-25T00:00:00Z
    static let start: Int64 = 1_795_564_800

    let seconds = Shared(start)
    let waits = Shared<[Duration]>([])
    /// When this returns, the time of a program is over; without it, it never is.
    var programTime: (@Sendable () async throws -> Void)?

    var clock: RequestClock {
        RequestClock(
            secondsSince1970: { [seconds] in seconds.value },
            sleep: { [waits, programTime] duration in
                if duration >= .seconds(60) {
                    if let programTime { return try await programTime() }
                    return try await Task.sleep(for: .seconds(600))
                }
                waits.change { $0.append(duration) }
                try Task.checkCancellation()
                await Task.yield()
            },
            chance: { 0.5 }
        )
    }

    /// `2026-11-25T00:20:00Z`, so many seconds after the start.
    static func text(after seconds: Int64) -> String {
        let time = CivilTime(secondsSince1970: start + seconds).basicDateTime
        let digits = Array(time)
        return "\(String(digits[0..<4]))-\(String(digits[4..<6]))-\(String(digits[6..<8]))T"
            + "\(String(digits[9..<11])):\(String(digits[11..<13])):\(String(digits[13..<15]))Z"
    }
}

/// A log that is kept.
struct KeptLog: LogHandler {
    let lines = Shared<[String]>([])
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        lines.change { $0.append("\(event.level) \(event.message) \(event.metadata ?? [:])") }
    }

    func expectNoSecret(at place: SourceLocation = #_sourceLocation) {
        let text = lines.value.joined(separator: "\n")
        #expect(!text.contains("hush"), "\(text)", sourceLocation: place)
    }
}

/// What gives credentials says.
enum CredentialText {
    static let emptyList = S3Text.ok("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")

    /// As the security token service writes them; `action` is `AssumeRole` or `AssumeRoleWithWebIdentity`.
    static func role(
        _ id: String,
        endsAfter seconds: Int64 = 3600,
        action: String = "AssumeRoleWithWebIdentity"
    ) -> String {
        S3Text.ok(
            """
            <\(action)Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><\(action)Result><AssumedRoleUser>\
            <Arn>arn:x</Arn></AssumedRoleUser><Credentials><AccessKeyId>\(id)</AccessKeyId><SecretAccessKey>\
            hush-secret-\(id)</SecretAccessKey><SessionToken>hush-token-\(id)</SessionToken><Expiration>\
            \(TurnedClock.text(after: seconds))</Expiration></Credentials></\(action)Result></\(action)Response>
            """
        )
    }

    static func roleError(_ status: String, _ code: String, _ message: String = "no") -> String {
        ScriptedHTTP.response(
            status,
            headers: ["Connection: close"],
            body: "<ErrorResponse><Error><Type>Sender</Type><Code>\(code)</Code><Message>\(message)</Message></Error>"
                + "<RequestId>x</RequestId></ErrorResponse>"
        )
    }

    /// As containers and machines write them.
    static func json(_ id: String, endsAfter seconds: Int64? = 3600, more: String = "") -> String {
        let end = seconds.map { #","Expiration":"\#(TurnedClock.text(after: $0))""# } ?? ""
        let keys = #""AccessKeyId":"\#(id)","SecretAccessKey":"hush-secret-\#(id)","Token":"hush-token-\#(id)""#
        return "{\(keys)\(end)\(more)}"
    }

    /// An unsigned token with these claims.
    static func webToken(_ claims: String = #"{"sub":"system:serviceaccount:prod:backup","aud":["sts.amazonaws.com"]}"#)
        -> String
    {
        let payload = Data(claims.utf8).base64EncodedString().filter { $0 != "=" }
        return "e30.\(payload).hush-signature"
    }
}

/// Opens such a bucket, without files.
@discardableResult
func withCredentialRig<Result: Sendable>(
    environment: @escaping @Sendable (String, URL) -> [String: String],
    _ answer: @escaping @Sendable (SeenRequest, Int) async throws -> String?,
    _ body: @Sendable (CredentialRig) async throws -> Result
) async throws -> Result {
    try await withCredentialRig(environment: environment, config: nil, answer: answer, body)
}

/// Opens such a bucket. `HOME` has the files; the server answers for the bucket what no other answer is given for.
/// - Parameters:
///   - environment: gets the URL of the server and the home folder.
///   - answer: `nil` for what is for the bucket: an empty list.
@discardableResult
func withCredentialRig<Result: Sendable>(
    environment: @escaping @Sendable (String, URL) -> [String: String] = { _, _ in [:] },
    config: (@Sendable (String, URL) -> String)? = nil,
    credentials: String? = nil,
    clock: TurnedClock = TurnedClock(),
    configure: @Sendable (inout StoreConfiguration) -> Void = { _ in },
    answer: @escaping @Sendable (SeenRequest, Int) async throws -> String?,
    _ body: @Sendable (CredentialRig) async throws -> Result
) async throws -> Result {
    try await withTemporaryFolder { home in
        try await withScriptedHTTP { request, number in
            try await answer(request, number) ?? CredentialText.emptyList
        } body: { server in
            let folder = home.appendingPathComponent(".aws")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            if let config {
                try Data(config(server.url, home).utf8).write(to: folder.appendingPathComponent("config"))
            }
            if let credentials {
                try Data(credentials.utf8).write(to: folder.appendingPathComponent("credentials"))
            }
            let log = KeptLog()
            let basic = ["HOME": home.path, "PATH": "/usr/bin:/bin", "AWS_EC2_METADATA_DISABLED": "true"]
            var configuration = StoreConfiguration(
                environment: basic.merging(environment(server.url, home)) { $1 },
                logger: Logger(label: "tests") { _ in log },
                clock: clock.clock
            )
            configuration.endpointURL = server.url
            configuration.noProgressSeconds = 1
            configure(&configuration)
            return try await withObjectStore(StoreLocation(parsing: "s3://bucket"), configuration: configuration) {
                store in
                let rig = CredentialRig(store: store, server: server, clock: clock, log: log, home: home)
                let result = try await body(rig)
                log.expectNoSecret()
                return result
            }
        }
    }
}
