// SPDX-License-Identifier: Apache-2.0

/// Where the API server is looked for, and as whom it is spoken to.
package struct KubernetesSettings: Sendable {
    /// The file that `--kubeconfig` names; alone, and it must be there. `nil`: the files of `KUBECONFIG`, one after
    /// another with a colon between them, or else `~/.kube/config`.
    package var kubeconfig: String?
    /// The context of the kubeconfig. `nil`: its current one.
    package var context: String?
    /// The namespace to work in. `nil`: that of the context, or that of the service account, or `default`.
    package var namespace: String?
    /// The environment: `KUBECONFIG`, `HOME`, `KUBERNETES_SERVICE_HOST` and `_PORT`; exec plugins get all of it.
    package var environment: [String: String]
    /// Where the kubelet puts the token, the authorities and the namespace of a pod's service account.
    package var serviceAccountFolder: String

    package init(
        kubeconfig: String? = nil,
        context: String? = nil,
        namespace: String? = nil,
        environment: [String: String],
        serviceAccountFolder: String = "/var/run/secrets/kubernetes.io/serviceaccount"
    ) {
        self.kubeconfig = kubeconfig
        self.context = context
        self.namespace = namespace
        self.environment = environment
        self.serviceAccountFolder = serviceAccountFolder
    }
}
