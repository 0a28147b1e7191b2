//! One service as a workload, and what others reach it by.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::interpolate::{Variables, dotenv};
use super::load::{OUTSIDE, scalar};
use super::ports::{Port, expose, is_no_web_port, port, well_known};
use super::route::Candidate;
use super::units::{bytes, cpus, quantity, seconds};
use super::{AFTER, Context, ONCE, SERVICE_LABEL, URL_LABEL, health, secrets, volumes};
use crate::folder::{join, parent};
use crate::rendered::{BuildSpec, RenderError, dns_name};

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
        _ => "is not translated",
    }
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
            context.warn(format!("{subject}: {key}"), reason(key));
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

/// Whether it is a program that ends: others wait for its end, or it is not to be started again and
/// offers nothing.
fn ends(context: &mut Context, name: &str, service: &Map<String, Value>, ports: &[Port]) -> bool {
    if context.ending.contains(name) {
        return true;
    }
    let restart = service.get("restart").map(scalar).unwrap_or_default();
    let is_final = matches!(&service.get("restart"), Some(Value::Bool(false)))
        || restart == "no"
        || restart.starts_with("on-failure");
    let has_command = service.contains_key("command") || service.contains_key("entrypoint");
    is_final && has_command && ports.is_empty()
}

fn is_true(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::Bool(true))) || value.and_then(Value::as_str) == Some("true")
}

/// The image, and the build that makes it.
fn image(
    context: &mut Context,
    name: &str,
    service: &Map<String, Value>,
) -> Result<String, RenderError> {
    let subject = format!("service {name}: build");
    let named = service
        .get("image")
        .map(scalar)
        .filter(|image| !image.trim().is_empty());
    let Some(build) = service.get("build").filter(|build| !build.is_null()) else {
        let named = named.ok_or_else(|| {
            RenderError::new(
                format!("service {name}"),
                "it has neither an image nor a build",
            )
        })?;
        if named.contains(char::is_whitespace) {
            return Err(RenderError::new(
                format!("service {name}: image"),
                format!("{named:?} is no name of an image"),
            ));
        }
        return Ok(named);
    };
    let text = |key: &str| build.get(key).map(scalar).filter(|text| !text.is_empty());
    let context_path = text("context").unwrap_or_else(|| ".".to_owned());
    if let Some(path) = context_path.strip_prefix(OUTSIDE) {
        return Err(RenderError::new(
            subject,
            format!("the context {path:?} leads out of the repository"),
        ));
    }
    if context_path.contains("://")
        || context_path.starts_with("git@")
        || context_path.starts_with("github.com/")
    {
        return Err(RenderError::new(
            subject,
            format!("the context {context_path:?} is another repository; only this one is built"),
        ));
    }
    let path = join("", &context_path)
        .map_err(|error| RenderError::new(subject.clone(), error.to_string()))?;
    let file = text("dockerfile").unwrap_or_else(|| "Dockerfile".to_owned());
    let dockerfile =
        join(&path, &file).map_err(|error| RenderError::new(subject.clone(), error.to_string()))?;
    let inline = text("dockerfile_inline");
    if inline.is_none() && !context.folder.has(&dockerfile) {
        let similar = context
            .folder
            .find(parent(&dockerfile), crate::folder::name(&dockerfile))
            .map(ToOwned::to_owned);
        match similar {
            Some(similar) => context.warn(
                subject.clone(),
                format!("{dockerfile} is spelt {similar} in the repository"),
            ),
            None => context.warn(
                subject.clone(),
                format!("the repository has no file {dockerfile}"),
            ),
        }
    }
    let mut args = BTreeMap::new();
    for (key, value) in build
        .get("args")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        match value {
            Value::Null => match context.project.variables.get(key) {
                Some(value) => drop(args.insert(key.clone(), value.clone())),
                None => context.warn(
                    format!("{subject}: args"),
                    format!("{key} is passed on from the machine's environment, and not set here"),
                ),
            },
            value => drop(args.insert(key.clone(), scalar(value))),
        }
    }
    for key in build.as_object().into_iter().flat_map(Map::keys) {
        let known = matches!(
            key.as_str(),
            "context" | "dockerfile" | "dockerfile_inline" | "args" | "target"
        );
        // What only makes builds faster or labels images loses nothing.
        let harmless = matches!(
            key.as_str(),
            "cache_from"
                | "cache_to"
                | "no_cache"
                | "pull"
                | "labels"
                | "tags"
                | "provenance"
                | "sbom"
        );
        if !known && !harmless && !key.starts_with("x-") {
            context.warn(format!("{subject}: {key}"), "is not translated");
        }
    }
    let build = dns_name(name, 40);
    let image = context.options.images.of(&build);
    context.builds.push(BuildSpec {
        name: build,
        source_ref: context.options.source_ref.clone(),
        path,
        dockerfile,
        dockerfile_inline: inline,
        target: text("target"),
        args,
        image: image.clone(),
    });
    Ok(image)
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

/// All ports that others reach.
fn ports(
    context: &mut Context,
    name: &str,
    service: &Map<String, Value>,
    image: &str,
) -> Result<Vec<Port>, RenderError> {
    let mut all: Vec<Port> = Vec::new();
    for (key, read) in [
        ("ports", port as fn(&Value) -> Result<Vec<Port>, String>),
        ("expose", expose),
    ] {
        for value in service
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let found = read(value)
                .map_err(|message| RenderError::new(format!("service {name}: {key}"), message))?;
            for port in found {
                if !all.iter().any(|known| {
                    known.container == port.container && known.protocol == port.protocol
                }) {
                    all.push(port);
                }
            }
        }
    }
    if let Some(known) = well_known(image)
        && all.is_empty()
    {
        all.push(Port {
            container: known,
            protocol: "TCP",
            published: None,
            is_published: false,
            app_protocol: None,
            name: None,
        });
    }
    if all.len() > 100 {
        context.warn(
            format!("service {name}: ports"),
            format!(
                "{} ports are more than a Service should have; the first 100 are kept",
                all.len()
            ),
        );
        all.truncate(100);
    }
    Ok(all)
}

/// The variables of the container: files first, then the service's own, then the environment's.
fn environment(
    context: &mut Context,
    name: &str,
    service: &Map<String, Value>,
) -> Result<Vec<Value>, RenderError> {
    let mut all = Variables::new();
    for file in service
        .get("env_file")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let path = file.get("path").unwrap_or(file);
        let subject = format!("service {name}: env_file");
        let shown = scalar(path);
        if let Some(path) = shown.strip_prefix(OUTSIDE) {
            return Err(RenderError::new(
                subject,
                format!("{path:?} leads out of the repository"),
            ));
        }
        let path = join("", &shown)
            .map_err(|error| RenderError::new(subject.clone(), error.to_string()))?;
        let required = file.get("required") != Some(&Value::Bool(false));
        match context.folder.text(&path) {
            Ok(text) if file.get("format").is_some_and(|format| format == "raw") => {
                all.extend(
                    text.lines()
                        .filter_map(|line| line.split_once('='))
                        .map(|(name, value)| (name.to_owned(), value.to_owned())),
                );
            }
            Ok(text) => all.extend(dotenv(text, &context.project.variables)),
            // A file that people keep out of the repository is no reason to show nothing.
            Err(
                error @ (crate::folder::FolderError::Missing(_)
                | crate::folder::FolderError::NotText(_)),
            ) => {
                if required {
                    context.warn(subject, format!("{error}; its variables are not set"));
                }
            }
            Err(error) => return Err(RenderError::new(subject, error.to_string())),
        }
    }
    for (key, value) in service
        .get("environment")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        match value {
            Value::Null => match context.project.variables.get(key) {
                Some(value) => drop(all.insert(key.clone(), value.clone())),
                None => {
                    all.remove(key);
                    context.warn(format!("service {name}: environment"), format!("{key} is passed on from the machine's environment, and not set here; give it a value, or make it a secret of the project"));
                }
            },
            Value::Array(_) | Value::Object(_) => {
                return Err(RenderError::new(
                    format!("service {name}: environment"),
                    format!("{key} is no text"),
                ));
            }
            value => drop(all.insert(key.clone(), scalar(value))),
        }
    }
    let over: BTreeSet<&str> = context
        .options
        .env
        .iter()
        .map(|variable| variable.name.as_str())
        .collect();
    let mut out: Vec<Value> = Vec::new();
    for (key, value) in all {
        if key.is_empty() || key.contains(['=', '\0']) {
            context.warn(
                format!("service {name}: environment"),
                format!("{key:?} is no name of a variable"),
            );
        } else if !over.contains(key.as_str()) {
            out.push(json!({ "name": key, "value": escape(&value) }));
        }
    }
    out.extend(
        context
            .options
            .env
            .iter()
            .map(|variable| serde_json::to_value(variable).unwrap_or_default()),
    );
    Ok(out)
}

fn resources(
    context: &mut Context,
    name: &str,
    service: &Map<String, Value>,
) -> Result<Option<Value>, RenderError> {
    let deploy = service.get("deploy").cloned().unwrap_or_default();
    for key in deploy.as_object().into_iter().flat_map(Map::keys) {
        match key.as_str() {
            "resources" | "replicas" | "labels" | "restart_policy" => {}
            "mode" if matches!(deploy["mode"].as_str(), Some("replicated")) => {}
            "mode" if matches!(deploy["mode"].as_str(), Some("replicated-job")) => {
                context.warn(format!("service {name}: deploy.mode"), "is not translated; let others depend on it with service_completed_successfully");
            }
            key if key.starts_with("x-") => {}
            key => context.warn(
                format!("service {name}: deploy.{key}"),
                "has no effect on a preview",
            ),
        }
    }
    let mut limits = Map::new();
    let mut requests = Map::new();
    let old = |key: &str| service.get(key).filter(|value| !value.is_null());
    let new = |kind: &str, key: &str| {
        Some(&deploy["resources"][kind][key]).filter(|value| !value.is_null())
    };
    for (into, memory, cpu) in [
        (
            &mut limits,
            new("limits", "memory").or_else(|| old("mem_limit")),
            new("limits", "cpus").or_else(|| old("cpus")),
        ),
        (
            &mut requests,
            new("reservations", "memory").or_else(|| old("mem_reservation")),
            new("reservations", "cpus"),
        ),
    ] {
        if let Some(memory) = memory {
            let amount = bytes(memory).ok_or_else(|| {
                RenderError::new(
                    format!("service {name}: memory"),
                    format!("{} is no size, such as 512m", scalar(memory)),
                )
            })?;
            if amount > 0 {
                into.insert("memory".to_owned(), quantity(amount).into());
            }
        }
        if let Some(cpu) = cpu {
            let text = scalar(cpu);
            match cpus(cpu) {
                Some(amount) => drop(into.insert("cpu".to_owned(), amount.into())),
                None if text == "0" || text == "0.0" => {}
                None => {
                    return Err(RenderError::new(
                        format!("service {name}: cpus"),
                        format!("{text} is no number of CPUs"),
                    ));
                }
            }
        }
    }
    for kind in ["limits", "reservations"] {
        for key in deploy["resources"][kind]
            .as_object()
            .into_iter()
            .flat_map(Map::keys)
        {
            if !matches!(key.as_str(), "memory" | "cpus") {
                context.warn(
                    format!("service {name}: deploy.resources.{kind}.{key}"),
                    reason(if key == "devices" {
                        "gpus"
                    } else {
                        "pids_limit"
                    }),
                );
            }
        }
    }
    let mut all = Map::new();
    if !limits.is_empty() {
        all.insert("limits".to_owned(), Value::Object(limits));
    }
    if !requests.is_empty() {
        all.insert("requests".to_owned(), Value::Object(requests));
    }
    Ok((!all.is_empty()).then_some(Value::Object(all)))
}

fn replicas(
    context: &Context,
    name: &str,
    service: &Map<String, Value>,
) -> Result<i64, RenderError> {
    if let Some(wanted) = context.options.replicas.get(name) {
        return Ok(*wanted);
    }
    let said = service
        .get("scale")
        .filter(|value| !value.is_null())
        .or_else(|| service.get("deploy")?.get("replicas"))
        .filter(|value| !value.is_null());
    match said {
        None => Ok(1),
        Some(value) => scalar(value)
            .parse::<i64>()
            .ok()
            .filter(|count| (0..=50).contains(count))
            .ok_or_else(|| {
                RenderError::new(
                    format!("service {name}: replicas"),
                    format!("{} is no number from 0 to 50", scalar(value)),
                )
            }),
    }
}

/// What a container may do. Rights that a preview does not get are taken over as they stand, so
/// that the validator refuses them by name.
fn security(context: &mut Context, name: &str, service: &Map<String, Value>) -> Map<String, Value> {
    let mut all = Map::new();
    if is_true(service.get("privileged")) {
        all.insert("privileged".to_owned(), json!(true));
    }
    if is_true(service.get("read_only")) {
        all.insert("readOnlyRootFilesystem".to_owned(), json!(true));
    }
    let mut capabilities = Map::new();
    for (key, into) in [("cap_add", "add"), ("cap_drop", "drop")] {
        let list: Vec<String> = service
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|value| {
                let name = scalar(value).to_ascii_uppercase();
                name.strip_prefix("CAP_").unwrap_or(&name).to_owned()
            })
            .collect();
        if !list.is_empty() {
            capabilities.insert(into.to_owned(), json!(list));
        }
    }
    if !capabilities.is_empty() {
        all.insert("capabilities".to_owned(), Value::Object(capabilities));
    }
    if let Some(user) = service
        .get("user")
        .map(scalar)
        .filter(|user| !user.is_empty())
    {
        let (uid, gid) = user
            .split_once(':')
            .map_or((user.as_str(), None), |(uid, gid)| (uid, Some(gid)));
        match (uid.parse::<i64>(), gid.map(str::parse::<i64>).transpose()) {
            (Ok(uid), Ok(gid)) => {
                all.insert("runAsUser".to_owned(), json!(uid));
                if let Some(gid) = gid {
                    all.insert("runAsGroup".to_owned(), json!(gid));
                }
            }
            _ if uid == "root" => {
                all.insert("runAsUser".to_owned(), json!(0));
            }
            _ => context.warn(format!("service {name}: user"), format!("{user:?} is a name; Kubernetes knows numbers only, so the image's own user is kept")),
        }
    }
    for option in service
        .get("security_opt")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(scalar)
    {
        let option = option.replacen('=', ":", 1);
        match option.as_str() {
            "no-new-privileges" | "no-new-privileges:true" => {
                drop(all.insert("allowPrivilegeEscalation".to_owned(), json!(false)))
            }
            "no-new-privileges:false" => {}
            "seccomp:unconfined" => {
                drop(all.insert("seccompProfile".to_owned(), json!({ "type": "Unconfined" })))
            }
            "apparmor:unconfined" => drop(all.insert(
                "appArmorProfile".to_owned(),
                json!({ "type": "Unconfined" }),
            )),
            other => context.warn(
                format!("service {name}: security_opt"),
                format!("{other:?} is not translated"),
            ),
        }
    }
    all
}

fn lifecycle(
    context: &mut Context,
    name: &str,
    service: &Map<String, Value>,
    container: &mut Map<String, Value>,
) -> Result<(), RenderError> {
    let mut all = Map::new();
    for (key, into) in [("post_start", "postStart"), ("pre_stop", "preStop")] {
        let Some(hooks) = service.get(key).and_then(Value::as_array) else {
            continue;
        };
        let mut commands = Vec::new();
        for hook in hooks {
            if let Some(words) = words(hook.get("command"))
                .map_err(|message| RenderError::new(format!("service {name}: {key}"), message))?
            {
                commands.push(words);
            }
            if hook.get("user").is_some() || hook.get("privileged").is_some() {
                context.warn(
                    format!("service {name}: {key}"),
                    "is run as the container's own user",
                );
            }
        }
        if let Some(first) = commands.first() {
            if commands.len() > 1 {
                context.warn(
                    format!("service {name}: {key}"),
                    "only the first command is kept: Kubernetes has one hook a container",
                );
            }
            let words: Vec<_> = first.iter().map(|word| escape(word)).collect();
            all.insert(into.to_owned(), json!({ "exec": { "command": words } }));
        }
    }
    if !all.is_empty() {
        container.insert("lifecycle".to_owned(), Value::Object(all));
    }
    Ok(())
}

/// What is set for the whole pod.
fn pod(
    context: &mut Context,
    name: &str,
    service: &Map<String, Value>,
) -> Result<Map<String, Value>, RenderError> {
    let mut all = Map::new();
    let text = |key: &str| service.get(key).map(scalar).filter(|text| !text.is_empty());
    match text("network_mode").as_deref() {
        Some("host") => drop(all.insert("hostNetwork".to_owned(), json!(true))),
        None | Some("bridge" | "default") => {}
        Some(other) => context.warn(
            format!("service {name}: network_mode"),
            format!("{other:?} has no counterpart; the pod is in the preview's network"),
        ),
    }
    match text("pid").as_deref() {
        Some("host") => drop(all.insert("hostPID".to_owned(), json!(true))),
        None => {}
        Some(other) => context.warn(
            format!("service {name}: pid"),
            format!("{other:?} has no counterpart"),
        ),
    }
    match text("ipc").as_deref() {
        Some("host") => drop(all.insert("hostIPC".to_owned(), json!(true))),
        None | Some("shareable" | "private" | "none") => {}
        Some(other) => context.warn(
            format!("service {name}: ipc"),
            format!("{other:?} has no counterpart"),
        ),
    }
    if text("userns_mode").is_some() {
        context.warn(
            format!("service {name}: userns_mode"),
            "has no effect: the cluster decides about user namespaces",
        );
    }
    if is_true(service.get("init")) {
        // The pause container then is process 1 and takes care of orphans, as Docker's init does.
        all.insert("shareProcessNamespace".to_owned(), json!(true));
    }
    let grace = match service
        .get("stop_grace_period")
        .filter(|value| !value.is_null())
    {
        None => GRACE,
        Some(value) => seconds(value)
            .ok_or_else(|| {
                RenderError::new(
                    format!("service {name}: stop_grace_period"),
                    format!("{} is no duration", scalar(value)),
                )
            })?
            .min(300),
    };
    all.insert("terminationGracePeriodSeconds".to_owned(), json!(grace));
    if let Some(hostname) = text("hostname") {
        let plain = dns_name(&hostname, 63);
        if plain != hostname {
            context.warn(
                format!("service {name}: hostname"),
                format!("{hostname:?} is written {plain:?} in Kubernetes"),
            );
        }
        if !plain.is_empty() {
            all.insert("hostname".to_owned(), json!(plain));
        }
    }
    let mut aliases: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let hosts: Vec<(String, String)> = match service.get("extra_hosts") {
        Some(Value::Array(list)) => list
            .iter()
            .map(scalar)
            .filter_map(|text| {
                text.split_once(['=', ':'])
                    .map(|(host, ip)| (host.to_owned(), ip.to_owned()))
            })
            .collect(),
        Some(Value::Object(map)) => map
            .iter()
            .map(|(host, ip)| (host.clone(), scalar(ip)))
            .collect(),
        _ => Vec::new(),
    };
    for (host, ip) in hosts {
        let ip = ip.trim().trim_matches(['[', ']']).to_owned();
        if ip.parse::<std::net::IpAddr>().is_ok() {
            aliases.entry(ip).or_default().push(host.trim().to_owned());
        } else {
            context.warn(format!("service {name}: extra_hosts"), format!("{host} stands for {ip}, which is no address; a preview does not reach the machine that it runs on"));
        }
    }
    if !aliases.is_empty() {
        all.insert(
            "hostAliases".to_owned(),
            aliases
                .into_iter()
                .map(|(ip, hosts)| json!({ "ip": ip, "hostnames": hosts }))
                .collect(),
        );
    }
    let mut security = Map::new();
    let groups: Vec<Result<i64, String>> = service
        .get("group_add")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|group| scalar(group).parse().map_err(|_| scalar(group)))
        .collect();
    let mut numbers = Vec::new();
    for group in groups {
        match group {
            Ok(number) => numbers.push(number),
            Err(group) => context.warn(
                format!("service {name}: group_add"),
                format!("{group:?} is a name; Kubernetes knows numbers only"),
            ),
        }
    }
    if !numbers.is_empty() {
        security.insert("supplementalGroups".to_owned(), json!(numbers));
    }
    let sysctls: Vec<Value> = service
        .get("sysctls")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| json!({ "name": name, "value": scalar(value) }))
        .collect();
    if !sysctls.is_empty() {
        security.insert("sysctls".to_owned(), Value::Array(sysctls));
    }
    if !security.is_empty() {
        all.insert("securityContext".to_owned(), Value::Object(security));
    }
    for key in ["dns", "dns_search", "dns_opt"] {
        if service.contains_key(key) {
            context.warn(
                format!("service {name}: {key}"),
                "has no effect: names are resolved by the cluster, which knows the other services",
            );
        }
    }
    Ok(all)
}

/// Labels are notes for tools that read them off containers: annotations of the pod. The label that
/// names the URL's service is taken out.
fn labels(
    context: &mut Context,
    name: &str,
    service: &Map<String, Value>,
) -> (Map<String, Value>, Option<String>) {
    let mut all = Map::new();
    let mut url = None;
    let deploy = service
        .get("deploy")
        .and_then(|deploy| deploy.get("labels"));
    for (key, value) in [service.get("labels"), service.get("annotations"), deploy]
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .flatten()
    {
        let text = scalar(value);
        if key == URL_LABEL {
            url = Some(text);
            continue;
        }
        let name_part = key.rsplit('/').next().unwrap_or_default();
        let plain = |text: &str, extra: &[u8]| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || extra.contains(&b))
                && text.starts_with(|c: char| c.is_ascii_alphanumeric())
                && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        };
        let prefix_ok = key.rsplit_once('/').is_none_or(|(prefix, _)| {
            plain(prefix, b"-.")
                && prefix.len() <= 253
                && !prefix.ends_with("catalyst.dev")
                && !prefix.contains("kubernetes.io")
                && !prefix.contains("k8s.io")
        });
        if plain(name_part, b"-_.")
            && name_part.len() <= 63
            && key.matches('/').count() <= 1
            && prefix_ok
        {
            all.insert(key.clone(), text.into());
        } else {
            context.warn(
                format!("service {name}: labels"),
                format!("{key:?} cannot be a name of an annotation in Kubernetes"),
            );
        }
    }
    (all, url)
}

/// The Service of its name, and one for each further name that it goes by.
fn services(
    context: &mut Context,
    name: &str,
    object: &str,
    service: &Map<String, Value>,
    ports: &[Port],
) -> Result<(), RenderError> {
    let mut names: BTreeSet<String> = [object.to_owned()].into();
    let mut further: Vec<(String, String)> = Vec::new();
    for network in service
        .get("networks")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|map| map.values())
    {
        for alias in network["aliases"].as_array().into_iter().flatten() {
            further.push(("networks".to_owned(), scalar(alias)));
        }
        for key in network.as_object().into_iter().flat_map(Map::keys) {
            if !matches!(key.as_str(), "aliases") && !key.starts_with("x-") {
                context.warn(
                    format!("service {name}: networks"),
                    format!("{key} has no effect in Kubernetes"),
                );
            }
        }
    }
    if let Some(container) = service.get("container_name").map(scalar) {
        further.push(("container_name".to_owned(), container));
    }
    // What others call it in their links.
    for (other, theirs) in &context.project.services {
        let links = theirs
            .get("links")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        for link in links.iter().map(scalar) {
            if let Some((target, alias)) = link.split_once(':')
                && target == name
                && other != name
            {
                further.push(("links".to_owned(), alias.to_owned()));
            }
        }
    }
    for (key, alias) in further {
        let plain = dns_name(&alias, 63);
        if plain.is_empty() {
            continue;
        }
        if plain != alias.to_ascii_lowercase() {
            context.warn(
                format!("service {name}: {key}"),
                format!("the name {alias:?} cannot be reached in Kubernetes; use {plain:?}"),
            );
        }
        let taken = context
            .project
            .services
            .keys()
            .any(|other| other != name && dns_name(other, 63) == plain);
        let made = context
            .objects
            .iter()
            .any(|known| known["kind"] == "Service" && known["metadata"]["name"] == plain.as_str());
        if taken || made {
            context.warn(
                format!("service {name}: {key}"),
                format!("the name {alias:?} belongs to another service already"),
            );
        } else {
            names.insert(plain);
        }
    }
    for own in names {
        let mut spec = json!({ "selector": { "app": object } });
        if ports.is_empty() {
            // Without ports a Service is a name for the pods themselves, all ports of them.
            spec["clusterIP"] = json!("None");
        } else {
            spec["ports"] = ports
                .iter()
                .map(|port| {
                    let end = if port.protocol == "TCP" { String::new() } else { format!("-{}", port.protocol.to_ascii_lowercase()) };
                    let mut value = json!({ "name": format!("port-{}{end}", port.container), "port": port.container, "targetPort": port.container, "protocol": port.protocol });
                    if let Some(protocol) = &port.app_protocol {
                        value["appProtocol"] = json!(protocol);
                    }
                    value
                })
                .collect();
        }
        context.objects.push(json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": own, "labels": { "app": object, SERVICE_LABEL: dns_name(name, 63) } },
            "spec": spec
        }));
    }
    Ok(())
}

/// What has to be up before it, as an annotation says it.
fn after(
    context: &mut Context,
    name: &str,
    service: &Map<String, Value>,
) -> Result<Option<String>, RenderError> {
    let mut all = Vec::new();
    for (other, how) in service
        .get("depends_on")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        if !context.project.services.contains_key(other) {
            if how["required"] != false {
                return Err(RenderError::new(
                    format!("service {name}: depends_on"),
                    format!("there is no service {other:?}"),
                ));
            }
            continue;
        }
        let object = dns_name(other, 63);
        match how["condition"].as_str() {
            Some("service_healthy") => all.push(format!("{object}=ready")),
            Some("service_completed_successfully") => all.push(format!("{object}=complete")),
            // Started is enough, and that is what Kubernetes does by itself.
            Some("service_started") | None => {}
            Some(condition) => {
                return Err(RenderError::new(
                    format!("service {name}: depends_on"),
                    format!("{condition:?} is no condition"),
                ));
            }
        }
        if circular(context, name, other) {
            return Err(RenderError::new(
                format!("service {name}: depends_on"),
                format!("{other} depends on {name} in turn"),
            ));
        }
    }
    Ok((!all.is_empty()).then(|| all.join(",")))
}

fn circular(context: &Context, name: &str, from: &str) -> bool {
    let mut open = vec![from];
    let mut seen = BTreeSet::new();
    while let Some(next) = open.pop() {
        if next == name {
            return true;
        }
        if seen.insert(next)
            && let Some(depends) = context
                .project
                .services
                .get(next)
                .and_then(|service| service.get("depends_on")?.as_object())
        {
            open.extend(depends.keys().map(String::as_str));
        }
    }
    false
}
