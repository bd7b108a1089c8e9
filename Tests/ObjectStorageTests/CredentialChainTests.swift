// SPDX-License-Identifier: Apache-2.0

import Failures
import Foundation
import ObjectStorage
import TestParts
import Testing

/// Which source is taken, before any is asked.
@Suite struct CredentialChainTests {
    struct Case: Sendable, Encodable {
        var environment: [String: String] = [:]
        var profile: String?
        var credentials: String?
        var config: String?

        /// Where we would take the credentials from, in the words of Tests/oracles/credentials.py.
        func origin(home: URL) throws -> String {
            let folder = home.appendingPathComponent(".aws")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            for (name, text) in [("credentials", credentials), ("config", config)] {
                let file = folder.appendingPathComponent(name)
                try? FileManager.default.removeItem(at: file)
                if let text { try Data(text.utf8).write(to: file) }
            }
            let all = environment.merging(["HOME": home.path]) { $1 }
            return try CredentialChain(environment: all, profile: profile).origin().described
        }
    }

    // MARK: The order

    /// In order: what configures a source, and what it is then called.
    private static let sources: [(configure: @Sendable (inout Case) -> Void, name: String)] = [
        (
            { $0.environment.merge(["AWS_ACCESS_KEY_ID": "E", "AWS_SECRET_ACCESS_KEY": "s"]) { $1 } },
            "env:E"
        ),
        (
            { $0.config? += "role_arn = R\ncredential_source = Ec2InstanceMetadata\n" },
            "assume-role:R:::<-iam-role"
        ),
        (
            { $0.environment.merge(["AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": "W"]) { $1 } },
            "assume-role-with-web-identity:W:/t:"
        ),
        ({ $0.config? += "sso_start_url = x\nsso_account_id = 1\nsso_role_name = x\nsso_region = x\n" }, "sso"),
        (
            { $0.credentials = "[default]\naws_access_key_id = F\naws_secret_access_key = s\n" },
            "shared-credentials-file:F"
        ),
        ({ $0.config? += "login_session = x\n" }, "login"),
        ({ $0.config? += "credential_process = /bin/x a 'b c'\n" }, "custom-process:/bin/x|a|b c"),
        ({ $0.config? += "aws_access_key_id = C\naws_secret_access_key = s\n" }, "config-file:C"),
        (
            { $0.environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/x" },
            "container-role:http://169.254.170.2/v2/x"
        ),
    ]

    /// All 512 combinations of nine sources: the first one that is configured is taken, or refused.
    @Test func theFirstSourceThatIsConfiguredIsTaken() async throws {
        try await withTemporaryFolder { home async throws in
            for combination in 0..<(1 << Self.sources.count) {
                var each = Case(config: "[default]\n")
                var expected = "iam-role"
                for (index, source) in Self.sources.enumerated().reversed() where combination & (1 << index) != 0 {
                    source.configure(&each)
                    expected = source.name
                }
                let found = Self.answer(each, home)
                #expect(found.origin == expected, "\(each): \(found.text)")
            }
        }
    }

    /// What was decided, `error` for a refusal, and what it said.
    private static func answer(_ each: Case, _ home: URL) -> (origin: String, text: String) {
        do { return (try each.origin(home: home), "") } catch {
            let failure = error as? Failure
            let text = failure?.shown ?? "\(error)"
            // A login that cannot be used is refused where it would have been taken.
            if text.contains("login_session of") { return ("login", text) }
            return (text.contains("redoubt cannot log in") ? "sso" : "error", text)
        }
    }

    // MARK: The second opinion

    private struct Request: Encodable {
        var cases: [Case] = []
        var lines: [String] = []
    }

    private struct Reply: Decodable {
        let origins: [String]
        let words: [[String]?]
    }

    private static func oracle(_ request: Request) async throws -> Reply {
        try await withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("request.json")
            try JSONEncoder().encode(request).write(to: file)
            let script = Parts.testsFolder.appendingPathComponent("oracles/credentials.py").path
            let output = try await run(try Parts.python(), [script, file.path])
            return try JSONDecoder().decode(Reply.self, from: Data(output))
        }
    }

    /// What we refuse and botocore does not: it cannot be asked for a code, it logs in itself, and it passes over what
    /// is there by halves.
    private static let refusedByUs = [
        "mfa_serial", "redoubt cannot log in", "has only half of them", "has AWS_ROLE_ARN", "duration_seconds",
    ]

    @Test func botocoreTakesTheSameSource() async throws {
        var random = SeededRandom(seed: 56)
        let cases = (0..<400).map { _ in Self.randomCase(&random) }
        let reply = try await Self.oracle(Request(cases: cases))
        var kinds: [Substring: Int] = [:]
        try await withTemporaryFolder { home async throws in
            for (each, theirs) in zip(cases, reply.origins) {
                let ours = Self.answer(each, home)
                kinds[theirs.prefix { $0 != ":" }, default: 0] += 1
                if ours.origin == theirs { continue }
                let isRefused = !ours.text.isEmpty && Self.refusedByUs.contains { ours.text.contains($0) }
                #expect(isRefused, "\(each)\nbotocore: \(theirs)\nredoubt: \(ours)")
            }
        }
        // The cases reach every source.
        for kind in [
            "env", "assume-role", "assume-role-with-web-identity", "sso", "shared-credentials-file", "login",
            "custom-process", "config-file", "container-role", "iam-role", "error",
        ] {
            #expect(kinds[Substring(kind), default: 0] >= 3, "\(kind): \(kinds)")
        }
    }

    private static func randomCase(_ random: inout SeededRandom) -> Case {
        var each = Case()
        func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
        if chance(12) { each.environment["AWS_ACCESS_KEY_ID"] = "ENV" }
        if each.environment["AWS_ACCESS_KEY_ID"] != nil ? chance(90) : chance(3) {
            each.environment["AWS_SECRET_ACCESS_KEY"] = "s"
        }
        if chance(20) { each.environment["AWS_WEB_IDENTITY_TOKEN_FILE"] = "/env/token" }
        if chance(each.environment["AWS_WEB_IDENTITY_TOKEN_FILE"] != nil ? 80 : 3) {
            each.environment["AWS_ROLE_ARN"] = "arn:env"
        }
        if chance(15) { each.environment["AWS_ROLE_SESSION_NAME"] = "env-session" }
        if chance(25) { each.environment["AWS_PROFILE"] = chance(95) ? "a" : "nowhere" }
        if chance(10) { each.environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/relative" }
        if chance(15) {
            each.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] =
                chance(80) ? "http://169.254.170.23/v1/credentials" : "http://10.0.0.1/x"
        }
        if chance(20) { each.profile = ["default", "a", "b"].randomElement(using: &random) }
        each.config = file(&random, ["default", "profile a", "profile b"], percent: 30)
        if chance(60) { each.credentials = file(&random, ["default", "a", "b"], percent: 8) }
        return each
    }

    private static func file(_ random: inout SeededRandom, _ sections: [String], percent: Int) -> String {
        var text = ""
        func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
        for section in sections where chance(85) {
            text += "[\(section)]\nregion = x\n"
            let key = section.split(separator: " ").last.map(String.init) ?? ""
            if chance(percent) { text += "aws_access_key_id = \(key)-\(percent)\n" }
            if text.hasSuffix("\(percent)\n") ? chance(95) : chance(2) { text += "aws_secret_access_key = s\n" }
            if chance(percent) {
                text += "role_arn = arn:\(key)\n"
                if chance(70) {
                    text += "source_profile = \(["default", "a", "b", "c"].randomElement(using: &random) ?? "")\n"
                }
                let kinds = ["Environment", "EcsContainer", "Ec2InstanceMetadata", "Nonsense"]
                if chance(30) { text += "credential_source = \(kinds.randomElement(using: &random) ?? "")\n" }
                if chance(20) { text += "external_id = id\n" }
                if chance(20) { text += "role_session_name = session\n" }
                if chance(20) { text += "duration_seconds = 900\n" }
                if chance(4) { text += "mfa_serial = x\n" }
            }
            if chance(percent / 3) { text += "web_identity_token_file = /\(key)/token\n" }
            if chance(percent / 6) {
                text += "sso_start_url = x\nsso_account_id = 1\nsso_role_name = x\nsso_region = x\n"
            }
            if chance(percent / 4) { text += "login_session = x\n" }
            if chance(percent / 2) { text += "credential_process = /bin/\(key) \"a b\" c\\ d\n" }
        }
        return text
    }

    @Test func wordsAreThoseOfAShell() async throws {
        var random = SeededRandom(seed: 7)
        let pieces = [
            "'", "\"", "\\", " ", "\t", "a", "b=c", "$HOME", "*", "#", ";", "|", "ä", "`x`", "\r\n", "\u{301}",
        ]
        let lines = (0..<3000).map { _ in
            (0..<Int.random(in: 0...9, using: &random)).compactMap { _ in pieces.randomElement(using: &random) }
                .joined()
        }
        let reply = try await Self.oracle(Request(lines: lines))
        for (line, words) in zip(lines, reply.words) {
            #expect(ShellWords.split(line) == words, "\(String(reflecting: line))")
        }
        #expect(reply.words.contains { $0 == nil } && reply.words.contains { ($0 ?? []).count > 3 })
    }
}

extension CredentialOrigin {
    /// In the words of Tests/oracles/credentials.py.
    var described: String {
        switch self {
        case .keys(let keys, .environment): "env:\(keys.accessKeyID)"
        case .keys(let keys, .credentialsFile): "shared-credentials-file:\(keys.accessKeyID)"
        case .keys(let keys, .configFile): "config-file:\(keys.accessKeyID)"
        case .webIdentity(let identity):
            "assume-role-with-web-identity:\(identity.roleARN):\(identity.tokenFile):\(identity.sessionName ?? "")"
        case .role(let role, let base):
            "assume-role:\(role.arn):\(role.externalID ?? ""):\(role.sessionName ?? ""):"
                + "\(role.durationSeconds.map(String.init) ?? "")<-\(base.described)"
        case .process(let process): "custom-process:\(process.words.joined(separator: "|"))"
        case .container(let endpoint): "container-role:\(endpoint.url)"
        case .instance: "iam-role"
        }
    }
}
