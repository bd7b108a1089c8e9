// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite struct ArchitectureTests {
    @Test func modulesImportOnlyLowerLevels() throws {
        report(try SourceTree.shipped().flatMap(Rules.imports))
    }

    @Test func everyModuleHasALevel() throws {
        let known = Set(Rules.levels.keys).union(Rules.cages.keys)
        report(try SourceTree.moduleNames().filter { !known.contains($0) })
    }

    @Test func filesFunctionsAndLinesAreShort() throws {
        report(try SourceTree.all().flatMap(Rules.sizes))
    }

    @Test func namesComeFromTheDomain() throws {
        report(try SourceTree.all().flatMap(Rules.names))
    }

    @Test func shippedCodeForcesNothingAndStartsNoLooseTask() throws {
        report(try SourceTree.shipped().flatMap(Rules.dangers))
    }

    @Test func whatIsUncheckedSaysWhy() throws {
        report(try SourceTree.shipped().flatMap(Rules.unchecked))
    }

    @Test func everyFileNamesItsLicense() throws {
        report(try SourceTree.all().flatMap(Rules.license))
    }

    @Test func noFileNamesThePathOfAMachine() throws {
        let paths = try SourceTree.trackedPaths()
        try #require(paths.contains("Package.swift"))
        let found = paths.flatMap { path in
            // What is not text has no path to find; a listed file may have been deleted since.
            let file = SourceTree.root.appendingPathComponent(path)
            return Rules.machinePaths(path, (try? String(contentsOf: file, encoding: .utf8)) ?? "")
        }
        report(found)
    }

    /// Each place that breaks a rule is an issue of its own.
    private func report(_ found: [String]) {
        for place in found { Issue.record("\(place)") }
    }
}
