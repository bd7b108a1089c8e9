// SPDX-License-Identifier: Apache-2.0

import Commands
import Foundation
import Testing

/// What the manifests in jobs/ say to the program is understood by it.
struct JobsTests {
    private static var folder: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("jobs")
    }

    /// The `args:` of every container, as lists of words; each word stands on a line of its own there.
    private static func argumentLists() throws -> [[String]] {
        let files =
            FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)?
            .compactMap { $0 as? URL }.filter { $0.pathExtension == "yaml" } ?? []
        var lists: [[String]] = []
        for file in files {
            var isInside = false
            for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
                let text = line.drop { $0 == " " }
                if text == "args:" {
                    lists.append([])
                    isInside = true
                } else if isInside, text.hasPrefix("- ") {
                    lists[lists.count - 1].append(String(text.dropFirst(2)))
                } else {
                    isInside = false
                }
            }
        }
        return lists
    }

    @Test func theArgumentsOfEveryJobAreUnderstood() throws {
        let lists = try Self.argumentLists()
        #expect(lists.count >= 2)
        for arguments in lists {
            #expect(Entry.understands(arguments), "\(arguments)")
        }
        #expect(!Entry.understands(["backup", "--no-such-flag"]))
    }
}
