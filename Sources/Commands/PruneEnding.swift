// SPDX-License-Identifier: Apache-2.0

import Failures

/// How a run that removes things ends.
package struct PruneEnding {
    /// Why something that was due is still there.
    private let failures: [Failure]
    private let hasRemoved: Bool
    /// What could not be found out, where everything else went well.
    private let remark: Failure?

    package init(failures: [Failure], hasRemoved: Bool, remark: Failure? = nil) {
        self.failures = failures
        self.hasRemoved = hasRemoved
        self.remark = remark
    }

    /// Of two that belong to one run.
    package static func + (left: PruneEnding, right: PruneEnding) -> PruneEnding {
        PruneEnding(
            failures: left.failures + right.failures,
            hasRemoved: left.hasRemoved || right.hasRemoved,
            remark: left.remark ?? right.remark
        )
    }

    /// - Returns: `.partial` where some of it was removed and some could not be.
    /// - Throws: where nothing was, why. That another run is at work says least.
    package func code() throws -> ExitCode {
        if let failure = failures.first(where: { $0.code != .locked }) ?? failures.first {
            if hasRemoved { return .partial }
            throw failure
        }
        if let remark { throw remark }
        return .done
    }
}
