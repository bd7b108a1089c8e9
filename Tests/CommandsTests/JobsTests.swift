// SPDX-License-Identifier: Apache-2.0

import Commands
import Foundation
import TestParts
import Testing

/// The manifests in jobs/ are what Kubernetes and the program understand. Tests/oracles/manifests.py judges what
/// kubectl makes of them.
struct JobsTests {
    /// What the oracle says of one folder, or of components on top of some.
    private struct Folder: Decodable {
        struct Rule: Decodable {
            let apiGroups: [String]
            let resources: [String]
            let verbs: [String]
        }

        /// As `Kind/name`.
        let documents: [String]
        let problems: [String]
        let rules: [Rule]
        /// The arguments of each container that runs the program.
        let args: [[String]]

        /// What its Roles grant, as `group/resource verb`.
        var rights: Set<String> {
            Set(
                rules.flatMap { rule in
                    rule.apiGroups.flatMap { group in
                        rule.resources.flatMap { resource in rule.verbs.map { "\(group)/\(resource) \($0)" } }
                    }
                }
            )
        }
    }

    private static var jobs: URL { Parts.testsFolder.deletingLastPathComponent().appendingPathComponent("jobs") }

    private static func oracle<Answer: Decodable>(_ argument: String) async throws -> [String: Answer] {
        let script = Parts.testsFolder.appendingPathComponent("oracles/manifests.py").path
        let output = try await run(try Parts.python(), [script, argument], withinSeconds: 300)
        return try JSONDecoder().decode([String: Answer].self, from: Data(output))
    }

    /// What a backup uses; a Role grants it, and no more.
    private static let usedByBackup: Set<String> = [
        "apps/statefulsets get",
        "/pods get", "/pods list", "/pods watch",
        "coordination.k8s.io/leases get", "coordination.k8s.io/leases create", "coordination.k8s.io/leases update",
        "/events create",
    ]

    /// What a restore of a whole set uses (Tests/EndToEndTests/VolumeRestoreTests records it); a Role grants it, and no
    /// more.
    private static let usedByRestoreSet: Set<String> = [
        "apps/statefulsets get", "apps/statefulsets patch",
        "apps/statefulsets/scale get", "apps/statefulsets/scale patch",
        "/pods get", "/pods list", "/pods watch", "/persistentvolumeclaims get",
        "batch/jobs create", "batch/jobs get", "batch/jobs delete",
        "coordination.k8s.io/leases get", "coordination.k8s.io/leases create", "coordination.k8s.io/leases update",
        "/events create",
    ]

    /// What Kubernetes puts in the place of `$(NAME)`.
    private static let variables = [
        "STORE_URL": "s3://bucket/prefix", "SECOND_STORE_URL": "s3://second/prefix?profile=second",
        "POD_NAMESPACE": "prod", "MEMBER": "redis-1",
        "JOB_UID": "2f6b1f0e-58a3-4b0e-9a3c-3c1b0f6f7d11",
    ]

    private static func expanded(_ word: String) -> String {
        variables.reduce(word) { text, variable in
            text.replacingOccurrences(of: "$(\(variable.key))", with: variable.value)
        }
    }

    @Test func everyFolderIsWhatKubernetesAndTheProgramUnderstand() async throws {
        let folders: [String: Folder] = try await Self.oracle(Self.jobs.path)
        let known = [
            "all together", "app", "backup", "components/azure", "components/dns", "components/encryption",
            "components/gke",
            "components/irsa", "components/pod-identity", "components/s3", "components/second-store",
            "components/signing", "components/spool", "components/tls", "components/volume-source", "copy", "drill",
            "indexed",
            "monitoring", "monitoring/operator", "prune", "redis", "restore", "restore-cluster", "restore-running",
            "restore-set", "store", "verify",
        ]
        #expect(Set(known).subtracting(folders.keys).isEmpty)
        for (name, folder) in folders.sorted(by: { $0.key < $1.key }) {
            #expect(!folder.documents.isEmpty, "\(name)")
            #expect(folder.problems.isEmpty, "\(name): \(folder.problems.joined(separator: "\n"))")
            for words in folder.args {
                let arguments = words.map(Self.expanded)
                #expect(Entry.understands(arguments), "\(name): \(arguments)")
            }
        }
        #expect(!Entry.understands(["backup", "--no-such-flag"]))
        Self.expectTheRights(of: folders)
        for name in [
            "redis", "backup", "restore", "restore-cluster", "restore-running", "restore-set", "verify", "drill",
            "copy", "prune", "indexed",
        ] {
            #expect(folders[name]?.args.count == 1, "\(name)")
        }
        #expect(folders["components/volume-source"]?.args.count == 3)
        Self.expectTheKeys(in: folders["components/encryption"])
        Self.expectTheSignatures(in: folders["components/signing"])
        Self.expectTheVolumeSource(in: folders)
    }

    /// The CronJobs that it brings get what a component promises of all backups.
    private static func expectTheVolumeSource(in folders: [String: Folder]) {
        for (components, words) in [
            "encryption+signing": ["--recipients-file=/recipients/recipients", "--sign-key=/sign-key/sign.pem"],
            "second-store+spool": ["--to=$(SECOND_STORE_URL)", "--spool=/spool"],
        ] {
            let args = folders["components/volume-source+\(components)"]?.args ?? []
            #expect(args.count == 3, "\(components)")
            for line in args { #expect(words.allSatisfy(line.contains), "\(components): \(line)") }
        }
    }

    /// Who writes has the public half alone, and whoever reads has the identity.
    private static func expectTheKeys(in folder: Folder?) {
        let args = folder?.args ?? []
        #expect(args.count == 8)
        for words in args {
            let isBackup = words.first == "backup"
            #expect(words.contains("--recipients-file=/recipients/recipients") == isBackup, "\(words)")
            #expect(words.contains("--identity=/identity/identity") == !isBackup, "\(words)")
        }
    }

    /// Who writes signs, and who verifies has the public half alone.
    private static func expectTheSignatures(in folder: Folder?) {
        let args = folder?.args ?? []
        #expect(Set(args.map(\.first)) == ["backup", "prune", "verify"] && args.count == 4)
        for words in args {
            let isVerify = words.first == "verify"
            #expect(words.contains("--sign-key=/sign-key/sign.pem") == !isVerify, "\(words)")
            #expect(words.contains("--public-key=/verify-key/verify.pem") == isVerify, "\(words)")
            #expect(words.contains("--chain") == isVerify, "\(words)")
        }
    }

    /// Each purpose has its own rights, and those that need none have none.
    private static func expectTheRights(of folders: [String: Folder]) {
        for name in [
            "backup", "indexed", "components/tls", "components/spool", "components/second-store", "components/signing",
        ] {
            #expect(folders[name]?.rights == usedByBackup, "\(name)")
        }
        #expect(folders["restore-set"]?.rights == usedByRestoreSet)
        for name in [
            "redis", "app", "restore", "restore-cluster", "restore-running", "verify", "drill", "copy",
            "prune",
            "components/dns",
            "components/volume-source",
        ] {
            #expect(folders[name]?.rights.isEmpty == true, "\(name)")
        }
    }

    @Test func whatIsBadIsFound() async throws {
        let cases: [String: [String]] = try await Self.oracle("--self-test")
        #expect(cases["good"] == [])
        #expect(cases.count > 40)
        for (name, problems) in cases where name.hasPrefix("bad: ") {
            #expect(!problems.isEmpty, "\(name) is not found")
        }
    }

    @Test func theServersAndTheirScriptsAreUnderstood() async throws {
        let redis = Self.jobs.appendingPathComponent("redis")
        let configuration = redis.appendingPathComponent("redis.conf").path
        let outcome = try await Redoubt.run("check", "--config", configuration)
        #expect(outcome.code == 0, "\(outcome.output)\(outcome.errors)")
        for script in ["start.sh", "ready.sh"] {
            try await run("/bin/sh", ["-n", redis.appendingPathComponent("scripts/\(script)").path])
        }
    }

    /// The server that a drill starts is from another image than redoubt: it needs nothing of that of redoubt.
    @Test func theServerOfADrillBringsItsLibrariesAlong() async throws {
        let file = Self.jobs.appendingPathComponent("drill/cronjob.yaml")
        let lines = try String(contentsOf: file, encoding: .utf8).split(
            separator: "\n",
            omittingEmptySubsequences: false
        )
        let start = try #require(lines.firstIndex { $0.hasSuffix("- |") }) + 1
        let indent = lines[start].prefix { $0 == " " }
        let script = lines[start...].prefix { $0.hasPrefix(indent) }.map { $0.dropFirst(indent.count) }
        try await withTemporaryFolder { folder in
            let text = script.joined(separator: "\n").replacingOccurrences(of: "/server/", with: "\(folder.path)/")
            // A container that is started anew finds what is there.
            for _ in 0..<2 { try await run("/bin/sh", ["-euc", text]) }
            let version = try await run(folder.appendingPathComponent("redis-server").path, ["--version"])
            #expect(String(decoding: version, as: UTF8.self).contains("v="))
            let libraries = folder.appendingPathComponent("lib")
            let names = try FileManager.default.contentsOfDirectory(atPath: libraries.path)
            let loader = libraries.appendingPathComponent(try #require(names.first { $0.hasPrefix("ld-") })).path
            let listed = try await run(
                loader,
                ["--library-path", libraries.path, "--list", libraries.appendingPathComponent("server").path]
            )
            let paths = String(decoding: listed, as: UTF8.self).split { $0.isWhitespace }.filter { $0.hasPrefix("/") }
            #expect(paths.count > 1)
            for path in paths where path != "/lib64/\(URL(filePath: loader).lastPathComponent)" {
                #expect(path.hasPrefix(libraries.path), "\(path)")
            }
        }
    }

    /// What another try cannot change is not tried again.
    @Test func theExitCodesThatEndAJobAreThePermanentOnes() throws {
        let permanent: [ExitCode] = [.corrupt, .permanent, .guardRefused, .notFound, .cannotDecrypt, .usage]
        // A restore that another run goes on with is tried again after a partial one; what reads only knows none.
        let files =
            [
                "backup/cronjob": [.partial], "indexed/cronjob": [.partial], "copy/cronjob": [.partial],
                "prune/cronjob": [.partial], "verify/cronjob": [], "drill/cronjob": [], "restore-running/job": [],
                "restore-cluster/job": [],
            ] as [String: [ExitCode]]
        for (name, more) in files {
            let values = (more + permanent).map { String($0.rawValue) }.joined(separator: ", ")
            let text = try String(contentsOf: Self.jobs.appendingPathComponent("\(name).yaml"), encoding: .utf8)
            #expect(text.contains("values: [\(values)]"), "\(name)")
        }
    }
}
