// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A value that tasks share.
final class SharedValue<Value: Sendable>: Sendable {
    private let guarded: Mutex<Value>

    init(_ value: Value) {
        guarded = Mutex(value)
    }

    var value: Value {
        get { guarded.withLock { $0 } }
        set { guarded.withLock { $0 = newValue } }
    }

    func change(_ body: (inout Value) -> Void) {
        guarded.withLock { body(&$0) }
    }
}
