//! One service as a workload, and what others reach it by.

mod environment;
mod image;
mod names;
mod order;
mod pod;
mod resources;
mod security;

use serde_json::{Map, Value, json};

use super::load::scalar;
use super::ports::{is_no_web_port, well_known};
use super::route::Candidate;
use super::{AFTER, Context, ONCE, SERVICE_LABEL, health, secrets, volumes};
use crate::rendered::{RenderError, dns_name};
use environment::environment;
use image::image;
use names::{ports, services};
use order::{after, ends};
use pod::{labels, lifecycle, pod};
use resources::{replicas, resources};
use security::security;

/// The Secret that holds the secrets of the environment.
pub(crate) const SECRETS: &str = "catalyst-secrets";

/// Seconds that a container gets to end by itself, where the file does not say.
const GRACE: u64 = 10;

/// Keys that mean nothing here and lose nothing.
const SILENT: &[&str] = &[
    "networks",
    "profiles",
    "container_name",
    "links",
    "expose",
    "restart",
    "attach",
];

/// Keys that are translated; any other one is warned about.
const KNOWN: &[&str] = &[
    "image",
    "build",
    "command",
    "entrypoint",
    "environment",
    "env_file",
    "ports",
    "volumes",
    "tmpfs",
    "depends_on",
    "healthcheck",
    "deploy",
    "mem_limit",
    "mem_reservation",
    "cpus",
    "scale",
    "secrets",
    "configs",
    "working_dir",
    "user",
    "group_add",
    "labels",
    "annotations",
    "init",
    "stop_grace_period",
    "extra_hosts",
    "shm_size",
    "cap_add",
    "cap_drop",
    "privileged",
    "read_only",
    "security_opt",
    "network_mode",
    "pid",
    "ipc",
    "userns_mode",
    "devices",
    "stdin_open",
    "tty",
    "hostname",
    "pull_policy",
    "sysctls",
    "post_start",
    "pre_stop",
    "dns",
    "dns_search",
    "dns_opt",
];

/// What is said of a key that nothing more can be said of.
const UNKNOWN: &str = "is not translated";

/// Why a key has no counterpart, where more can be said than that.
fn reason(key: &str) -> &'static str {
    match key {
        "ulimits" => "cannot be set in Kubernetes; the node's limits hold",
        "logging" => "has no effect: the cluster keeps the logs",
        "develop" => "has no effect: a push brings the new source",
        "platform" => "has no effect: the cluster's nodes decide",
        "runtime" | "gpus" => "is not available to previews",
        "volumes_from" => "is not translated; mount a named volume in both services instead",
        "external_links" => "has no effect: a preview reaches only its own services",
        "mac_address" | "domainname" | "domain_name" => "cannot be set in Kubernetes",
        "stop_signal" => "has no effect: containers are ended with the signal of their image",
        "cgroup" | "cgroup_parent" | "cpu_shares" | "cpu_quota" | "cpu_period" | "cpuset"
        | "cpu_count" | "cpu_percent" | "memswap_limit" | "mem_swappiness" | "oom_kill_disable"
        | "oom_score_adj" | "pids_limit" | "blkio_config" | "storage_opt" => {
            "cannot be set in Kubernetes; use deploy.resources for CPU and memory"
        }
        "device_cgroup_rules" | "credential_spec" | "isolation" | "uts" => {
            "is not available to previews"
        }
        "provider" | "models" => "is not translated: it is started by Docker itself",
        _ => UNKNOWN,
    }
}

/// The key that was probably meant, of those that a service may have.
fn meant(key: &str) -> Option<&'static str> {
    let alike = KNOWN
        .iter()
        .map(|known| (strsim::damerau_levenshtein(key, known), *known));
    let (distance, nearest) = alike.min()?;
    (distance <= key.len() / 3 && key.len() > 2).then_some(nearest)
}

/// A `$(` in a value would be replaced by Kubernetes.
pub(super) fn escape(text: &str) -> String {
    text.replace("$(", "$$(")
}

/// The objects of a service: its workload; what it needs is added to the context.
pub(super) fn translate(
    context: &mut Context,
    name: &str,
    service: &Map<String, Value>,
) -> Result<Vec<Value>, RenderError> {
    let subject = format!("service {name}");
    let failed =
        |key: &str, message: String| RenderError::new(format!("service {name}: {key}"), message);
    for key in service.keys() {
        if !KNOWN.contains(&key.as_str())
            && !SILENT.contains(&key.as_str())
            && !key.starts_with("x-")
        {
            let reason = reason(key);
            let message = match meant(key).filter(|_| reason == UNKNOWN) {
                Some(meant) => format!("{reason}; did you mean {meant:?}?"),
                None => reason.to_owned(),
            };
            context.warn(format!("{subject}: {key}"), message);
        }
    }
    let object = dns_name(name, 63);
    if object != name {
        context.warn(&subject, format!("is called {object:?} in Kubernetes, where names hold only small letters, digits and hyphens; services that reach it as {name:?} have to be changed"));
    }
    let image = image(context, name, service)?;
    let mut all_ports = ports(context, name, service, &image)?;
    let mut container = Map::new();
    container.insert("name".to_owned(), json!(object));
    container.insert("image".to_owned(), json!(image));
    for (key, into) in [("entrypoint", "command"), ("command", "args")] {
        if let Some(words) = words(service.get(key)).map_err(|message| failed(key, message))? {
            container.insert(
                into.to_owned(),
                words.iter().map(|word| escape(word)).collect(),
            );
        }
    }
    if let Some(directory) = service
        .get("working_dir")
        .map(scalar)
        .filter(|text| !text.is_empty())
    {
        container.insert("workingDir".to_owned(), json!(directory));
    }
    let env = environment(context, name, service)?;
    if !env.is_empty() {
        container.insert("env".to_owned(), Value::Array(env));
    }
    container.insert(
        "envFrom".to_owned(),
        json!([{ "secretRef": { "name": SECRETS, "optional": true } }]),
    );
    if !all_ports.is_empty() {
        container.insert(
            "ports".to_owned(),
            all_ports
                .iter()
                .map(|port| json!({ "containerPort": port.container, "protocol": port.protocol }))
                .collect(),
        );
    }
    if let Some(resources) = resources(context, name, service)? {
        container.insert("resources".to_owned(), resources);
    }
    if let Some(check) = service.get("healthcheck") {
        if let Some(probe) =
            health::probe(check).map_err(|message| failed("healthcheck", message))?
        {
            container.insert("readinessProbe".to_owned(), probe);
        } else if check["test"].is_null() && check["disable"].is_null() {
            context.warn(format!("{subject}: healthcheck"), "has no test; the image's own check is not known here, so it counts as ready once it listens");
        }
    } else if let Some(port) = well_known(&image).filter(|port| {
        all_ports
            .iter()
            .any(|known| known.container == *port && known.protocol == "TCP")
    }) {
        container.insert("readinessProbe".to_owned(), super::listening(port));
    }
    for (key, into) in [("stdin_open", "stdin"), ("tty", "tty")] {
        if is_true(service.get(key)) {
            container.insert(into.to_owned(), json!(true));
        }
    }
    match service.get("pull_policy").map(scalar).as_deref() {
        Some("always") => drop(container.insert("imagePullPolicy".to_owned(), json!("Always"))),
        Some("never") => drop(container.insert("imagePullPolicy".to_owned(), json!("Never"))),
        Some("missing" | "if_not_present") => {
            drop(container.insert("imagePullPolicy".to_owned(), json!("IfNotPresent")))
        }
        Some(other) if !matches!(other, "build") => context.warn(
            format!("{subject}: pull_policy"),
            format!("{other:?} has no counterpart in Kubernetes"),
        ),
        _ => {}
    }
    let security = security(context, name, service);
    if !security.is_empty() {
        container.insert("securityContext".to_owned(), Value::Object(security));
    }
    lifecycle(context, name, service, &mut container)?;

    let mut pod = pod(context, name, service)?;
    let mounts = volumes::mounts(context, name, &object, service, &image)?;
    if !mounts.mounts.is_empty() {
        container.insert("volumeMounts".to_owned(), Value::Array(mounts.mounts));
    }
    if !mounts.init.is_empty() {
        pod.insert("initContainers".to_owned(), Value::Array(mounts.init));
    }
    if !mounts.volumes.is_empty() {
        pod.insert("volumes".to_owned(), Value::Array(mounts.volumes));
    }
    secrets::settle(&mut container, &context.options.secrets);
    pod.insert("containers".to_owned(), json!([container]));

    let (pod_annotations, label) = labels(context, name, service);
    services(context, name, &object, service, &all_ports)?;
    all_ports.sort_by_key(|port| !port.is_published);
    let once = ends(context, name, service, &all_ports);
    if !once {
        let candidate = Candidate {
            service: object.clone(),
            label,
            ports: all_ports
                .iter()
                .filter(|port| port.protocol == "TCP")
                .map(|port| (port.container, port.is_published))
                .collect(),
            is_store: well_known(&image).is_some_and(is_no_web_port),
        };
        context.routes.push(candidate);
    }

    let own = json!({ "app": object, SERVICE_LABEL: dns_name(name, 63) });
    let mut annotations = Map::new();
    if let Some(after) = after(context, name, service)? {
        annotations.insert(AFTER.to_owned(), after.into());
    }
    let mut metadata = json!({ "name": object, "labels": own });
    let template = |mut pod: Map<String, Value>, restart: Option<&str>| {
        if let Some(restart) = restart {
            pod.insert("restartPolicy".to_owned(), json!(restart));
        }
        let mut metadata = json!({ "labels": own });
        if !pod_annotations.is_empty() {
            metadata["annotations"] = Value::Object(pod_annotations.clone());
        }
        json!({ "metadata": metadata, "spec": pod })
    };
    let workload = if once {
        annotations.insert(ONCE.to_owned(), object.clone().into());
        metadata["annotations"] = Value::Object(annotations);
        json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": { "backoffLimit": 3, "template": template(pod, Some("Never")) } })
    } else {
        if !annotations.is_empty() {
            metadata["annotations"] = Value::Object(annotations);
        }
        let mut spec = json!({
            "replicas": replicas(context, name, service)?,
            "selector": { "matchLabels": { "app": object } },
            "template": template(pod, None),
        });
        if mounts.has_claim {
            // A claim can be mounted by one node's pods only: the old pod goes before the new one comes.
            spec["strategy"] = json!({ "type": "Recreate" });
        }
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec })
    };
    Ok(vec![workload])
}

fn is_true(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::Bool(true))) || value.and_then(Value::as_str) == Some("true")
}

/// A command as words: a list as it is, a text split like a shell does. An empty one counts as
/// none, as Docker has it.
fn words(value: Option<&Value>) -> Result<Option<Vec<String>>, String> {
    let words = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(list)) => list.iter().map(scalar).collect(),
        Some(Value::Object(_)) => return Err("is no command".to_owned()),
        Some(text) => shell_words::split(&scalar(text))
            .map_err(|_| format!("{:?} has a quote without its end", scalar(text)))?,
    };
    Ok((!words.is_empty()).then_some(words))
}
