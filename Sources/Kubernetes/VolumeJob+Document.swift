// SPDX-License-Identifier: Apache-2.0

extension VolumeJob {
    /// Exit codes that another try would end with again, besides 0: all but 5 (try again) and the signals.
    private static let finalCodes: [Int64] = [1, 3, 4, 6, 7, 8, 10, 11, 12, 64]
    /// A pod that was killed left its volume to the next one, which first brings its last steps to an end (or back).
    private static let retriesMax: Int64 = 2
    /// What a run leaves behind that was killed itself goes after a day.
    private static let keptSeconds: Int64 = 86400
    /// The program ends within ten seconds of a SIGTERM.
    private static let graceSeconds: Int64 = 30
    private static let dataVolume = "restored-data"

    /// The Job.
    var document: JSONValue {
        let labels = JSONValue.object(labels.mapValues { .text($0) })
        let codes: [String: JSONValue] = [
            "containerName": "redoubt", "operator": "In", "values": .array(Self.finalCodes.map { .integer($0) }),
        ]
        let drained: [String: JSONValue] = [
            "action": "Ignore",
            "onPodConditions": .array([.object(["type": "DisruptionTarget", "status": "True"])]),
        ]
        let rules: [JSONValue] = [
            .object(drained), .object(["action": "FailJob", "onExitCodes": .object(codes)]),
        ]
        return .object([
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": .object(["name": .text(name), "namespace": .text(namespace), "labels": labels]),
            "spec": .object([
                "backoffLimit": .integer(Self.retriesMax),
                "activeDeadlineSeconds": .integer(Int64(secondsMax)),
                "ttlSecondsAfterFinished": .integer(Self.keptSeconds),
                "podReplacementPolicy": "Failed",
                "podFailurePolicy": .object(["rules": .array(rules)]),
                "template": .object(["metadata": .object(["labels": labels]), "spec": .object(spec)]),
            ]),
        ])
    }

    // MARK: The pod

    /// What says where a pod of the set may run, and what its image may be pulled with.
    private static let placeFields = [
        "nodeSelector", "tolerations", "priorityClassName", "runtimeClassName", "schedulerName", "dnsPolicy",
        "dnsConfig", "hostAliases", "imagePullSecrets",
    ]

    private var spec: [String: JSONValue] {
        var spec: [String: JSONValue] = [:]
        for field in Self.placeFields { spec[field] = blueprint.podSpec[field] }
        // Rules about other pods are about those of the set: this is none.
        if let nodes = blueprint.podSpec["affinity"]?["nodeAffinity"] {
            spec["affinity"] = .object(["nodeAffinity": nodes])
        }
        if let secrets = program.own?.podSpec["imagePullSecrets"]?.elements {
            let known = spec["imagePullSecrets"]?.elements ?? []
            spec["imagePullSecrets"] = .array(known + secrets.filter { !known.contains($0) })
        }
        spec["serviceAccountName"] = program.serviceAccount.map { .text($0) }
        spec["automountServiceAccountToken"] = .bool(false)
        // A Service of the name redoubt would otherwise set variables that are read as options.
        spec["enableServiceLinks"] = .bool(false)
        spec["restartPolicy"] = "Never"
        spec["terminationGracePeriodSeconds"] = .integer(Self.graceSeconds)
        spec["securityContext"] = podSecurity
        spec["containers"] = .array([.object(redoubt)])
        spec["volumes"] = .array(volumes)
        return spec
    }

    /// That of the set, with what the standard asks for where the set does not say it.
    private var podSecurity: JSONValue {
        var context = blueprint.podSpec["securityContext"]?.members ?? [:]
        if context["seccompProfile"] == nil { context["seccompProfile"] = .object(["type": "RuntimeDefault"]) }
        return .object(context)
    }

    /// As whom the server runs, and nothing that its container may do besides.
    private var containerSecurity: JSONValue {
        let theirs = blueprint.container(container)?["securityContext"]?.members ?? [:]
        let pod = blueprint.podSpec["securityContext"]?.members ?? [:]
        var context = theirs.filter { ["runAsUser", "runAsGroup", "seLinuxOptions"].contains($0.key) }
        if context["runAsUser"] == nil, pod["runAsUser"] == nil, let user = program.user {
            context["runAsUser"] = .integer(user.user)
            context["runAsGroup"] = .integer(user.group)
        }
        let user = context["runAsUser"] ?? pod["runAsUser"]
        context["runAsNonRoot"] = .bool(user != .integer(0))
        context["allowPrivilegeEscalation"] = .bool(false)
        context["readOnlyRootFilesystem"] = .bool(true)
        context["capabilities"] = .object(["drop": .array(["ALL"])])
        return .object(context)
    }

    private var redoubt: [String: JSONValue] {
        var container: [String: JSONValue] = [
            "name": "redoubt",
            "image": .text(program.image),
            // Kubernetes puts variables in the place of $(NAME): nothing here is meant so.
            "args": .array(program.arguments.map { .text($0.replacing("$(", with: "$$(")) }),
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "securityContext": containerSecurity,
            "volumeMounts": .array(mounts),
            "resources": program.own?.container["resources"] ?? Self.usualResources,
        ]
        container["imagePullPolicy"] = program.own?.container["imagePullPolicy"]
        let environment = ownEnvironment
        if !environment.isEmpty { container["env"] = .array(environment) }
        let sources = (program.own?.container["envFrom"]?.elements ?? []) + program.environmentFrom.map(\.document)
        if !sources.isEmpty { container["envFrom"] = .array(sources) }
        return container
    }

    private static let usualResources = JSONValue.object([
        "requests": .object(["cpu": "250m", "memory": "128Mi"]), "limits": .object(["memory": "128Mi"]),
    ])

    /// Passwords of servers are of no use to it, and a variable of ours would be read as one of its options.
    private static func isPassedOn(_ variable: JSONValue) -> Bool {
        guard let name = variable["name"]?.string else { return false }
        return !name.hasPrefix("REDOUBT_")
            && !["REDISCLI_AUTH", "VALKEYCLI_AUTH", "REDIS_PASSWORD", "REDIS_PASSWORD_FILE"].contains(name)
    }

    /// What EKS sets where a service account has a role, with a token that is not passed on.
    private static let roleVariables: Set<String> = [
        "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    ]

    /// Our own variables, but those of a role whose token stays here: EKS sets them for the pods of the Job, if their
    /// service account has a role, and only if they are not there yet.
    private var ownEnvironment: [JSONValue] {
        guard let own = program.own else { return [] }
        let variables = (own.container["env"]?.elements ?? []).filter(Self.isPassedOn)
        let tokens = (own.podSpec["volumes"]?.elements ?? []).filter(Self.isToken).compactMap { $0["name"]?.string }
        let folders = (own.container["volumeMounts"]?.elements ?? []).filter { mount in
            mount["name"]?.string.map { tokens.contains($0) } ?? false
        }.compactMap { $0["mountPath"]?.string }
        func isOfRole(_ variable: JSONValue) -> Bool {
            variable["name"]?.string.map { Self.roleVariables.contains($0) } ?? false
        }
        let losesToken = variables.contains { variable in
            guard isOfRole(variable), let file = variable["value"]?.string else { return false }
            return folders.contains { file.hasPrefix("\($0)/") }
        }
        return losesToken ? variables.filter { !isOfRole($0) } : variables
    }

    private static func isToken(_ volume: JSONValue) -> Bool {
        volume["projected"]?["sources"]?.elements.contains { $0["serviceAccountToken"] != nil } ?? false
    }

    // MARK: Its volumes

    private var mounts: [JSONValue] {
        var data: [String: JSONValue] = ["name": .text(Self.dataVolume), "mountPath": .text(volume.mount.path)]
        data["subPath"] = volume.mount.subPath.map { .text($0) }
        let claims = program.claims.enumerated().map { index, claim in
            JSONValue.object([
                "name": .text("claim-\(index)"), "mountPath": .text(claim.path), "readOnly": .bool(true),
            ])
        }
        return [.object(data)] + claims + secretMounts + otherVolumes.map(\.mount)
    }

    private var volumes: [JSONValue] {
        func claim(_ volume: String, _ claim: String) -> JSONValue {
            .object([
                "name": .text(volume), "persistentVolumeClaim": .object(["claimName": .text(claim)]),
            ])
        }
        let claims = program.claims.enumerated().map { claim("claim-\($0)", $1.claim) }
        var seen: Set<JSONValue> = []
        let others = otherVolumes.map(\.volume).filter { seen.insert($0).inserted }
        return [claim(Self.dataVolume, volume.claim)] + claims + secretVolumes + others
    }

    private var secretMounts: [JSONValue] {
        program.secrets.enumerated().map { index, secret in
            .object([
                "name": .text("secret-\(index)"), "mountPath": .text(secret.folder), "readOnly": .bool(true),
            ])
        }
    }

    /// Readable by whoever the pod runs as, whether its set has a group for files or not; no other container has it.
    private static let secretMode: Int64 = 0o444

    private var secretVolumes: [JSONValue] {
        program.secrets.enumerated().map { index, secret in
            let item = JSONValue.object(["key": .text(secret.key), "path": .text(secret.key)])
            let source: [String: JSONValue] = [
                "secretName": .text(secret.secret), "items": .array([item]), "defaultMode": .integer(Self.secretMode),
            ]
            return .object(["name": .text("secret-\(index)"), "secret": .object(source)])
        }
    }

    /// What is mounted beside the volume and the claims; at one path there can be one only.
    private var otherVolumes: [MountedVolume] {
        var taken = Set(program.claims.map(\.path) + program.secrets.map(\.folder) + [volume.mount.path])
        return (serverConfiguration + ownVolumes).filter { other in
            other.mount["mountPath"]?.string.map { taken.insert($0).inserted } ?? false
        }
    }

    private struct MountedVolume {
        let mount: JSONValue
        let volume: JSONValue
    }

    /// The ConfigMaps that the server has mounted.
    private var serverConfiguration: [MountedVolume] {
        guard program.mountsServerConfiguration, let container = blueprint.container(container) else { return [] }
        return Self.mounted(container, blueprint.podSpec, prefix: "server-") { $0["configMap"] != nil }
    }

    /// Whatever our own container has mounted, but its token and the volume itself.
    private var ownVolumes: [MountedVolume] {
        guard let own = program.own else { return [] }
        return Self.mounted(own.container, own.podSpec, prefix: "own-") { source in
            !Self.isToken(source) && source["persistentVolumeClaim"]?["claimName"]?.string != volume.claim
        }
    }

    private static func mounted(
        _ container: JSONValue,
        _ podSpec: JSONValue,
        prefix: String,
        _ isWanted: (JSONValue) -> Bool
    ) -> [MountedVolume] {
        let volumes = podSpec["volumes"]?.elements ?? []
        return (container["volumeMounts"]?.elements ?? []).compactMap { mount in
            guard let name = mount["name"]?.string,
                let volume = volumes.first(where: { $0["name"]?.string == name }), isWanted(volume)
            else { return nil }
            let renamed = JSONValue.text(prefix + name)
            return MountedVolume(
                mount: .object(mount.members.merging(["name": renamed]) { $1 }),
                volume: .object(volume.members.merging(["name": renamed]) { $1 })
            )
        }
    }
}

extension VolumeJob.Source {
    fileprivate var document: JSONValue {
        switch self {
        case .secret(let name): .object(["secretRef": .object(["name": .text(name)])])
        case .configMap(let name): .object(["configMapRef": .object(["name": .text(name)])])
        }
    }
}

extension JSONValue: ExpressibleByStringLiteral {
    init(stringLiteral value: String) { self = .text(value) }
}
