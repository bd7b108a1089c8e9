// SPDX-License-Identifier: Apache-2.0

import Operations

/// What a restore through the volumes is going to do, as a person and a program read it.
struct VolumePlanText {
    struct Document: Encodable {
        let outcome = "would-restore"
        let namespace: String
        let statefulSet: String
        let backup: String
        let member: String
        let keys: UInt64
        let bytes: Int64
        let claims: [String]
        let dataDirectory: String
        let replicasBefore: Int
        let replicasAfter: Int
        let remarks: [String]
    }

    private let plan: VolumeRestorePlan
    private let replaces: Bool

    init(_ plan: VolumeRestorePlan, replaces: Bool) {
        self.plan = plan
        self.replaces = replaces
    }

    var document: Document {
        Document(
            namespace: plan.set.namespace,
            statefulSet: plan.set.name,
            backup: plan.backup,
            member: plan.member.member,
            keys: plan.member.rdb?.keyCount ?? 0,
            bytes: plan.member.rdb?.bytes ?? 0,
            claims: plan.volumes.map(\.claim),
            dataDirectory: plan.dataDirectory,
            replicasBefore: plan.replicasBefore,
            replicasAfter: plan.replicasAfter,
            remarks: plan.remarks
        )
    }

    var text: String {
        let document = document
        var lines = [
            "restore   \(document.namespace)/\(document.statefulSet), through its volumes",
            "backup    \(document.backup), member \(document.member): \(Quantity.count(document.keys)) keys, "
                + Quantity.bytes(document.bytes),
            "volumes   \(document.claims.joined(separator: ", ")), into \(document.dataDirectory)",
            "pods      \(plan.set.replicas) are stopped, \(document.replicasAfter) run afterwards",
        ]
        for server in plan.servers {
            guard let info = server.info else { continue }
            let version = info.version.map { " \($0)" } ?? ""
            lines.append(
                "server    \(server.pod): \(info.role?.rawValue ?? "no role"), \(info.product.rawValue)\(version), "
                    + "\(Quantity.count(UInt64(max(0, info.keyCount)))) keys"
            )
        }
        lines.append(
            replaces
                ? "data      what is there is moved to pre-restore-<id>/ on its volume"
                : "data      only volumes without data; one that holds any ends it"
        )
        return (lines + document.remarks.map { "note      \($0)" }).joined(separator: "\n")
    }
}

/// What it did.
struct VolumeRestoreText {
    struct Document: Encodable {
        let outcome = "restored"
        let namespace: String
        let statefulSet: String
        let backup: String
        let member: String
        let volumes: [Volume]
        let replicas: Int
        let stoppedSeconds: Double
        let proof: Proof?

        struct Volume: Encodable {
            let claim: String
            let detail: String
        }

        struct Proof: Encodable {
            let primaries: [String]
            let keysLoaded: Int64?
            let keysExpired: Int64?
            let keys: Int64
            let replicasOnline: Int
            let partialSyncs: Int64
            let fullSyncs: Int64
        }
    }

    let document: Document

    init(_ outcome: VolumeRestoreOutcome) {
        let plan = outcome.plan
        document = Document(
            namespace: plan.set.namespace,
            statefulSet: plan.set.name,
            backup: plan.backup,
            member: plan.member.member,
            volumes: outcome.volumes.map { Document.Volume(claim: $0.volume.claim, detail: $0.state.text) },
            replicas: plan.replicasAfter,
            stoppedSeconds: (outcome.stoppedSeconds * 1000).rounded() / 1000,
            proof: outcome.proof.map { proof in
                Document.Proof(
                    primaries: proof.primaries,
                    keysLoaded: proof.keysLoaded,
                    keysExpired: proof.keysExpired,
                    keys: proof.keys,
                    replicasOnline: proof.replicasOnline,
                    partialSyncs: proof.partialSyncs,
                    fullSyncs: proof.fullSyncs
                )
            }
        )
    }

    var text: String {
        let volumes = document.volumes.map { "volume    \($0.claim): \($0.detail)" }
        return (["restored  \(verdict)"] + volumes + [proof]).joined(separator: "\n")
    }

    private var proof: String {
        guard let proof = document.proof else { return "proof     the servers were not asked (--no-server-check)" }
        let loaded = proof.keysLoaded.map { keys in
            "loaded \(keys) keys" + (proof.keysExpired.map { $0 > 0 ? ", \($0) had expired" : "" } ?? "") + "; "
        }
        let syncs = "\(proof.partialSyncs) by partial resync, \(proof.fullSyncs) by full"
        return "proof     \(proof.primaries.joined(separator: ", ")): \(loaded ?? "")\(proof.keys) keys now; "
            + "\(proof.replicasOnline) replicas online (\(syncs))"
    }

    /// In a sentence.
    var verdict: String {
        let ready = Quantity.seconds(document.stoppedSeconds)
        return "\(document.namespace)/\(document.statefulSet): \(document.volumes.count) volumes from "
            + "\(document.backup), member \(document.member); \(document.replicas) pods are ready after \(ready)"
    }
}
