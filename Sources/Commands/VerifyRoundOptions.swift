// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Kubernetes

/// How much of a store one run verifies.
struct VerifyRoundOptions: ParsableArguments, Sendable {
    @Flag(
        help: """
            Verify every backup of the store, or of the subject that --name names; the one that was looked at longest \
            ago comes first.
            """
    )
    var all = false

    @Option(
        help: ArgumentHelp(
            "With --all: how many bytes are read from the store, as 50G or 8Gi; the next run goes on from there. One "
                + "backup is always read.",
            valueName: "size"
        )
    )
    var maxBytes: String?

    @Option(
        help: ArgumentHelp(
            "With --all: how long it may take, as 1h; a backup that would not be through by then is left to the next "
                + "run. One backup is always read.",
            valueName: "time"
        )
    )
    var maxTime: TimeSpan?

    func validate() throws {
        if !all, maxBytes != nil || maxTime != nil {
            throw ValidationError("--max-bytes and --max-time bound --all")
        }
        if maxBytes != nil, bytesMax == nil { throw ValidationError("--max-bytes is a size: 512Mi, 50G, 1Ti") }
        if let maxTime, maxTime.seconds < 1 { throw ValidationError("--max-time is at least a second") }
    }

    var bytesMax: Int64? {
        guard let bytes = maxBytes.flatMap(Kubernetes.Quantity.bytes), bytes > 0 else { return nil }
        return bytes
    }
}
