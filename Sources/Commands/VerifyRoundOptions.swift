// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// How much of a store one run verifies.
struct VerifyRoundOptions: ParsableArguments, Sendable {
    @Flag(
        help: """
            Verify every backup of the store, or of the subject that --name names; the one that was looked at longest \
            ago comes first, and sooner if it was never read since it was made.
            """
    )
    var all = false

    @Option(
        help: ArgumentHelp(
            "With --all: how many bytes are read from the store, as 50G or 8GiB; the next run goes on from there. One "
                + "backup is always read.",
            valueName: "size"
        ),
        transform: ByteSize.reading
    )
    var maxBytes: ByteSize?

    @Option(
        help: ArgumentHelp(
            "With --all: how long it may take, as 1h; a backup that would not be through by then is left to the next "
                + "run. One backup is always read.",
            valueName: "time"
        ),
        transform: TimeSpan.orSeconds
    )
    var maxTime: TimeSpan?

    func validate() throws {
        if !all, maxBytes != nil || maxTime != nil {
            throw ValidationError("--max-bytes and --max-time bound --all")
        }
        if maxBytes?.bytes == 0 { throw ValidationError("--max-bytes is at least a byte") }
        if let maxTime, maxTime.seconds < 1 { throw ValidationError("--max-time is at least a second") }
    }
}
