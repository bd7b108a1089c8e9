// SPDX-License-Identifier: Apache-2.0

import Failures
import Foundation
import TestParts
import Testing

/// Programs that print credentials: how they are run, and what their output comes to.
@Suite(.timeLimit(.minutes(2))) struct CredentialProcessTests {
    /// A profile with a program in the home folder.
    private static func program(_ home: URL, _ arguments: String = "") -> String {
        "[default]\ncredential_process = \"\(home.path)/my program\" \(arguments)\n"
    }

    private static func write(program script: String, _ home: URL) throws {
        let file = home.appendingPathComponent("my program")
        try writeProgram("#!/bin/sh\n\(script)\n", to: file.path)
    }

    private static func printed(_ id: String, more: String = "") -> String {
        #"{"Version":1,"AccessKeyId":"\#(id)","SecretAccessKey":"hush-secret","SessionToken":"hush-session"\#(more)}"#
    }

    @Test func programIsRunWithoutAShell() async throws {
        try await withCredentialRig(
            environment: { _, _ in ["OURS": "too"] },
            config: { _, home in Self.program(home, "'a  b' $HOME \"*\" c\\ d;exit 3") },
            answer: { _, _ in nil }
        ) { rig in
            try Self.write(
                program: """
                    printf '%s\\n' "$@" "$OURS" > '\(rig.home.path)/arguments'
                    cat > '\(rig.home.path)/input'
                    (: < /dev/tty) 2>/dev/null && echo yes > '\(rig.home.path)/terminal'
                    echo '\(Self.printed("ASIAPRO"))'
                    """,
                rig.home
            )
            _ = try await rig.store.list(under: .root)
            #expect(rig.signers == ["ASIAPRO"])
            let arguments = try String(contentsOf: rig.home.appendingPathComponent("arguments"), encoding: .utf8)
            #expect(arguments == "a  b\n$HOME\n*\nc d;exit\n3\ntoo\n")
            #expect(try Data(contentsOf: rig.home.appendingPathComponent("input")).isEmpty)
            #expect(!FileManager.default.fileExists(atPath: rig.home.appendingPathComponent("terminal").path))
        }
    }

    @Test(arguments: [
        ("echo hush", "no JSON"), ("true", "no JSON"), ("echo '{}'", "Version"),
        ("echo '\(printed("A").replacing("1", with: "2"))'", "Version"),
        (#"echo '{"Version":1,"AccessKeyId":"A"}'"#, "secret is missing"),
        ("echo '\(printed("A", more: #","Expiration":"hush""#))'", "no time"),
        ("echo '\(printed("A", more: #","Expiration":"2026-11-24T23:59:50+00:00""#))'", "ended 10 s ago"),
        (
            "echo hush-output; echo \"no login: $APP_SECRET\" >&2; echo again >&2; exit 3",
            "exit code 3: no login: *** | again"
        ),
        ("kill -9 $$", "signal 9"), ("head -c 3000000 /dev/zero", "more than"),
    ])
    func programThatGivesNoneIsAnError(_ script: String, _ says: String) async throws {
        try await withCredentialRig(
            environment: { _, _ in ["APP_SECRET": "hush-value"] },
            config: { _, home in Self.program(home, "--key=hush-argument") },
            credentials: nil,
            answer: { _, _ in nil }
        ) { rig in
            try Self.write(program: script, rig.home)
            let failure = try await rig.failure()
            #expect(failure.code == .authenticationFailed, "\(failure.shown)")
            #expect(failure.shown.contains(says), "\(failure.shown)")
            #expect(failure.shown.contains("credential_process of the AWS profile default"))
            #expect(rig.server.requests.isEmpty)
        }
    }

    @Test(arguments: ["no-such-program-of-redoubt --hush", "/nonexistent/program hush", "/etc/passwd"])
    func programThatIsNotThereIsAnError(_ line: String) async throws {
        try await withCredentialRig(
            config: { _, _ in "[default]\ncredential_process = \(line)\n" },
            answer: { _, _ in nil }
        ) { rig in
            let failure = try await rig.failure()
            #expect(failure.code == .configuration, "\(failure.shown)")
        }
    }

    @Test func programThatDoesNotEndIsEndedWithAllThatItStarted() async throws {
        let child = Shared("")
        var clock = TurnedClock()
        clock.programTime = {
            try await eventually("the program to begin") {
                FileManager.default.fileExists(atPath: child.value) ? () : nil
            }
        }
        try await withCredentialRig(
            config: { _, home in Self.program(home) },
            clock: clock,
            answer: { _, _ in nil }
        ) { rig in
            let path = rig.home.appendingPathComponent("child").path
            child.change { $0 = path }
            try Self.write(
                program: "trap '' TERM\nsleep 600 & echo $! > '\(path).new'\nmv '\(path).new' '\(path)'\nwait",
                rig.home
            )
            let failure = try await rig.failure()
            #expect(failure.code == .timeout && failure.shown.contains("within 60 s"))
            let text = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").first ?? ""
            let pid = try #require(pid_t(text))
            try await eventually("what it started to be gone") { kill(pid, 0) == 0 ? nil : () }
        }
    }
}
