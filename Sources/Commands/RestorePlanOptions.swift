// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Kubernetes
import Operations

/// What the plan of a restore cannot find out by itself.
struct RestorePlanOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "Memory limit of the server's container, as Kubernetes writes it: 512Mi. It is not that of this process.",
            valueName: "quantity"
        )
    )
    var memoryLimit: String?

    func validate() throws {
        if let memoryLimit, memoryLimitBytes == nil {
            throw ValidationError("--memory-limit \(memoryLimit): give an amount such as 512Mi or 2Gi")
        }
    }

    var memoryLimitBytes: Int64? {
        memoryLimit.flatMap { Kubernetes.Quantity.bytes($0) }.flatMap { $0 > 0 ? $0 : nil }
    }
}
