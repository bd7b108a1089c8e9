// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import DataDirectory
import Failures
import Kubernetes
import Operations

/// How the pods of a StatefulSet get their data.
enum RestoreWay: String, Sendable, CaseIterable, ExpressibleByArgument {
    /// The pods are stopped, and a Job writes to each volume.
    case volumes
}

/// A restore of a whole StatefulSet through its volumes: what the Jobs are made of, and how long they may take.
struct VolumeRestoreOptions: ParsableArguments, Sendable {
    @Option(help: "With --statefulset: volumes stops its pods, restores each volume by a Job, and starts them again.")
    var via: RestoreWay?

    @Option(
        help: ArgumentHelp(
            "Claim template of the volume that holds the data, where a pod has several.",
            valueName: "name"
        )
    )
    var claimTemplate: String?

    @Option(
        help: ArgumentHelp(
            "How many pods there are to be afterwards. Otherwise as many as before.",
            valueName: "count"
        )
    )
    var scaleTo: Int?

    @Option(
        help: ArgumentHelp(
            "Image of the Jobs. Otherwise that of this pod (POD_NAME, POD_NAMESPACE), whose variables, volumes and "
                + "pull secrets they have too.",
            valueName: "image"
        )
    )
    var restoreImage: String?

    @Option(
        help: ArgumentHelp(
            "secret/NAME or configmap/NAME whose keys are variables of the Jobs; may be repeated.",
            valueName: "source"
        )
    )
    var restoreEnvFrom: [String] = []

    @Option(
        help: ArgumentHelp(
            "Claim that the Jobs read, as NAME:/path: where the store is a folder. May be repeated.",
            valueName: "claim"
        )
    )
    var restoreClaim: [String] = []

    @Option(
        help: ArgumentHelp(
            "Secret with the identity that opens the snapshot, mounted into the Jobs; its key is identity if not said.",
            valueName: "name[/key]"
        )
    )
    var identitySecret: String?

    @Option(help: ArgumentHelp("Service account of the Jobs; they get no token.", valueName: "name"))
    var restoreServiceAccount: String?

    @Flag(help: "Do not ask the servers, neither before they are stopped nor when they run again.")
    var noServerCheck = false

    @Option(
        help: ArgumentHelp("How long the pods may take to go (default: 5m).", valueName: "time"),
        transform: TimeSpan.orSeconds
    )
    var stopTimeout = TimeSpan(seconds: 300)

    @Option(
        help: ArgumentHelp("How long a Job's pod may take to start (default: 5m).", valueName: "time"),
        transform: TimeSpan.orSeconds
    )
    var jobStartTimeout = TimeSpan(seconds: 300)

    @Option(
        help: ArgumentHelp("How long a Job may take (default: 4h).", valueName: "time"),
        transform: TimeSpan.orSeconds
    )
    var jobTimeout = TimeSpan(seconds: 14400)

    @Option(
        help: ArgumentHelp(
            "How long the pods may take to be ready again, and in step (default: 15m).",
            valueName: "time"
        ),
        transform: TimeSpan.orSeconds
    )
    var readyTimeout = TimeSpan(seconds: 900)

    func validate() throws {
        for (flag, time) in [
            ("--stop-timeout", stopTimeout), ("--job-start-timeout", jobStartTimeout), ("--job-timeout", jobTimeout),
            ("--ready-timeout", readyTimeout),
        ] { try time.require(flag, from: TimeSpan(seconds: 1)) }
        guard scaleTo.map((1...StatefulSet.replicasMax).contains) ?? true else {
            throw ValidationError("--scale-to is 1 to \(StatefulSet.replicasMax)")
        }
        _ = try sources()
        _ = try claims()
        _ = try secret()
    }

    /// What fits together, where a StatefulSet is restored.
    func validate(with restore: RestoreCommand) throws {
        guard via == .volumes, restore.servers.set.statefulset != nil else {
            throw ValidationError("--via volumes needs --statefulset")
        }
        guard restore.servers.set.usesAPI else {
            throw ValidationError("--via volumes works through the API server: leave out --replicas and --service")
        }
        guard restore.dataDir?.hasPrefix("/") ?? true, restore.serverConfig?.hasPrefix("/") ?? true else {
            throw ValidationError(
                "with --via volumes, --data-dir and --server-config are paths in the server's container"
            )
        }
    }

    var waits: VolumeRestoreRequest.Waits {
        var waits = VolumeRestoreRequest.Waits()
        (waits.stop, waits.jobStart) = (Int(stopTimeout.seconds), Int(jobStartTimeout.seconds))
        (waits.job, waits.ready) = (Int(jobTimeout.seconds), Int(readyTimeout.seconds))
        return waits
    }

    private func sources() throws -> [VolumeJob.Source] {
        try restoreEnvFrom.map { text in
            let parts = text.split(separator: "/", maxSplits: 1).map(String.init)
            switch (parts.first, parts.count) {
            case ("secret"?, 2): return .secret(parts[1])
            case ("configmap"?, 2): return .configMap(parts[1])
            default: throw ValidationError("--restore-env-from is secret/NAME or configmap/NAME")
            }
        }
    }

    private func claims() throws -> [VolumeJob.ClaimMount] {
        try restoreClaim.map { text in
            let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
            guard parts.count == 2, parts[1].hasPrefix("/") else {
                throw ValidationError("--restore-claim is NAME:/path")
            }
            return VolumeJob.ClaimMount(claim: parts[0], path: parts[1])
        }
    }

    private func secret() throws -> VolumeJob.SecretMount? {
        guard let identitySecret else { return nil }
        let parts = identitySecret.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard (1...2).contains(parts.count), parts.allSatisfy({ !$0.isEmpty && !$0.hasPrefix(".") }) else {
            throw ValidationError("--identity-secret is NAME or NAME/KEY")
        }
        return VolumeJob.SecretMount(
            secret: parts[0],
            key: parts.count == 2 ? parts[1] : "identity",
            folder: Self.identityFolder
        )
    }

    private static let identityFolder = "/run/redoubt-identity"

    /// What the Jobs are told of the keys that open the snapshot.
    /// - Parameter isOwnKnown: whether they have the volumes of this pod.
    /// - Throws: `.usage` for a file that they would not find.
    func keyArguments(_ identity: IdentityOptions, isOwnKnown: Bool) throws -> [String] {
        if let secret = try secret() {
            guard isOwnKnown || identity.passphraseArguments.isEmpty else {
                throw Failure(
                    .usage,
                    "restore through volumes: the Jobs would not find "
                        + identity.passphraseArguments.joined(separator: " "),
                    hint: "From outside of the cluster, put the identity into the Secret without its passphrase, as "
                        + "age -d shows it, and give --identity here in that form, too. In a pod with POD_NAME and "
                        + "POD_NAMESPACE, the Jobs have its volumes."
                )
            }
            return ["--identity=\(secret.path)"] + identity.passphraseArguments
        }
        guard !identity.isEmpty, !isOwnKnown else { return identity.arguments }
        throw Failure(
            .usage,
            "restore through volumes: the Jobs would not find \(identity.arguments.joined(separator: " "))",
            hint: "From outside of the cluster, put the identity into a Secret of the namespace and name it with "
                + "--identity-secret. In a pod with POD_NAME and POD_NAMESPACE, the Jobs have its volumes."
        )
    }

    /// What a pod of a Job is made of.
    /// - Parameter own: the container that we run in, if it is known.
    /// - Throws: `.usage` when no image is known.
    func program(own: OwnContainer?, owner: FileOwner?, mountsConfiguration: Bool) throws -> VolumeJob.Program {
        guard let image = restoreImage ?? own?.image else {
            throw Failure(
                .usage,
                "make the Jobs that restore the volumes: which image they run is not known",
                hint: "Add --restore-image. In a pod that has its name in POD_NAME and its namespace in POD_NAMESPACE "
                    + "it is that pod's own."
            )
        }
        var program = VolumeJob.Program(image: image, arguments: [])
        program.environmentFrom = try sources()
        program.claims = try claims()
        program.secrets = try secret().map { [$0] } ?? []
        program.serviceAccount = restoreServiceAccount
        program.user = owner.map { VolumeJob.User(user: Int64($0.user), group: Int64($0.group)) }
        program.mountsServerConfiguration = mountsConfiguration
        program.own = own
        return program
    }
}

extension StoreOptions {
    /// The options as they were said, for a process that reads the same store. What comes from the environment is not
    /// among them.
    var arguments: [String] {
        var arguments: [String] = []
        func add(_ name: String, _ value: String?) {
            if let value { arguments.append("--\(name)=\(value)") }
        }
        add("endpoint-url", endpointURL)
        add("region", region)
        add("profile", profile)
        add("ca-bundle", caBundle)
        if s3PathStyle { arguments.append("--s3-path-style") }
        if storeInsecure { arguments.append("--store-insecure") }
        return arguments + way.arguments
    }
}
