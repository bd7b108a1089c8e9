// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Operations

/// What the plan of a restore cannot find out by itself.
struct RestorePlanOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "Memory limit of the server's container, as Kubernetes writes it: 512Mi. It is not that of this process.",
            valueName: "size"
        ),
        transform: ByteSize.reading
    )
    var memoryLimit: ByteSize?

    func validate() throws {
        if memoryLimit?.bytes == 0 { throw ValidationError("--memory-limit is more than nothing, as 512Mi or 2Gi") }
    }

    var memoryLimitBytes: Int64? { memoryLimit?.bytes }
}
