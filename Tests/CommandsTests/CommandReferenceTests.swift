// SPDX-License-Identifier: Apache-2.0

import Commands
import Foundation
import Testing

struct CommandReferenceTests {
    private var page: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
            .appendingPathComponent("docs/command-reference.md")
    }

    /// With REDOUBT_WRITE_DOCS=1 (`make docs`) the page is written first.
    @Test func thePageSaysWhatTheProgramSays() throws {
        if ProcessInfo.processInfo.environment["REDOUBT_WRITE_DOCS"] == "1" {
            try CommandReference.text.write(to: page, atomically: true, encoding: .utf8)
        }
        let written = try String(contentsOf: page, encoding: .utf8)
        #expect(written == CommandReference.text, "run `make docs` and commit docs/command-reference.md")
    }

    @Test func everyExitCodeStandsOnThePage() {
        for code in ExitCode.allCases where code != .interrupted && code != .terminated {
            #expect(CommandReference.text.contains("| \(code.rawValue) |"))
        }
    }
}
