// SPDX-License-Identifier: Apache-2.0

import CFuzzer
import FuzzOracle

/// libFuzzer around one target: `redoubt-fuzz TARGET [options of libFuzzer] [corpus folders or inputs]`.
///
/// A truth that does not hold ends the process, as a crash does; libFuzzer then writes the input to a file.
var arguments = CommandLine.unsafeArgv
var count = CommandLine.argc
guard count > 1, let name = arguments[1], let chosen = FuzzTarget(rawValue: String(cString: name)) else {
    fatalError("usage: redoubt-fuzz \(FuzzTarget.allCases.map(\.rawValue).joined(separator: "|")) [options] [corpus]")
}
FuzzChoice.target = chosen
// libFuzzer gets the name of the program, and what follows the target.
arguments[1] = arguments[0]
var rest: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = arguments + 1
count -= 1
exit(LLVMFuzzerRunDriver(&count, &rest, checkInput))
