// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Kubernetes
import RedisProtocol

/// What a restore through the volumes is going to do: made before anything is touched, shown, and then done.
package struct VolumeRestorePlan: Sendable {
    /// A volume that gets the snapshot.
    package struct Volume: Sendable, Hashable {
        package let ordinal: Int
        package let pod: String
        package let claim: String
    }

    package let blueprint: StatefulSetBlueprint
    /// The server's container.
    package let container: String?
    package let manifest: Manifest
    package let member: Manifest.Member
    package let volumes: [Volume]
    package let mount: StatefulSetBlueprint.Mount
    /// In the server's container, and in the Jobs'.
    package let dataDirectory: String
    /// How many pods come back if it fails.
    package let replicasBefore: Int
    /// How many there are to be when it is done.
    package let replicasAfter: Int
    /// Whether it goes on with what a run before did not end.
    package let isResumed: Bool
    package let requestID: String
    /// What the servers say of themselves now, in the order of the pods; none where they are not asked.
    package let servers: [ServerGlance]
    /// What whoever decides should know.
    package let remarks: [String]
    /// Of the Jobs.
    let arguments: [String]

    package var set: StatefulSet { blueprint.set }
    package var backup: String { "\(manifest.name)/\(manifest.id)" }
    var shown: String { "the StatefulSet \(set.namespace)/\(set.name)" }
}

/// What a server says of itself before it is stopped.
package struct ServerGlance: Sendable {
    package let pod: String
    package let info: ServerInfo?
    /// Of `CONFIG GET`; empty where it may not be asked.
    package let configuration: [String: String]
    /// Why it could not be asked.
    package let failure: Failure?

    package init(pod: String, info: ServerInfo?, configuration: [String: String], failure: Failure?) {
        self.pod = pod
        self.info = info
        self.configuration = configuration
        self.failure = failure
    }
}

/// What the refusals are made of: pure judgement.
struct VolumeRestoreGuards {
    let blueprint: StatefulSetBlueprint
    let request: VolumeRestoreRequest

    private var shown: String { "the StatefulSet \(blueprint.set.namespace)/\(blueprint.set.name)" }

    /// How many pods come back, and how many there are to be.
    struct Counts: Sendable, Hashable {
        let before: Int
        let after: Int
        /// The restore that a killed run did not end.
        let resumed: ReplicaNote.Restore?
    }

    /// A set that is stopped by a run that was killed has its count in a note; one that runs has it in its scale.
    /// - Throws: `.guardRefused` when it is not known how many pods there are to be.
    func counts() throws -> Counts {
        let now = blueprint.set.replicas
        let note = now == 0 ? ReplicaNote(blueprint.annotations) : nil
        let before = note?.replicas ?? now
        let after = request.replicasAfter ?? before
        guard after > 0 else {
            throw Failure(
                .guardRefused,
                "restore \(shown): it has no pods, and no note of an earlier restore says how many it had",
                hint: "Say with --scale-to how many pods there are to be."
            )
        }
        let resumed = note?.restore.flatMap { $0.generation == blueprint.generation ? $0 : nil }
        return Counts(before: before, after: after, resumed: resumed)
    }

    /// Which volume of a pod holds the data.
    /// - Throws: `.configuration`, `.usage`.
    func mount(ofContainer container: String?) throws -> StatefulSetBlueprint.Mount {
        guard !blueprint.deletesClaimsWhenScaled else {
            throw Failure(
                .configuration,
                "restore \(shown): its claims, and the data with them, are deleted when it is scaled down",
                hint: "Set persistentVolumeClaimRetentionPolicy.whenScaled to Retain first: `kubectl patch statefulset "
                    + "-n \(blueprint.set.namespace) \(blueprint.set.name) --type merge -p "
                    + "'{\"spec\":{\"persistentVolumeClaimRetentionPolicy\":{\"whenScaled\":\"Retain\"}}}'`."
            )
        }
        let mounts = blueprint.claimMounts(ofContainer: container)
        let wanted = request.claimTemplate.map { name in mounts.filter { $0.claimTemplate == name } } ?? mounts
        if wanted.count == 1 { return wanted[0] }
        let names = mounts.map(\.claimTemplate).joined(separator: ", ")
        guard !mounts.isEmpty else {
            throw Failure(
                .configuration,
                "restore \(shown): its container has no volume of a volumeClaimTemplate, so there is none to restore",
                hint: "Without a volume, what is restored would be gone with the pod: restore the running servers."
            )
        }
        throw Failure(
            .usage,
            "restore \(shown): which of its volumes holds the data is not known",
            hint: "Add --claim-template with one of: \(names)."
        )
    }

    /// - Throws: `.guardRefused` when a server has keys and nobody said that they may be replaced.
    func requireNoKeys(_ servers: [ServerGlance]) throws {
        guard !request.replacesData else { return }
        let holders = servers.filter { ($0.info?.keyCount ?? 0) > 0 }
        guard let first = holders.first, let keys = first.info?.keyCount else { return }
        let others = holders.count > 1 ? ", and \(holders.count - 1) others hold data too" : ""
        throw Failure(
            .guardRefused,
            "restore \(shown): \(first.pod) holds \(keys) keys\(others); nothing was touched",
            hint: "--replace moves what is there to pre-restore-<id>/ on each volume, and restores."
        )
    }

    /// Where the data directory is: as was said, as the server says, or where the volume is.
    /// - Throws: `.guardRefused` when the server says a folder that is not on the volume.
    func dataDirectory(on mount: StatefulSetBlueprint.Mount, _ servers: [ServerGlance]) throws -> String {
        if let said = request.dataDirectory { return said }
        guard let server = servers.first(where: { $0.configuration["dir"] != nil }),
            let told = server.configuration["dir"]
        else { return mount.path }
        let root = mount.path.hasSuffix("/") ? mount.path : mount.path + "/"
        guard told == mount.path || told.hasPrefix(root) else {
            throw Failure(
                .guardRefused,
                "restore \(shown): the server in \(server.pod) has its data in \(told), which is not on the volume at "
                    + mount.path,
                hint: "A restore there would not be read. Name the folder with --data-dir, or another volume with "
                    + "--claim-template."
            )
        }
        return told
    }

    /// What the servers say of their files, as options of the Jobs.
    /// - Throws: `.guardRefused` when they call their files otherwise than is known.
    func fileArguments(_ servers: [ServerGlance]) throws -> [String] {
        guard !request.namesFiles, let server = servers.first(where: { !$0.configuration.isEmpty }) else { return [] }
        let usual = ["dbfilename": "dump.rdb", "appendfilename": "appendonly.aof", "appenddirname": "appendonlydir"]
        for (directive, name) in usual.sorted(by: { $0.key < $1.key }) {
            guard let told = server.configuration[directive], told != name else { continue }
            throw Failure(
                .guardRefused,
                "restore \(shown): the server in \(server.pod) has \(directive) \(told), so it would not read \(name)",
                hint: "Add --server-config with the path of its redis.conf, as its container has it."
            )
        }
        guard !request.passedArguments.contains(where: { $0.hasPrefix("--appendonly") }),
            let appendOnly = server.configuration["appendonly"], ["yes", "no"].contains(appendOnly)
        else { return [] }
        return ["--appendonly=\(appendOnly)"]
    }
}
