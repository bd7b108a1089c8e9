// SPDX-License-Identifier: Apache-2.0

import AgeVectors
import Foundation

/// What `make age-vectors` runs: every vector of the testkit of age, out of a checkout of C2SP/CCTV, or a folder.
///
///     redoubt-age-vectors FOLDER
///
/// Exit code 1 when one of them does not end as it says; 64 when the folder holds none.

guard CommandLine.arguments.count == 2 else { end("usage: redoubt-age-vectors FOLDER", code: 64) }
let given = URL(fileURLWithPath: CommandLine.arguments[1])
let inCheckout = given.appendingPathComponent("age/testdata")
let folder = FileManager.default.fileExists(atPath: inCheckout.path) ? inCheckout : given
let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().filter { !$0.hasPrefix(".") }

var (right, wrong): ([AgeVector.Expectation: Int], [AgeVector.Expectation: Int]) = ([:], [:])
var ignored = 0
for name in names {
    do {
        let vector = try AgeVector(parsing: [UInt8](Data(contentsOf: folder.appendingPathComponent(name))))
        if let contradiction = vector.contradiction() {
            wrong[vector.expectation, default: 0] += 1
            print("WRONG    \(name): \(contradiction)")
        } else {
            right[vector.expectation, default: 0] += 1
        }
    } catch AgeVector.Problem.unknownKey(let key) {
        ignored += 1
        print("IGNORED  \(name): it says something of \(key), which is not known here")
    } catch {
        end("\(name) is no vector: \(error)", code: 64)
    }
}

for expectation in AgeVector.Expectation.allCases {
    let (good, bad) = (right[expectation] ?? 0, wrong[expectation] ?? 0)
    print(expectation.rawValue.padding(toLength: 16, withPad: " ", startingAt: 0), "\(good) of \(good + bad)")
}
let (good, bad) = (right.values.reduce(0, +), wrong.values.reduce(0, +))
print("\(good) of \(good + bad) vectors end as they say, \(ignored) were ignored")
guard good + bad > 0 else { end("\(folder.path) holds no vector", code: 64) }
exit(bad == 0 ? 0 : 1)

func end(_ text: String, code: Int32) -> Never {
    try? FileHandle.standardError.write(contentsOf: Data("\(text)\n".utf8))
    exit(code)
}
