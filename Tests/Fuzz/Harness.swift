// SPDX-License-Identifier: Apache-2.0

import FuzzOracle

enum FuzzChoice {
    // One thread sets it before libFuzzer runs, and the same thread reads it.
    nonisolated(unsafe) static var target = FuzzTarget.rdb
}

/// What libFuzzer calls with each input.
func checkInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    do throws(Contradiction) {
        try FuzzChoice.target.check(Array(UnsafeBufferPointer(start: start, count: count)))
    } catch {
        fatalError("\(error)")
    }
    return 0
}
