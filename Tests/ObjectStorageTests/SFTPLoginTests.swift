// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Foundation
import HTTPTransport
import ObjectStorage
import TestParts
import Testing

/// Who the server is, and who we are.
@Suite struct SFTPLoginTests {
    private func failure(
        _ server: SFTPServer,
        _ kind: TestedStore = .openSSH,
        options: [String: String] = [:],
        configure: (inout StoreConfiguration) -> Void = { _ in }
    ) async throws -> Failure? {
        let tested = try StoreWithWitness(server, kind, options: options, configure: configure)
        do {
            _ = try await tested.withStore { try await $0.list(under: .root) }
            return nil
        } catch {
            return error as? Failure
        }
    }

    @Test(arguments: [SSHMaterial.Kind.ed25519, .ecdsa])
    func keysLetInAlsoWhenTheyAreEncrypted(_ kind: SSHMaterial.Kind) async throws {
        try await withOpenSSH { server async throws in
            let plain = try await failure(server, options: ["key-file": server.material.userKey(kind)])
            #expect(plain == nil, "\(String(describing: plain))")
            let encrypted = ["key-file": server.material.encryptedKey(kind)]
            let opened = try await failure(server, options: encrypted) {
                $0.environment["SFTP_KEY_PASSPHRASE"] = SSHMaterial.passphrase
            }
            #expect(opened == nil, "\(String(describing: opened))")
            let file = server.folder.deletingLastPathComponent().appendingPathComponent("passphrase")
            try "\(SSHMaterial.passphrase)\n".write(to: file, atomically: true, encoding: .utf8)
            let read = try await failure(server, options: encrypted) {
                $0.environment["SFTP_KEY_PASSPHRASE_FILE"] = file.path
            }
            #expect(read == nil, "\(String(describing: read))")
            let closed = try await failure(server, options: encrypted)
            #expect(closed?.code == .authenticationFailed)
            #expect(closed?.hint?.contains("SFTP_KEY_PASSPHRASE_FILE") == true)
        }
    }

    /// libssh2 1.10 signs with SHA-1, which OpenSSH does not take any more; a later one logs in.
    @Test func rsaKeyIsTakenOrRefusedWithAHint() async throws {
        try await withOpenSSH { server async throws in
            let failure = try await failure(server, options: ["key-file": server.material.userKey(.rsa)])
            if SSHLibrary.knowsRSAWithSHA2 {
                #expect(failure == nil, "\(String(describing: failure))")
            } else {
                #expect(failure?.code == .authenticationFailed)
                #expect(failure?.hint?.contains("Ed25519") == true && failure?.hint?.contains("libssh2 1.") == true)
            }
        }
    }

    @Test func strangersAreNotLetIn() async throws {
        try await withOpenSSH { server async throws in
            let failure = try await failure(server, options: ["key-file": server.material.strangeKey])
            #expect(failure?.code == .authenticationFailed)
        }
        try await withRcloneSFTP { server async throws in
            let wrong = "not the password"
            let failure = try await failure(server, .rcloneSFTP) { $0.environment["SFTP_PASSWORD"] = wrong }
            #expect(failure?.code == .authenticationFailed)
            #expect("\(String(describing: failure))".contains(wrong) == false)
        }
    }

    /// Whichever kind of key is known, in whichever way it is written, and whichever kind the server likes best.
    @Test func hostIsKnownByAnyOfItsKeys() async throws {
        try await withOpenSSH { server async throws in
            let folder = server.folder.deletingLastPathComponent()
            let file = folder.appendingPathComponent("known").path
            let rsa = try server.knownHosts(kinds: [.rsa])
            let texts = [
                try server.knownHosts(kinds: [.ed25519]), try server.knownHosts(kinds: [.ecdsa]),
                // The server shows no RSA key.
                try rsa + server.knownHosts(kinds: [.ecdsa]),
                "[other]:22,[127.0.0.*]:\(server.port) \(try server.material.hostKey(.ed25519)) a comment\n",
            ]
            for text in texts {
                try text.write(toFile: file, atomically: true, encoding: .utf8)
                let failure = try await failure(server, options: ["known-hosts": file])
                #expect(failure == nil, "\(text): \(String(describing: failure))")
            }
            try texts[0].write(toFile: file, atomically: true, encoding: .utf8)
            try await run(Parts.sshKeygen(), ["-H", "-f", file])
            #expect(try String(contentsOfFile: file, encoding: .utf8).hasPrefix("|1|"))
            let hashed = try await failure(server, options: ["known-hosts": file])
            #expect(hashed == nil, "\(String(describing: hashed))")
        }
    }

    @Test func unknownHostIsRefusedWithTheLineToType() async throws {
        try await withOpenSSH { server async throws in
            let file = server.folder.deletingLastPathComponent().appendingPathComponent("known").path
            try "other.example \(server.material.hostKey(.ed25519))\n"
                .write(toFile: file, atomically: true, encoding: .utf8)
            let unknown = try await failure(server, options: ["known-hosts": file])
            #expect(unknown?.code == .tlsFailed)
            #expect(unknown?.hint?.contains("ssh-keyscan -p \(server.port) 127.0.0.1 >> \(file)") == true)
            try "[127.0.0.1]:\(server.port) \(server.material.strangeHostKey())\n"
                .write(toFile: file, atomically: true, encoding: .utf8)
            let other = try await failure(server, options: ["known-hosts": file])
            #expect(other?.code == .tlsFailed, "\(String(describing: other))")
            // What is typed must change the file that was read.
            let removal = "ssh-keygen -R '[127.0.0.1]:\(server.port)' -f \(file)"
            #expect(other?.hint?.contains(removal) == true && other?.hint?.contains(">> \(file)") == true)
            #expect(other?.hint?.contains("~/.ssh") == false)
            try (String(contentsOfFile: file, encoding: .utf8) + server.knownHosts(kinds: [.ecdsa]))
                .write(toFile: file, atomically: true, encoding: .utf8)
            // A key of a known kind that is another one is an alarm, not a reason to ask for the next kind.
            let changed = try await failure(server, options: ["known-hosts": file])
            #expect(changed?.code == .tlsFailed)
            let believed = try await failure(
                server,
                options: ["known-hosts": file, "insecure-host-key": "true"]
            )
            #expect(believed == nil, "\(String(describing: believed))")
        }
    }

    @Test func pinnedKeyIsTheOnlyOneBelieved() async throws {
        try await withOpenSSH { server async throws in
            for kind in [SSHMaterial.Kind.ed25519, .ecdsa] {
                let pin = try await server.material.hostKeySHA256(kind)
                let failure = try await failure(server, options: ["host-key-sha256": pin])
                #expect(failure == nil, "\(kind): \(String(describing: failure))")
            }
            let other = try await server.material.hostKeySHA256(.rsa)
            let failure = try await failure(server, options: ["host-key-sha256": other])
            #expect(failure?.code == .tlsFailed && failure?.hint?.contains("ssh-keygen -R") == false)
        }
    }

    @Test func folderThatMayNotBeWrittenIsPermission() async throws {
        try await withOpenSSH { server async throws in
            let tested = try StoreWithWitness(server, .openSSH)
            let key = try #require(ObjectKey(parsing: "a/b"))
            // A plain file in the place of a folder: not even root can write below it.
            try await tested.place("a", [1])
            let failure = await #expect(throws: Failure.self) {
                try await tested.withStore { try await $0.write(key, [1]) }
            }
            #expect(failure?.code == .permissionDenied, "\(String(describing: failure))")
            #expect(failure?.hint?.contains("rights") == true)
            try await tested.expect(visible: ["a": 1])
        }
    }

    @Test func urlsAreUnderstood() throws {
        func parsed(_ text: String) throws -> StoreLocation { try StoreLocation(parsing: text) }
        #expect(try parsed("sftp://u@h/a/b/").description == "sftp://u@h/a/b")
        #expect(try parsed("sftp://H:2222//a").description == "sftp://h:2222/a")
        #expect(try parsed("sftp://u@[::1]:22/~/a?key-file=/k").description == "sftp://u@[::1]/~/a")
        for text in [
            "sftp://", "sftp://h", "sftp://h/", "sftp://h/~/", "sftp://h/a/../b", "sftp://u:secret@h/a", "sftp://@h/a",
            "sftp://h:0/a", "sftp://h:x/a", "sftp://-oProxyCommand=x/a", "sftp://h/a#b", "sftp://h/a?x=y",
            "sftp://h/a?host-key-sha256=abc", "sftp://h/a?key-file=", "sftp://h/~/a%20b", "sftp://h/a%00",
        ] {
            let failure = #expect(throws: Failure.self, "\(text)") { try parsed(text) }
            #expect(failure?.code == .usage, "\(text)")
            #expect("\(String(describing: failure))".contains("secret") == false)
        }
    }
}
