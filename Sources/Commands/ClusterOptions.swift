// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Failures
import Operations

/// What a restore of a cluster needs to know.
struct ClusterOptions: ParsableArguments, Sendable {
    @Flag(
        help: ArgumentHelp(
            "Make a cluster of the servers: of each shard one that was restored by --data-dir before it started, and "
                + "empty ones that become replicas."
        )
    )
    var cluster = false

    @Option(
        help: ArgumentHelp(
            "With --data-dir: the shard of a cluster whose best snapshot is restored. A number counts the shards from "
                + "0, in the order of their slots; 5461-5461 is the shard of that slot.",
            valueName: "number|first-last"
        )
    )
    var shard: String?

    @Flag(help: "With --cluster: go on without the slots of which the set has no snapshot. They have no owner then.")
    var allowMissingSlots = false

    @Flag(help: "With --cluster: take nodes whose keys are in the right slots, but are not those of the snapshot.")
    var allowOtherData = false

    @Flag(help: "With --cluster: let replicas synchronize although there may be too little memory for it.")
    var ignoreMemoryHeadroom = false

    func validate() throws {
        if let shard, ShardReference(shard) == nil {
            throw ValidationError("--shard \(shard): give a number from 0, or slots as 0-5460")
        }
        guard cluster || !(allowMissingSlots || allowOtherData || ignoreMemoryHeadroom) else {
            throw ValidationError(
                "--allow-missing-slots, --allow-other-data and --ignore-memory-headroom need --cluster"
            )
        }
    }

    /// What goes with the other options of the command.
    func validate(with command: RestoreCommand) throws {
        if shard != nil, command.dataDir == nil || command.member != nil {
            throw ValidationError("--shard goes with --data-dir, and not with --member")
        }
        let isAlone =
            command.dataDir == nil && command.member == nil && command.selective.isEmpty && command.volumes.via == nil
        if cluster, !isAlone {
            throw ValidationError("--cluster goes with --endpoint or --statefulset: no --member, --via, or keys")
        }
    }

    /// The shard that is meant, where one is.
    var shardReference: ShardReference? { shard.flatMap(ShardReference.init) }

    var overrides: ClusterFormingRequest.Overrides {
        var overrides = ClusterFormingRequest.Overrides()
        overrides.allowsMissingSlots = allowMissingSlots
        overrides.allowsOtherData = allowOtherData
        overrides.ignoresMemoryHeadroom = ignoreMemoryHeadroom
        return overrides
    }
}
