# SPDX-License-Identifier: Apache-2.0
"""Judges the manifests of jobs/: what kubectl makes of each folder, by the schema of Kubernetes, the restricted Pod
Security Standard, and rules of our own. Prints one JSON document, {folder: {documents, problems, rules, args}}.

    manifests.py JOBS          every folder, and every component on top of what it is for
    manifests.py --document F  one document as JSON, by the schema and the restricted standard alone: [problems]
    manifests.py --self-test   finds what is wrong with manifests that are bad on purpose: {name: [problems]}
"""
import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

KUBERNETES = "1.33"
# kubectl comes with this Python.
KUBECTL = pathlib.Path(sys.executable).parent / "kubectl"
# Kinds that the schema of Kubernetes does not have.
CUSTOM_KINDS = {("monitoring.coreos.com/v1", "PrometheusRule")}

# What each component is put on top of.
COMPONENTS = {
    # jobs/redis has it already.
    "guard": ["redis"],
    "s3": [
        "redis", "app", "backup", "verify", "drill", "copy", "prune", "restore", "restore-cluster", "restore-running",
        "restore-set", "indexed",
    ],
    "gke": [
        "redis", "app", "backup", "verify", "drill", "prune", "restore", "restore-cluster", "restore-running",
        "restore-set", "indexed",
    ],
    "dns": ["store", "backup"],
    "tls": ["store", "backup"],
    "volume-source": ["store", "backup"],
    "spool": ["store", "backup", "indexed"],
    "second-store": ["store", "backup"],
    "encryption": [
        "redis", "backup", "indexed", "verify", "drill", "restore", "restore-running", "restore-set",
    ],
    "signing": ["store", "backup", "indexed", "prune", "verify"],
}
COMPONENTS["azure"] = COMPONENTS["s3"]
COMPONENTS["irsa"] = COMPONENTS["pod-identity"] = [each for each in COMPONENTS["s3"] if each != "app"]
# What a component needs below it.
BELOW = {"irsa": ["s3"], "pod-identity": ["s3"]}
TOGETHER = [["dns", "tls", "s3"], ["encryption", "s3", "spool"], ["volume-source", "s3"], ["second-store", "spool"], ["s3", "spool"],
            ["dns", "tls", "gke"], ["signing", "s3", "spool"],
            ["volume-source", "encryption", "signing"], ["volume-source", "second-store", "spool"]]

# What the webhook of Workload Identity looks for on a ServiceAccount and on a pod.
IDENTITY, USES_IDENTITY = "azure.workload.identity/client-id", "azure.workload.identity/use"

POD_KINDS = {"Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"}


# --- Kustomize


def build(folder):
    """The documents that `kubectl apply -k` would send."""
    result = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(result.stderr.strip())
    return [each for each in yaml.safe_load_all(result.stdout) if each]


def build_together(jobs, bases, components):
    """The same of folders with components on top. Kustomize knows paths only relative to the folder."""
    with tempfile.TemporaryDirectory() as folder:
        here = os.path.realpath(folder)
        relative = lambda path: os.path.relpath(os.path.realpath(path), here)  # noqa: E731
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [relative(jobs / base) for base in bases],
            "components": [relative(jobs / "components" / component) for component in components],
        }
        pathlib.Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return build(folder)


def folders(jobs):
    """Every folder that `kubectl apply -k` takes."""
    for file in sorted(jobs.rglob("kustomization.yaml")):
        if yaml.safe_load(file.read_text())["kind"] == "Kustomization":
            yield file.parent.relative_to(jobs)


# --- Looking at documents


def name_of(document):
    return f"{document['kind']}/{document['metadata'].get('name', '')}"


def pod_template(document):
    """The template of the pods of a workload: (metadata, spec)."""
    spec = document.get("spec", {})
    if document["kind"] == "CronJob":
        spec = spec.get("jobTemplate", {}).get("spec", {})
    template = document if document["kind"] == "Pod" else spec.get("template", {})
    return template.get("metadata") or {}, template.get("spec") or {}


def containers(spec):
    return [each for kind in ("initContainers", "containers", "ephemeralContainers") for each in spec.get(kind) or []]


def environment_sources(spec):
    """(kind, name, key or None, whether it may be missing) of what containers take from ConfigMaps and Secrets."""
    kinds = {
        "configMapRef": "ConfigMap", "secretRef": "Secret", "configMapKeyRef": "ConfigMap", "secretKeyRef": "Secret"}
    for container in containers(spec):
        sources = [each for each in container.get("envFrom") or []]
        sources += [each["valueFrom"] for each in container.get("env") or [] if each.get("valueFrom")]
        for source in sources:
            for field, reference in source.items():
                if field in kinds:
                    yield kinds[field], reference["name"], reference.get("key"), reference.get("optional", False)


def volume_sources(spec):
    for volume in spec.get("volumes") or []:
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"], volume["configMap"].get("optional", False)
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"], volume["secret"].get("optional", False)
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"], False


# --- The schema


def schema_problems(document):
    if (document["apiVersion"], document["kind"]) in CUSTOM_KINDS:
        return
    try:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"{'.'.join(str(each) for each in error.path)}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError as error:
        yield error.message


def server_problems(document):
    """What the API server checks and the schema does not tell; each of these was seen."""
    name = document["metadata"].get("name", "")
    if document["kind"] == "CronJob" and len(name) > 52:
        yield f"the name of a CronJob has at most 52 characters, and {name} has {len(name)}"
    if document["kind"] not in ("Job", "CronJob"):
        return
    job = document["spec"] if document["kind"] == "Job" else document["spec"]["jobTemplate"]["spec"]
    policy = job.get("podFailurePolicy")
    spec = pod_template(document)[1]
    if spec.get("restartPolicy") not in ("Never", "OnFailure"):
        yield "a Job needs restartPolicy Never or OnFailure"
    if not policy:
        return
    if spec.get("restartPolicy") != "Never":
        yield "podFailurePolicy needs restartPolicy Never"
    if job.get("podReplacementPolicy", "Failed") != "Failed":
        yield "podFailurePolicy needs podReplacementPolicy Failed"
    names = {each["name"] for each in containers(spec)}
    for rule in policy["rules"]:
        if rule["action"] == "FailIndex" and "backoffLimitPerIndex" not in job:
            yield "FailIndex needs backoffLimitPerIndex"
        for condition in rule.get("onPodConditions") or []:
            if condition.get("status") not in ("True", "False", "Unknown"):
                yield "onPodConditions needs a status"
        codes = rule.get("onExitCodes")
        if codes:
            if codes.get("containerName") and codes["containerName"] not in names:
                yield f"podFailurePolicy names the container {codes['containerName']}, which is not there"
            if codes["operator"] == "In" and 0 in codes["values"]:
                yield "exit code 0 is no failure"
            if codes["values"] != sorted(set(codes["values"])):
                yield "exit codes are in order, each once"


# --- The Pod Security Standard `restricted`, with all of `baseline` (kubernetes.io, "Pod Security Standards", v1.33)

ALLOWED_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes"}
SELINUX_TYPES = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
SECCOMP_TYPES = {"RuntimeDefault", "Localhost"}


def pod_security_problems(metadata, spec):
    pod = spec.get("securityContext") or {}
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{field} is on"
    for volume in spec.get("volumes") or []:
        for kind in set(volume) - {"name"} - ALLOWED_VOLUMES:
            yield f"the volume {volume['name']} is a {kind}"
    for sysctl in pod.get("sysctls") or []:
        if sysctl["name"] not in SAFE_SYSCTLS:
            yield f"the sysctl {sysctl['name']} is not a safe one"
    for key, value in (metadata.get("annotations") or {}).items():
        if key.startswith("container.apparmor.security.beta.kubernetes.io/"):
            if value != "runtime/default" and not value.startswith("localhost/"):
                yield f"AppArmor is {value}"
    yield from context_problems("the pod", pod)
    for container in containers(spec):
        yield from container_security_problems(container, pod)


def context_problems(whose, context):
    """What may be wrong with the securityContext of a pod and of a container alike."""
    if context.get("runAsNonRoot") is False:
        yield f"{whose} may run as root"
    if context.get("runAsUser") == 0:
        yield f"{whose} runs as root"
    if "seccompProfile" in context and context["seccompProfile"].get("type") not in SECCOMP_TYPES:
        yield f"the seccompProfile of {whose} is {context['seccompProfile'].get('type')}"
    if "appArmorProfile" in context and context["appArmorProfile"].get("type") not in SECCOMP_TYPES:
        yield f"the appArmorProfile of {whose} is {context['appArmorProfile'].get('type')}"
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type") not in SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield f"{whose} sets the type, user or role of SELinux"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield f"{whose} is a host process"


def container_security_problems(container, pod):
    whose = f"the container {container['name']}"
    context = container.get("securityContext") or {}
    yield from context_problems(whose, context)
    if context.get("privileged"):
        yield f"{whose} is privileged"
    if context.get("allowPrivilegeEscalation") is not False:
        yield f"{whose} does not forbid privilege escalation"
    if context.get("procMount", "Default") != "Default":
        yield f"the procMount of {whose} is {context['procMount']}"
    capabilities = context.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or []):
        yield f"{whose} does not drop all capabilities"
    for added in set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
        yield f"{whose} adds the capability {added}"
    if not context.get("runAsNonRoot", pod.get("runAsNonRoot")):
        yield f"{whose} does not say runAsNonRoot"
    if not (context.get("seccompProfile") or pod.get("seccompProfile")):
        yield f"{whose} has no seccompProfile"
    for port in container.get("ports") or []:
        if port.get("hostPort"):
            yield f"{whose} has the host port {port['hostPort']}"
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        for action in ("httpGet", "tcpSocket"):
            if ((container.get(probe) or {}).get(action) or {}).get("host"):
                yield f"the {probe} of {whose} names a host"


# --- Rules of our own

POD_LABELS = ("name", "component", "part-of", "managed-by")


def workload_problems(document):
    metadata, spec = pod_template(document)
    for label in POD_LABELS:
        if f"app.kubernetes.io/{label}" not in (metadata.get("labels") or {}):
            yield f"its pods have no label app.kubernetes.io/{label}"
    if "automountServiceAccountToken" not in spec:
        yield "it does not say whether its pods get a token"
    if spec.get("enableServiceLinks") is not False:
        yield "a Service called redis or redoubt would set variables in its containers: enableServiceLinks is on"
    volumes = {each["name"] for each in spec.get("volumes") or []}
    volumes |= {each["metadata"]["name"] for each in document["spec"].get("volumeClaimTemplates") or []}
    mounted = set()
    for container in containers(spec):
        whose = f"the container {container['name']}"
        resources = container.get("resources") or {}
        for kind, resource in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
            if resource not in (resources.get(kind) or {}):
                yield f"{whose} has no {kind}.{resource}"
        if container.get("terminationMessagePolicy") != "FallbackToLogsOnError":
            yield f"the terminationMessagePolicy of {whose} is not FallbackToLogsOnError"
        if not (container.get("securityContext") or {}).get("readOnlyRootFilesystem"):
            yield f"{whose} may write to its image"
        if not re.search(r"[:@][^/]+$", container["image"]) or container["image"].endswith(":latest"):
            yield f"the image of {whose} has no version"
        known = {each["name"] for each in container.get("env") or []}
        words = (container.get("args") or []) + (container.get("command") or [])
        for variable in re.findall(r"(?<!\$)\$\(([A-Za-z_][A-Za-z0-9_]*)\)", "\n".join(container.get("args") or [])):
            if variable not in known:
                yield f"the arguments of {whose} name the variable {variable}, which it does not have"
        if any("password=" in each.lower() for each in words):
            yield f"the command line of {whose} has a password"
        for mount in container.get("volumeMounts") or []:
            mounted.add(mount["name"])
            if mount["name"] not in volumes:
                yield f"{whose} mounts the volume {mount['name']}, which is not there"
    for volume in sorted(volumes - mounted):
        yield f"no container mounts the volume {volume}"


def cron_problems(document):
    spec, job = document["spec"], document["spec"]["jobTemplate"]["spec"]
    if spec.get("concurrencyPolicy") != "Forbid":
        yield "two runs at once are not forbidden"
    for field in ("timeZone", "startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        if field not in spec:
            yield f"it has no {field}"
    for field in ("activeDeadlineSeconds", "ttlSecondsAfterFinished", "podFailurePolicy", "podReplacementPolicy"):
        if field not in job:
            yield f"its Job has no {field}"
    if not {"backoffLimit", "backoffLimitPerIndex"} & set(job):
        yield "its Job has no backoffLimit"


def selector_problems(document, documents):
    kind, spec = document["kind"], document.get("spec") or {}
    templates = [pod_template(each)[0].get("labels") or {} for each in documents if each["kind"] in POD_KINDS]
    selects = lambda wanted, labels: wanted.items() <= labels.items()  # noqa: E731
    if kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"):
        wanted = (spec.get("selector") or {}).get("matchLabels") or {}
        if not wanted or not selects(wanted, pod_template(document)[0].get("labels") or {}):
            yield "its selector does not select its own pods"
    if kind == "Service" and spec.get("selector"):
        # The StatefulSet controller adds this label to each of its pods.
        wanted = {key: value for key, value in spec["selector"].items() if key != "statefulset.kubernetes.io/pod-name"}
        if not any(selects(wanted, labels) for labels in templates):
            yield "its selector selects no pod"
        names = {port.get("name") for each in documents if each["kind"] in POD_KINDS
                 for container in containers(pod_template(each)[1]) for port in container.get("ports") or []}
        for port in spec.get("ports") or []:
            if isinstance(port.get("targetPort"), str) and port["targetPort"] not in names:
                yield f"no container has the port {port['targetPort']}"
    if kind in ("PodDisruptionBudget", "NetworkPolicy"):
        selector = spec.get("selector" if kind == "PodDisruptionBudget" else "podSelector") or {}
        wanted = selector.get("matchLabels") or {}
        if not wanted or not any(selects(wanted, labels) for labels in templates):
            yield "its selector selects no pod, or all of them"
    if kind == "NetworkPolicy" and set(spec.get("policyTypes") or []) != {"Ingress", "Egress"}:
        yield "it does not rule both directions"


def access_problems(document, documents):
    kind = document["kind"]
    if kind in ("ClusterRole", "ClusterRoleBinding"):
        yield "rights of the whole cluster are not needed"
    for rule in document.get("rules") or []:
        resources = set(rule.get("resources") or [])
        for field in ("apiGroups", "resources", "verbs"):
            if "*" in (rule.get(field) or []):
                yield f"a rule has * as its {field}"
        # What scales a StatefulSet may change nothing else of it.
        if "secrets" in resources or any("/" in each for each in resources - {"statefulsets/scale"}):
            yield f"a rule is about {', '.join(sorted(resources))}"
        if "create" in rule.get("verbs", []) and rule.get("resourceNames"):
            yield "a right to create cannot be limited to a name"
        if resources & {"leases", "statefulsets", "statefulsets/scale"} and "create" not in rule["verbs"] and not rule.get("resourceNames"):
            yield f"a rule is about all {', '.join(sorted(resources))}"
        if "jobs" in resources and "delete" in rule["verbs"] and not rule.get("resourceNames"):
            yield "a rule is about deleting all jobs"
    if kind == "RoleBinding":
        role = document["roleRef"]
        if not any(each["kind"] == role["kind"] and each["metadata"]["name"] == role["name"] for each in documents):
            yield f"there is no {role['kind']} {role['name']}"
        for subject in document.get("subjects") or []:
            if not has(documents, "ServiceAccount", subject["name"]):
                yield f"there is no ServiceAccount {subject['name']}"


def has(documents, kind, name):
    return any(each["kind"] == kind and each["metadata"]["name"] == name for each in documents)


def reference_problems(document, documents, elsewhere):
    """References to what is neither in the same output nor in `elsewhere`: {kind: {name: keys, or None for any}}."""
    spec = pod_template(document)[1]
    account = spec.get("serviceAccountName", "default")
    if account != "default" and not has(documents, "ServiceAccount", account):
        yield f"there is no ServiceAccount {account}"
    bound = {subject["name"] for each in documents if each["kind"] == "RoleBinding" for subject in each["subjects"]}
    if bool(spec.get("automountServiceAccountToken")) != (account in bound):
        yield f"its pods get a token and {account} has no rights, or the other way round"
    has_identity = any(IDENTITY in (each["metadata"].get("annotations") or {}) for each in documents
                       if (each["kind"], each["metadata"]["name"]) == ("ServiceAccount", account))
    if has_identity != (pod_template(document)[0].get("labels", {}).get(USES_IDENTITY) == "true"):
        yield f"its pods use an identity of Azure and {account} has none, or the other way round"
    if document["kind"] == "StatefulSet" and not has(documents, "Service", document["spec"]["serviceName"]):
        yield f"there is no Service {document['spec']['serviceName']}"
    for kind, name, optional in volume_sources(spec):
        if not optional and not has(documents, kind, name) and name not in elsewhere.get(kind, {}):
            yield f"there is no {kind} {name}"
    for kind, name, key, optional in environment_sources(spec):
        if optional:
            continue
        known = [set(each.get("data") or {}) for each in documents
                 if (each["kind"], each["metadata"]["name"]) == (kind, name)]
        known += [elsewhere.get(kind, {})[name]] if name in elsewhere.get(kind, {}) else []
        if not known:
            yield f"there is no {kind} {name}"
        elif key and not any(keys is None or key in keys for keys in known):
            yield f"the {kind} {name} has no {key}"


def role_problems(documents, component):
    """What is wrong where the pods have a role of AWS instead of keys."""
    for document in documents:
        name = name_of(document)
        annotations = document["metadata"].get("annotations") or {}
        if component == "irsa" and document["kind"] == "ServiceAccount":
            if not re.fullmatch(r"arn:aws:iam::\d{12}:role/\S+", annotations.get("eks.amazonaws.com/role-arn", "")):
                yield f"{name}: it has no role"
        if component == "pod-identity" and document["kind"] == "NetworkPolicy":
            if "redoubt" == document["metadata"]["labels"]["app.kubernetes.io/name"] and not any(
                    {"ipBlock": {"cidr": "169.254.170.23/32"}} in rule.get("to", [])
                    and {"protocol": "TCP", "port": 80} in rule.get("ports", []) for rule in document["spec"]["egress"]):
                yield f"{name}: it cannot reach the agent of the node"
        if document["kind"] in POD_KINDS:
            for kind, secret, key, _ in environment_sources(pod_template(document)[1]):
                if kind == "Secret" and key is None:
                    yield f"{name}: the keys in the Secret {secret} would come before the role"


# --- A folder


def problems(documents, elsewhere):
    found = []
    for document in documents:
        each = list(schema_problems(document))
        each += server_problems(document)
        if document["metadata"].get("namespace"):
            each.append("it names a namespace")
        for label in POD_LABELS:
            if f"app.kubernetes.io/{label}" not in (document["metadata"].get("labels") or {}):
                each.append(f"it has no label app.kubernetes.io/{label}")
        if document["kind"] == "Secret":
            each.append("a Secret does not belong into a repository")
        if document["kind"] in POD_KINDS:
            each += pod_security_problems(*pod_template(document))
            each += workload_problems(document)
            each += reference_problems(document, documents, elsewhere)
        if document["kind"] == "CronJob":
            each += cron_problems(document)
        each += selector_problems(document, documents)
        each += access_problems(document, documents)
        found += [f"{name_of(document)}: {text}" for text in each]
    names = [name_of(each) for each in documents]
    return found + [f"{name}: is there twice" for name in sorted(set(names)) if names.count(name) > 1]


def report(documents, elsewhere):
    programs = [container for each in documents if each["kind"] in POD_KINDS
                for container in containers(pod_template(each)[1])
                if re.search(r"(^|/)redoubt[:@]", container["image"])]
    return {
        "documents": [name_of(each) for each in documents],
        "problems": problems(documents, elsewhere),
        "rules": [{field: rule.get(field) or [] for field in ("apiGroups", "resources", "verbs", "resourceNames")}
                  for each in documents for rule in each.get("rules") or [] if each["kind"] == "Role"],
        "args": [container.get("args") or [] for container in programs],
    }


def made_elsewhere(jobs, outputs):
    """What other folders bring, what the StatefulSets make, and what the README tells the user to make by hand."""
    found = {"ConfigMap": {}, "PersistentVolumeClaim": {}, "Secret": {}}
    for document in (each for documents in outputs for each in documents):
        name = document["metadata"]["name"]
        if document["kind"] in ("ConfigMap", "PersistentVolumeClaim"):
            found[document["kind"]][name] = set(document.get("data") or {})
        if document["kind"] == "StatefulSet":
            for template in document["spec"].get("volumeClaimTemplates") or []:
                for ordinal in range(document["spec"]["replicas"]):
                    found["PersistentVolumeClaim"][f"{template['metadata']['name']}-{name}-{ordinal}"] = set()
    text = re.sub(r"\\\n\s*", " ", (jobs / "README.md").read_text())
    for what, name, rest in re.findall(r"kubectl create (secret generic|configmap) ([a-z0-9-]+)(.*)", text):
        keys = set(re.findall(r"--from-(?:literal|file)=([A-Za-z0-9_.-]+)", rest))
        made = found["ConfigMap" if what == "configmap" else "Secret"]
        made[name] = made.get(name, set()) | keys
    return found


def judge(jobs):
    outputs, failures = {}, {}

    def attempt(name, action):
        try:
            outputs[name] = action()
        except RuntimeError as error:
            failures[name] = str(error)

    for folder in folders(jobs):
        # Parts of a component are judged with it.
        if folder.parts[0] != "components":
            attempt(str(folder), lambda folder=folder: build(jobs / folder))
    present = {each.name for each in (jobs / "components").iterdir() if each.is_dir()}
    for component in sorted(present | set(COMPONENTS)):
        bases = COMPONENTS.get(component)
        if component not in present or not bases:
            failures[f"components/{component}"] = "there is no such folder, or it is not known what it is for"
        elif component != "guard":
            names = BELOW.get(component, []) + [component]
            attempt(f"components/{component}", lambda these=names, on=bases: build_together(jobs, on, these))
    for names in TOGETHER:
        bases = ["redis", "backup"] if "store" not in COMPONENTS[names[0]] else ["store", "backup"]
        attempt("components/" + "+".join(names), lambda on=bases, these=names: build_together(jobs, on, these))
    everything = [str(each) for each in folders(jobs) if each.parts[0] not in ("components", "monitoring", "store")]
    attempt("all together", lambda: build_together(jobs, everything, []))

    elsewhere = made_elsewhere(jobs, outputs.values())
    result = {name: report(documents, elsewhere) for name, documents in outputs.items()}
    for component in BELOW:
        name = f"components/{component}"
        if name in result:
            result[name]["problems"] += role_problems(outputs[name], component)
    for name, text in failures.items():
        result[name] = {"documents": [], "problems": [text], "rules": [], "args": []}
    for document in outputs.get("monitoring", []):
        for file, text in (document.get("data") or {}).items():
            try:
                yaml.safe_load(text) if file.endswith(".yaml") else json.loads(text)
            except (ValueError, yaml.YAMLError) as error:
                result["monitoring"]["problems"].append(f"{file}: {error}")
    if "monitoring" in outputs and "monitoring/operator" in outputs:
        plain = yaml.safe_load((jobs / "monitoring/rules.yaml").read_text())
        if plain != outputs["monitoring/operator"][0]["spec"]:
            result["monitoring/operator"]["problems"].append("its rules are others than those of rules.yaml")
    return result


# --- Manifests that are bad on purpose

GOOD = """
apiVersion: batch/v1
kind: CronJob
metadata:
  name: good
  labels: &labels
    app.kubernetes.io/name: redoubt
    app.kubernetes.io/component: backup
    app.kubernetes.io/part-of: redis
    app.kubernetes.io/managed-by: kustomize
spec:
  schedule: "17 2 * * *"
  timeZone: Etc/UTC
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 600
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      backoffLimit: 2
      activeDeadlineSeconds: 10
      ttlSecondsAfterFinished: 10
      podReplacementPolicy: Failed
      podFailurePolicy:
        rules:
          - action: Ignore
            onPodConditions: [{type: DisruptionTarget, status: "True"}]
          - action: FailJob
            onExitCodes: {containerName: redoubt, operator: In, values: [3, 4]}
      template:
        metadata:
          labels: *labels
        spec:
          restartPolicy: Never
          automountServiceAccountToken: false
          enableServiceLinks: false
          securityContext: {runAsNonRoot: true, runAsUser: 999, seccompProfile: {type: RuntimeDefault}}
          containers:
            - name: redoubt
              image: redoubt:0.1.0
              args: [list, --from=$(URL)]
              env: [{name: URL, valueFrom: {configMapKeyRef: {name: store, key: url}}}]
              terminationMessagePolicy: FallbackToLogsOnError
              resources: {requests: {cpu: 1m, memory: 1Mi}, limits: {memory: 1Mi}}
              securityContext:
                allowPrivilegeEscalation: false
                readOnlyRootFilesystem: true
                capabilities: {drop: [ALL]}
              volumeMounts: [{name: data, mountPath: /data}]
          volumes: [{name: data, emptyDir: {}}]
"""

ROLE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: role
  labels:
    app.kubernetes.io/name: redoubt
    app.kubernetes.io/component: backup
    app.kubernetes.io/part-of: redis
    app.kubernetes.io/managed-by: kustomize
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
"""

# What is wrong: where, and the value there (None: nothing there).
JOB = "spec.jobTemplate.spec."
POD = JOB + "template.spec."
CONTAINER = POD + "containers.0."
BAD = {
    "unknown field": (JOB + "backofLimit", 1),
    "unknown field of a container": (CONTAINER + "volumeMount", []),
    "wrong type": (JOB + "backoffLimit", "two"),
    "long name": ("metadata.name", "a" * 53),
    "namespace": ("metadata.namespace", "default"),
    "no label": ("metadata.labels", {"app.kubernetes.io/name": "redoubt"}),
    "condition without a status": (JOB + "podFailurePolicy.rules.0.onPodConditions.0", {"type": "DisruptionTarget"}),
    "policy about another container": (JOB + "podFailurePolicy.rules.1.onExitCodes.containerName", "other"),
    "replacement policy": (JOB + "podReplacementPolicy", "TerminatingOrFailed"),
    "restart policy": (POD + "restartPolicy", "OnFailure"),
    "host network": (POD + "hostNetwork", True),
    "host process ids": (POD + "hostPID", True),
    "host path": (POD + "volumes.0", {"name": "data", "hostPath": {"path": "/"}}),
    "privileged": (CONTAINER + "securityContext.privileged", True),
    "capabilities kept": (CONTAINER + "securityContext.capabilities", {}),
    "capability added": (CONTAINER + "securityContext.capabilities.add", ["SYS_ADMIN"]),
    "may be root": (POD + "securityContext.runAsNonRoot", None),
    "container may be root": (CONTAINER + "securityContext.runAsNonRoot", False),
    "root": (CONTAINER + "securityContext.runAsUser", 0),
    "no seccomp": (POD + "securityContext.seccompProfile", None),
    "seccomp unconfined": (CONTAINER + "securityContext.seccompProfile", {"type": "Unconfined"}),
    "escalation": (CONTAINER + "securityContext.allowPrivilegeEscalation", None),
    "proc mount": (CONTAINER + "securityContext.procMount", "Unmasked"),
    "sysctl": (POD + "securityContext.sysctls", [{"name": "kernel.msgmax", "value": "1"}]),
    "host port": (CONTAINER + "ports", [{"containerPort": 80, "hostPort": 80}]),
    "SELinux": (POD + "securityContext.seLinuxOptions", {"type": "spc_t"}),
    "AppArmor": (CONTAINER + "securityContext.appArmorProfile", {"type": "Unconfined"}),
    "writable image": (CONTAINER + "securityContext.readOnlyRootFilesystem", False),
    "no limit": (CONTAINER + "resources.limits", None),
    "no version": (CONTAINER + "image", "redoubt"),
    "unknown variable": (CONTAINER + "args.1", "--from=$(URI)"),
    "password": (CONTAINER + "args.1", "--password=secret"),
    "service links": (POD + "enableServiceLinks", None),
    "no termination message": (CONTAINER + "terminationMessagePolicy", None),
    "missing volume": (CONTAINER + "volumeMounts.0.name", "date"),
    "unused volume": (POD + "volumes.0.name", "date"),
    "missing claim": (POD + "volumes.0", {"name": "data", "persistentVolumeClaim": {"claimName": "none"}}),
    "missing ConfigMap": (CONTAINER + "env.0.valueFrom.configMapKeyRef.name", "stone"),
    "missing key": (CONTAINER + "env.0.valueFrom.configMapKeyRef.key", "uri"),
    "missing Secret": (CONTAINER + "envFrom", [{"secretRef": {"name": "none"}}]),
    "missing account": (POD + "serviceAccountName", "nobody"),
    "identity that nobody has": (JOB + "template.metadata.labels", {
        **{f"app.kubernetes.io/{label}": "redoubt" for label in POD_LABELS}, USES_IDENTITY: "true"}),
    "token without rights": (POD + "automountServiceAccountToken", True),
    "concurrency": ("spec.concurrencyPolicy", "Allow"),
    "no deadline": (JOB + "activeDeadlineSeconds", None),
}
BAD_ROLES = {
    "all verbs": {"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]},
    "secrets": {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
    "exec": {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]},
    "all leases": {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["update"]},
    "scales everything": {"apiGroups": ["apps"], "resources": ["statefulsets/scale"], "verbs": ["patch"]},
    "deletes all jobs": {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "delete"]},
}


def with_value(document, path, value):
    changed = copy.deepcopy(document)
    place, steps = changed, [int(each) if each.isdigit() else each for each in path.split(".")]
    for step in steps[:-1]:
        place = place[step]
    if value is None:
        place.pop(steps[-1])
    else:
        place[steps[-1]] = value
    return changed


def self_test():
    elsewhere = {"ConfigMap": {"store": {"url"}}}
    good, role = yaml.safe_load(GOOD), yaml.safe_load(ROLE)
    # Without the aliases of YAML: a change of one label is no change of another.
    good, role = json.loads(json.dumps(good)), json.loads(json.dumps(role))
    result = {"good": problems([good, role], elsewhere)}
    for name, (path, value) in BAD.items():
        result[f"bad: {name}"] = problems([with_value(good, path, value)], elsewhere)
    keys = with_value(good, "spec.jobTemplate.spec.template.spec.containers.0.envFrom", [{"secretRef": {"name": "keys"}}])
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x", "annotations": {}}}
    policy = {"kind": "NetworkPolicy", "metadata": {"name": "x", "labels": good["metadata"]["labels"]},
              "spec": {"egress": [{"to": [{"ipBlock": {"cidr": "169.254.170.23/32"}}], "ports": []}]}}
    result["good"] += role_problems([good], "irsa")
    result["bad: keys and a role"] = list(role_problems([keys], "irsa"))
    result["bad: an account without a role"] = list(role_problems([account], "irsa"))
    result["bad: no way to the agent"] = list(role_problems([policy], "pod-identity"))
    for name, rule in BAD_ROLES.items():
        result[f"bad: {name}"] = problems([with_value(role, "rules.0", rule)], elsewhere)
    return result


def judge_document(file):
    document = json.loads(pathlib.Path(file).read_text())
    # What the API server added.
    for field in ("uid", "resourceVersion"):
        document["metadata"].pop(field, None)
    return [*schema_problems(document), *server_problems(document), *pod_security_problems(*pod_template(document))]


if __name__ == "__main__":
    if sys.argv[1] == "--document":
        print(json.dumps(judge_document(sys.argv[2])))
    else:
        print(json.dumps(self_test() if sys.argv[1] == "--self-test" else judge(pathlib.Path(sys.argv[1]).resolve())))
