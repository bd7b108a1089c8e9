// SPDX-License-Identifier: Apache-2.0

import Testing

/// The rules are tried on planted code, because a rule that finds nothing anywhere holds nothing.
@Suite struct RuleTests {
    private func file(_ text: String, module: String = "Catalog", name: String = "Manifest.swift") -> SourceTree.File {
        SourceTree.File(path: "Sources/\(module)/\(name)", text: SourceText(text))
    }

    @Test(arguments: [
        ("import Failures", 0), ("import RDB\nimport ObjectStorage", 0), ("import Catalog", 1),
        ("import Operations", 1),
        ("package import Commands", 1), ("@preconcurrency import Operations", 1),
        ("import struct Operations.Backup", 1),
        ("import CCurl", 1), ("import Foundation", 1), ("import FoundationEssentials", 0), ("// import Operations", 0),
        ("let text = \"import Operations\"", 0),
    ])
    func importsOfUpperLevelsAreFound(_ text: String, _ count: Int) {
        #expect(Rules.imports(file(text)).count == count)
    }

    @Test func moduleWithoutALevelIsFound() {
        #expect(Rules.imports(file("", module: "Novel")).count == 1)
    }

    @Test(arguments: [
        ("let a = b!", 1), ("let a = b()!.c", 1), ("let a = b[0]!", 1), ("try! a()", 1), ("a as! B", 1),
        ("var a: B!", 1),
        ("if !a && b != c {}", 0), ("if a!=b {}", 0), ("// a!", 0), ("/* a! /* b! */ c! */", 0),
        ("let a = \"b! \\(c)\"", 0),
        ("let a = \"\\(b!)\"", 1), ("let a = #\"\"b!\"#", 0), ("let a = \"\"\"\n  b! \"c!\"\n\"\"\"", 0),
        ("let a = \"\\(b(\"c!\"))\" + d!", 1), ("Task { a() }", 1), ("Task<Void, Never> { a() }", 1),
        ("Task.detached {}", 1),
        ("try await Task.sleep(for: a)", 0), ("group.addTask { a() }", 0), ("try Task.checkCancellation()", 0),
    ])
    func forcedAndLooseCodeIsFound(_ text: String, _ count: Int) {
        #expect(Rules.dangers(file(text)).count == count, "\(Rules.dangers(file(text)))")
    }

    @Test(arguments: [
        ("final class A: @unchecked Sendable {}", 1), ("// Locked by b.\nfinal class A: @unchecked Sendable {}", 0),
        ("// @unchecked Sendable", 0), ("nonisolated(unsafe) var a = 1", 1),
    ])
    func uncheckedWithoutReasonIsFound(_ text: String, _ count: Int) {
        #expect(Rules.unchecked(file(text)).count == count)
    }

    @Test(arguments: [
        ("struct BackupManager {}", 1), ("enum StringUtils {}", 1), ("let manager = 1", 0), ("// class Helper", 0),
        ("struct Manifest {}", 0),
    ])
    func emptyNamesAreFound(_ text: String, _ count: Int) {
        #expect(Rules.names(file(text)).count == count)
        #expect(Rules.names(file(text, name: "MiscThings.swift")).count == count + 1)
    }

    @Test func longFunctionsFilesAndLinesAreFound() {
        func function(_ count: Int) -> String {
            let body = String(repeating: "    a(\"{\")\n", count: count - 2)
            return "func a(\n_ b: () -> Void = {}) {\n".replacing("\n_", with: "_") + body + "}\n"
        }
        #expect(Rules.sizes(file(function(70))).isEmpty)
        #expect(Rules.sizes(file(function(71))).count == 1)
        #expect(Rules.sizes(file("protocol A {\n  func b()\n  func c() -> D\n}\n" + function(70))).isEmpty)
        #expect(Rules.sizes(file(String(repeating: "\n", count: 400))).isEmpty)
        #expect(Rules.sizes(file(String(repeating: "\n", count: 401))).count == 1)
        #expect(Rules.sizes(file(String(repeating: "a", count: 121))).count == 1)
    }

    @Test func functionsAreMeasured() {
        let text = SourceText(
            "struct A {\n    init(b: Int) {\n        self.init()\n    }\n    func c() { d() }\n    deinit {\n    }\n}\n"
        )
        #expect(text.functions.map(\.line) == [2, 5, 6])
        #expect(text.functions.map(\.lineCount) == [3, 1, 2])
    }

    @Test func licenseAndMachinePathsAreFound() {
        #expect(Rules.license(file("import A")).count == 1)
        #expect(Rules.license(file("// SPDX-License-Identifier: Apache-2.0\n")).isEmpty)
        #expect(Rules.machinePaths("a", "see /wo" + "rk/main").count == 1)
        #expect(Rules.machinePaths("a", "a network/path").isEmpty)
    }
}
