//! What a pod may ask for: Pod Security's `baseline`, or `restricted`, and a little less.

use serde_json::{Map, Value, json};

use super::{Gate, RESERVED_SECRETS, is_empty};

/// Capabilities that `baseline` lets a container add.
const CAPABILITIES: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// Kernel settings that are a pod's own.
const SYSCTLS: &[&str] = &[
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];
/// Kinds of volumes that hold nothing but what the preview itself made.
const VOLUMES: &[&str] = &[
    "configMap",
    "secret",
    "emptyDir",
    "persistentVolumeClaim",
    "projected",
    "downwardAPI",
    "ephemeral",
];
/// Types that SELinux's options may name.
const SELINUX: &[&str] = &[
    "",
    "container_t",
    "container_init_t",
    "container_kvm_t",
    "container_engine_t",
];

pub(super) fn check(gate: &mut Gate, object: &str, spec: &mut Map<String, Value>) {
    for (key, what) in [
        ("hostNetwork", "the node's network"),
        ("hostPID", "the node's processes"),
        ("hostIPC", "the node's shared memory"),
    ] {
        if spec.get(key).is_some_and(|value| value == &json!(true)) {
            gate.refuse(
                object,
                format!("asks for {what} ({key}); a preview has its own"),
            );
        }
    }
    for (key, what) in [
        ("nodeName", "a node by its name"),
        ("runtimeClassName", "another runtime"),
        ("resourceClaims", "devices of the node"),
        ("overhead", "overhead of a runtime"),
        ("schedulerName", "another scheduler"),
    ] {
        if spec
            .get(key)
            .is_some_and(|value| !is_empty(value) && value != "default-scheduler")
        {
            gate.refuse(object, format!("asks for {what} ({key}); leave it out"));
        }
    }
    if let Some(class) = spec
        .get("priorityClassName")
        .and_then(Value::as_str)
        .map(ToOwned::to_owned)
    {
        if class.starts_with("system-") {
            gate.refuse(
                object,
                format!("asks for the priority {class}, which is the cluster's own; leave it out"),
            );
        } else if !class.is_empty() {
            gate.warn(object, "its priorityClassName is left out");
            spec.remove("priorityClassName");
        }
    }
    if spec.get("automountServiceAccountToken") == Some(&json!(true)) {
        gate.warn(
            object,
            "its token is not mounted: the pods of a preview have none",
        );
    }
    spec.insert("automountServiceAccountToken".to_owned(), json!(false));
    spec.remove("serviceAccount");
    if let Some(account) = spec
        .get("serviceAccountName")
        .and_then(Value::as_str)
        .map(ToOwned::to_owned)
        && !gate.accounts.contains(&account)
    {
        if !account.is_empty() && account != "default" {
            gate.warn(
                object,
                format!(
                    "the ServiceAccount {account} is not among the objects; the default one is used"
                ),
            );
        }
        spec.remove("serviceAccountName");
    }
    security_context(gate, object, "its pods", spec.get("securityContext"));
    for sysctl in spec
        .get("securityContext")
        .and_then(|context| context["sysctls"].as_array())
        .into_iter()
        .flatten()
    {
        let name = sysctl["name"].as_str().unwrap_or_default();
        if !SYSCTLS.contains(&name) {
            gate.refuse(
                object,
                format!("sets the kernel's {name:?} (sysctls), which is the node's; leave it out"),
            );
        }
    }
    volumes(gate, object, spec);
    if spec
        .get("containers")
        .and_then(Value::as_array)
        .is_none_or(Vec::is_empty)
    {
        gate.refuse(object, "has no containers");
    }
    if spec
        .get("ephemeralContainers")
        .is_some_and(|value| !is_empty(value))
    {
        gate.refuse(
            object,
            "has ephemeral containers; those are for debugging only",
        );
    }
    let pod_level = spec.get("securityContext").cloned().unwrap_or_default();
    for kind in ["initContainers", "containers"] {
        for container in spec
            .get_mut(kind)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            self::container(gate, object, container, &pod_level);
        }
    }
}

fn volumes(gate: &mut Gate, object: &str, spec: &Map<String, Value>) {
    for volume in spec
        .get("volumes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let name = volume["name"].as_str().unwrap_or_default();
        for (kind, source) in volume
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, _)| *key != "name")
        {
            if kind == "hostPath" {
                let path = source["path"].as_str().unwrap_or_default();
                let what = if path.ends_with("docker.sock") || path.ends_with("containerd.sock") {
                    "the socket of the node's containers"
                } else {
                    "files of the node"
                };
                gate.refuse(
                    object,
                    format!("mounts {what} ({path}); a preview has none of them"),
                );
            } else if !VOLUMES.contains(&kind.as_str()) {
                gate.refuse(
                    object,
                    format!(
                        "has the volume {name:?} of the kind {kind}; previews may use {}",
                        VOLUMES.join(", ")
                    ),
                );
            }
        }
        for source in volume["projected"]["sources"]
            .as_array()
            .into_iter()
            .flatten()
        {
            if source.get("serviceAccountToken").is_some()
                || source.get("clusterTrustBundle").is_some()
                || source.get("podCertificate").is_some()
            {
                gate.refuse(object, format!("mounts a token of the cluster in the volume {name:?}; the pods of a preview have none"));
            }
            secret_name(gate, object, source["secret"]["name"].as_str());
        }
        secret_name(gate, object, volume["secret"]["secretName"].as_str());
        if let Some(claim) = volume["ephemeral"]["volumeClaimTemplate"]["spec"].as_object() {
            for key in ["volumeName", "selector", "dataSource", "dataSourceRef"] {
                if claim.get(key).is_some_and(|value| !is_empty(value)) {
                    gate.refuse(object, format!("names an existing volume or source of data ({key}) in the volume {name:?}"));
                }
            }
        }
    }
}

fn secret_name(gate: &mut Gate, object: &str, name: Option<&str>) {
    if let Some(name) = name.filter(|name| RESERVED_SECRETS.contains(name)) {
        gate.refuse(
            object,
            format!("reads the Secret {name}, which is Catalyst's own"),
        );
    }
}

fn container(gate: &mut Gate, object: &str, container: &mut Value, pod: &Value) {
    let name = container["name"].as_str().unwrap_or_default().to_owned();
    let of = format!("its container {name}");
    match container["image"].as_str() {
        Some(image) => {
            if let Err(why) = image_reference(image) {
                gate.refuse(
                    object,
                    format!("names the image {image:?} for {of}, which {why}"),
                );
            }
        }
        None => gate.refuse(object, format!("names no image for {of}")),
    }
    for port in container["ports"].as_array().into_iter().flatten() {
        if port["hostPort"].as_u64().is_some_and(|port| port != 0) || !is_empty(&port["hostIP"]) {
            gate.refuse(
                object,
                format!(
                    "asks for a port of the node (hostPort {}) in {of}; leave it out",
                    port["hostPort"]
                ),
            );
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        for action in ["httpGet", "tcpSocket"] {
            if !is_empty(&container[probe][action]["host"]) {
                gate.refuse(object, format!("lets the node ask another host ({probe} of {of}); a probe may only ask its own container"));
            }
        }
    }
    for hook in ["postStart", "preStop"] {
        for action in ["httpGet", "tcpSocket"] {
            if !is_empty(&container["lifecycle"][hook][action]["host"]) {
                gate.refuse(
                    object,
                    format!("lets the node ask another host ({hook} of {of})"),
                );
            }
        }
    }
    for variable in container["env"].as_array().into_iter().flatten() {
        secret_name(
            gate,
            object,
            variable["valueFrom"]["secretKeyRef"]["name"].as_str(),
        );
    }
    for source in container["envFrom"].as_array().into_iter().flatten() {
        secret_name(gate, object, source["secretRef"]["name"].as_str());
    }
    if container["volumeDevices"]
        .as_array()
        .is_some_and(|list| !list.is_empty())
    {
        gate.refuse(object, format!("gives {of} a raw block device"));
    }
    let context = container.get("securityContext");
    security_context(gate, object, &of, context);
    let context = context.cloned().unwrap_or_default();
    if context["privileged"] == true {
        gate.refuse(
            object,
            format!("lets {of} be privileged, which makes it one with the node; leave it out"),
        );
    }
    if !matches!(context["procMount"].as_str(), None | Some("" | "Default")) {
        gate.refuse(object, format!("unmasks /proc for {of} (procMount)"));
    }
    for capability in context["capabilities"]["add"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let capability = capability.as_str().unwrap_or_default();
        let allowed = if gate.policy.restricted {
            capability == "NET_BIND_SERVICE"
        } else {
            CAPABILITIES.contains(&capability)
        };
        if !allowed {
            gate.refuse(
                object,
                format!("adds the capability {capability} to {of}; previews may not have it"),
            );
        }
    }
    if gate.policy.restricted {
        let effective = |key: &str| {
            if context[key].is_null() {
                pod[key].clone()
            } else {
                context[key].clone()
            }
        };
        if effective("runAsUser") == 0 || effective("runAsNonRoot") == false {
            gate.refuse(
                object,
                format!("runs {of} as root, which this project does not allow (restricted)"),
            );
        }
        if context["allowPrivilegeEscalation"] == true {
            gate.refuse(object, format!("lets {of} gain rights (allowPrivilegeEscalation), which this project does not allow (restricted)"));
        }
        harden(container);
    }
}

/// What `restricted` asks for, where nothing else is said.
fn harden(container: &mut Value) {
    if container["securityContext"].is_null() {
        container["securityContext"] = json!({});
    }
    let context = &mut container["securityContext"];
    context["allowPrivilegeEscalation"] = json!(false);
    context["runAsNonRoot"] = json!(true);
    context["capabilities"]["drop"] = json!(["ALL"]);
}

/// What pods and containers have in common.
fn security_context(gate: &mut Gate, object: &str, of: &str, context: Option<&Value>) {
    let Some(context) = context else { return };
    if context["seccompProfile"]["type"] == "Unconfined" {
        gate.refuse(
            object,
            format!("switches seccomp off for {of}; leave it out"),
        );
    }
    if context["appArmorProfile"]["type"] == "Unconfined" {
        gate.refuse(
            object,
            format!("switches AppArmor off for {of}; leave it out"),
        );
    }
    if context["windowsOptions"]["hostProcess"] == true {
        gate.refuse(
            object,
            format!("lets {of} run as a process of the node (hostProcess)"),
        );
    }
    let options = &context["seLinuxOptions"];
    if !SELINUX.contains(&options["type"].as_str().unwrap_or_default())
        || !is_empty(&options["user"])
        || !is_empty(&options["role"])
    {
        gate.refuse(
            object,
            format!("chooses SELinux labels for {of}; leave them out"),
        );
    }
}

/// Whether a text can be the name of an image.
pub(super) fn image_reference(image: &str) -> Result<(), &'static str> {
    if image.is_empty() {
        return Err("is empty");
    }
    if image.len() > 512 {
        return Err("is too long");
    }
    if image.contains("://") {
        return Err("is a URL; write host/name:tag");
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b);
    if !image.bytes().all(plain) || !image.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err("has characters that no name of an image has");
    }
    let name = image.split('@').next().unwrap_or_default();
    let path = name
        .rsplit_once(':')
        .filter(|(_, tag)| !tag.contains('/'))
        .map_or(name, |(path, _)| path);
    let repository = path
        .split_once('/')
        .filter(|(host, _)| host.contains(['.', ':']))
        .map_or(path, |(_, rest)| rest);
    if repository.chars().any(|c| c.is_ascii_uppercase()) {
        return Err("has capital letters; names of images have none");
    }
    if image.contains("//") || image.ends_with([':', '/', '@']) {
        return Err("is not complete");
    }
    Ok(())
}
