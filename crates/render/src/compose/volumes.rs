//! Volumes, configs and secrets.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::load::{OUTSIDE, scalar};
use super::units::{bytes, quantity};
use super::{Context, SERVICE_LABEL};
use crate::folder::{Entry, join, name as last};
use crate::rendered::{RenderError, digest, dns_name};

/// The volume that holds the checkout.
pub const CODE: &str = "code";
/// What a claim asks for, where nothing is said.
const SIZE: &str = "1Gi";
/// Files and bytes of a folder that is mounted as a ConfigMap.
const MAX_FILES: usize = 30;
const MAX_BYTES: usize = 512 * 1024;

/// What a container mounts.
#[derive(Default)]
pub(super) struct Mounts {
    pub mounts: Vec<Value>,
    pub volumes: Vec<Value>,
    pub init: Vec<Value>,
    pub has_claim: bool,
}

/// One entry of `volumes` in its long form.
struct Wanted {
    kind: String,
    source: String,
    target: String,
    read_only: bool,
    subpath: Option<String>,
    size: Option<u64>,
}

pub(super) fn mounts(
    context: &mut Context,
    name: &str,
    object: &str,
    service: &Map<String, Value>,
    image: &str,
) -> Result<Mounts, RenderError> {
    let mut all = Mounts::default();
    let mut entries = Vec::new();
    for value in service
        .get("volumes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        entries.push(entry(context, name, value)?);
    }
    for value in service
        .get("tmpfs")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(scalar)
    {
        let target = value.split(':').next().unwrap_or_default().to_owned();
        entries.push(Wanted {
            kind: "tmpfs".to_owned(),
            source: String::new(),
            target,
            read_only: false,
            subpath: None,
            size: None,
        });
    }
    if let Some(size) = service.get("shm_size") {
        let size = bytes(size).ok_or_else(|| {
            RenderError::new(
                format!("service {name}: shm_size"),
                format!("{} is no size", scalar(size)),
            )
        })?;
        entries.push(Wanted {
            kind: "tmpfs".to_owned(),
            source: String::new(),
            target: "/dev/shm".to_owned(),
            read_only: false,
            subpath: None,
            size: Some(size),
        });
    }
    for device in service
        .get("devices")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let path = device.get("source").map_or_else(|| scalar(device), scalar);
        let path = path.split(':').next().unwrap_or_default().to_owned();
        host_path(&mut all, &path, &path, false);
    }
    let sources: Vec<String> = entries
        .iter()
        .filter(|entry| entry.kind == "bind")
        .map(|entry| entry.target.clone())
        .collect();
    for entry in entries {
        if !entry.target.starts_with('/') {
            return Err(RenderError::new(
                format!("service {name}: volumes"),
                format!("{:?} is no absolute path in the container", entry.target),
            ));
        }
        match entry.kind.as_str() {
            "tmpfs" => {
                let mut empty = json!({ "medium": "Memory" });
                if let Some(size) = entry.size {
                    empty["sizeLimit"] = json!(quantity(size));
                }
                add(
                    &mut all,
                    &entry.target,
                    false,
                    None,
                    json!({ "emptyDir": empty }),
                );
            }
            "volume" if entry.source.is_empty() => {
                let volume = add(
                    &mut all,
                    &entry.target,
                    false,
                    None,
                    json!({ "emptyDir": {} }),
                );
                // Docker fills a new volume with what the image has there, and a folder of the
                // checkout would hide it: node_modules below the source is the usual case.
                if sources.iter().any(|source| {
                    entry
                        .target
                        .starts_with(&format!("{}/", source.trim_end_matches('/')))
                }) {
                    fill(&mut all, &volume, &entry.target, image);
                }
            }
            "volume" => named(context, name, &mut all, &entry),
            "bind" => bind(context, name, object, &mut all, &entry)?,
            other => context.warn(
                format!("service {name}: volumes"),
                format!(
                    "{} is a volume of type {other}, which has no counterpart",
                    entry.target
                ),
            ),
        }
    }
    files(context, name, service, &mut all)?;
    Ok(all)
}

/// A volume of the pod with a mount.
fn add(
    all: &mut Mounts,
    target: &str,
    read_only: bool,
    sub_path: Option<&str>,
    volume: Value,
) -> String {
    let same = all.volumes.iter().find(|known| {
        let mut known = (*known).clone();
        known.as_object_mut().map(|map| map.remove("name"));
        known == volume && volume.get("emptyDir").is_none()
    });
    let volume_name = match same {
        Some(known) => scalar(&known["name"]),
        None => {
            let name = format!("volume-{}", all.volumes.len());
            let mut volume = volume;
            volume["name"] = json!(name);
            all.volumes.push(volume);
            name
        }
    };
    mount(all, &volume_name, target, read_only, sub_path);
    volume_name
}

fn mount(all: &mut Mounts, volume: &str, target: &str, read_only: bool, sub_path: Option<&str>) {
    let target = if target.len() > 1 {
        target.trim_end_matches('/')
    } else {
        target
    };
    // The last of two mounts at one place is the one that counts.
    all.mounts.retain(|known| known["mountPath"] != target);
    let mut mount = json!({ "name": volume, "mountPath": target });
    if read_only {
        mount["readOnly"] = json!(true);
    }
    if let Some(path) = sub_path {
        mount["subPath"] = json!(path);
    }
    all.mounts.push(mount);
}

fn fill(all: &mut Mounts, volume: &str, target: &str, image: &str) {
    let place = "/catalyst/volume";
    all.init.push(json!({
        "name": format!("fill-{volume}"),
        "image": image,
        "command": ["sh", "-c", "if [ -d \"$1\" ]; then cp -a \"$1/.\" \"$2/\"; fi", "sh", target, place],
        "volumeMounts": [{ "name": volume, "mountPath": place }],
    }));
}

fn host_path(all: &mut Mounts, path: &str, target: &str, read_only: bool) {
    add(
        all,
        target,
        read_only,
        None,
        json!({ "hostPath": { "path": path } }),
    );
}

fn entry(context: &mut Context, name: &str, value: &Value) -> Result<Wanted, RenderError> {
    let subject = format!("service {name}: volumes");
    if let Value::Object(map) = value {
        let text = |key: &str| map.get(key).map(scalar).unwrap_or_default();
        for key in map.keys() {
            let known = matches!(
                key.as_str(),
                "type"
                    | "source"
                    | "target"
                    | "read_only"
                    | "volume"
                    | "tmpfs"
                    | "bind"
                    | "consistency"
            );
            if !known && !key.starts_with("x-") {
                context.warn(
                    subject.clone(),
                    format!("{key} of {} is not translated", text("target")),
                );
            }
        }
        let kind = map.get("type").map_or_else(|| "volume".to_owned(), scalar);
        return Ok(Wanted {
            kind,
            source: text("source"),
            target: text("target"),
            read_only: map.get("read_only") == Some(&Value::Bool(true)),
            subpath: map
                .get("volume")
                .and_then(|volume| volume.get("subpath"))
                .map(scalar),
            size: map
                .get("tmpfs")
                .and_then(|tmpfs| tmpfs.get("size"))
                .and_then(bytes),
        });
    }
    let text = scalar(value);
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, mode) = match parts[..] {
        [target] => ("", target, ""),
        [source, target]
            if matches!(target, "ro" | "rw" | "z" | "Z") && source.starts_with('/') =>
        {
            ("", source, target)
        }
        [source, target] => (source, target, ""),
        [source, target, mode] => (source, target, mode),
        _ => {
            return Err(RenderError::new(
                subject,
                format!("{text:?} is no volume, as in name:/path or ./folder:/path"),
            ));
        }
    };
    let is_path = source.starts_with(['.', '/', '~']) || source.starts_with(OUTSIDE);
    Ok(Wanted {
        kind: if is_path { "bind" } else { "volume" }.to_owned(),
        source: source.to_owned(),
        target: target.to_owned(),
        read_only: mode.split(',').any(|option| option == "ro"),
        subpath: None,
        size: None,
    })
}

fn named(context: &mut Context, service: &str, all: &mut Mounts, entry: &Wanted) {
    let top = context.project.volumes.get(&entry.source).cloned();
    if top.is_none() && !context.claims.contains_key(&dns_name(&entry.source, 63)) {
        context.warn(
            format!("service {service}: volumes"),
            format!(
                "{:?} is not among the file's volumes; a new one is made",
                entry.source
            ),
        );
    }
    let top = top.unwrap_or_default();
    if top["driver_opts"]["type"] == "tmpfs" {
        add(
            all,
            &entry.target,
            entry.read_only,
            None,
            json!({ "emptyDir": { "medium": "Memory" } }),
        );
        return;
    }
    let claim = dns_name(&entry.source, 63);
    *context.claims.entry(claim.clone()).or_default() += 1;
    all.has_claim = true;
    add(
        all,
        &entry.target,
        entry.read_only,
        entry.subpath.as_deref(),
        json!({ "persistentVolumeClaim": { "claimName": claim } }),
    );
}

/// Folders of the machine that are given to containers so that they show its time.
const HARMLESS: &[&str] = &[
    "/etc/localtime",
    "/etc/timezone",
    "/usr/share/zoneinfo",
    "/etc/hosts",
    "/etc/resolv.conf",
];
/// Places of a machine that nobody mounts by accident.
const NODE: &[&str] = &[
    "/", "/etc", "/var/run", "/run", "/proc", "/sys", "/dev", "/boot", "/var/lib", "/usr", "/root",
    "/lib", "/bin", "/sbin", "/var/log",
];

fn bind(
    context: &mut Context,
    service: &str,
    object: &str,
    all: &mut Mounts,
    entry: &Wanted,
) -> Result<(), RenderError> {
    let subject = format!("service {service}: volumes");
    let source = entry.source.as_str();
    if HARMLESS.contains(&source) {
        context.warn(
            subject,
            format!("{source} of the machine is not mounted; the cluster sets it itself"),
        );
        return Ok(());
    }
    if source.starts_with(OUTSIDE) || source.starts_with("/outside/") {
        let path = source
            .trim_start_matches(OUTSIDE)
            .trim_start_matches("/outside/");
        context.warn(
            subject,
            format!(
                "{path:?} leads out of the repository; {} is empty here",
                entry.target
            ),
        );
        add(all, &entry.target, false, None, json!({ "emptyDir": {} }));
        return Ok(());
    }
    if source.starts_with('/') {
        let node = NODE.iter().any(|place| {
            source == *place || (*place != "/" && source.starts_with(&format!("{place}/")))
        });
        if node {
            // The validator refuses it, and says so.
            host_path(all, source, &entry.target, entry.read_only);
            return Ok(());
        }
    }
    if source.starts_with(['/', '~']) {
        context.warn(
            subject,
            format!(
                "{source} is a folder of the machine; {} is empty here",
                entry.target
            ),
        );
        add(all, &entry.target, false, None, json!({ "emptyDir": {} }));
        return Ok(());
    }
    let path =
        join("", source).map_err(|error| RenderError::new(subject.clone(), error.to_string()))?;
    if context.folder.has(&path) {
        if let Some(text) = context.folder.get(&path) {
            let text = text.to_owned();
            let file = last(&path).to_owned();
            config_map(context, object, all, &entry.target, &[(file, text)], true);
        } else {
            checkout(all, &entry.target, entry.read_only, &path);
        }
        return Ok(());
    }
    if context.folder.is_directory(&path) {
        // A folder of a few texts that is only read is mounted as it stands; any other is the
        // checkout's.
        let looks_read = entry.read_only
            || entry.target.starts_with("/etc/")
            || entry.target.contains("initdb")
            || entry.target.starts_with("/config");
        let files: Option<Vec<(String, String)>> = context
            .folder
            .below(&path)
            .map(|(file, entry)| {
                let name = file.strip_prefix(path.as_str())?.trim_start_matches('/');
                match entry {
                    Entry::Text(text) if !name.contains('/') => {
                        Some((name.to_owned(), text.clone()))
                    }
                    _ => None,
                }
            })
            .collect();
        if let Some(files) = files.filter(|files| {
            looks_read
                && files.len() <= MAX_FILES
                && files.iter().map(|(_, text)| text.len()).sum::<usize>() <= MAX_BYTES
        }) {
            config_map(context, object, all, &entry.target, &files, false);
        } else {
            checkout(all, &entry.target, entry.read_only, &path);
        }
        return Ok(());
    }
    // Docker makes the folder; what is written there is kept.
    let claim = dns_name(&format!("bind-{path}"), 63);
    context.warn(
        subject,
        format!(
            "the repository has nothing at {path}; {} is an empty volume that is kept",
            entry.target
        ),
    );
    *context.claims.entry(claim.clone()).or_default() += 1;
    all.has_claim = true;
    add(
        all,
        &entry.target,
        entry.read_only,
        None,
        json!({ "persistentVolumeClaim": { "claimName": claim } }),
    );
    Ok(())
}

fn checkout(all: &mut Mounts, target: &str, read_only: bool, path: &str) {
    if !all.volumes.iter().any(|volume| volume["name"] == CODE) {
        all.volumes.push(json!({ "name": CODE, "emptyDir": {} }));
    }
    mount(
        all,
        CODE,
        target,
        read_only,
        (!path.is_empty()).then_some(path),
    );
}

/// A ConfigMap of these files; a single one is mounted by itself.
fn config_map(
    context: &mut Context,
    object: &str,
    all: &mut Mounts,
    target: &str,
    files: &[(String, String)],
    single: bool,
) {
    let data: BTreeMap<String, String> = files
        .iter()
        .map(|(name, text)| (key(name), text.clone()))
        .collect();
    let name = format!(
        "{}-{}",
        dns_name(&format!("{object}-files"), 50),
        digest(&(target, &data))
    );
    let runs = files
        .iter()
        .any(|(name, text)| text.starts_with("#!") || name.ends_with(".sh"));
    let volume =
        json!({ "configMap": { "name": name, "defaultMode": if runs { 0o755 } else { 0o644 } } });
    let sub_path = single.then(|| data.keys().next().cloned()).flatten();
    add(all, target, true, sub_path.as_deref(), volume);
    context.objects.push(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": name, "labels": { "app": object, SERVICE_LABEL: object } },
        "data": data
    }));
}

/// A file's name as a key of a ConfigMap.
fn key(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') {
                c
            } else {
                '-'
            }
        })
        .collect();
    if matches!(plain.as_str(), "" | "." | "..") {
        "file".to_owned()
    } else {
        plain
    }
}

/// Configs and secrets, each a file in the container.
fn files(
    context: &mut Context,
    service: &str,
    definition: &Map<String, Value>,
    all: &mut Mounts,
) -> Result<(), RenderError> {
    for kind in ["configs", "secrets"] {
        for value in definition
            .get(kind)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let subject = format!("service {service}: {kind}");
            let source = value.get("source").map_or_else(|| scalar(value), scalar);
            let top = if kind == "configs" {
                context.project.configs.get(&source)
            } else {
                context.project.secrets.get(&source)
            };
            let Some(top) = top.cloned() else {
                return Err(RenderError::new(
                    subject,
                    format!("{source:?} is not among the file's {kind}"),
                ));
            };
            let target = value
                .get("target")
                .map(scalar)
                .filter(|target| !target.is_empty());
            let target = match (kind, target) {
                ("secrets", None) => format!("/run/secrets/{source}"),
                ("secrets", Some(target)) if !target.starts_with('/') => {
                    format!("/run/secrets/{target}")
                }
                (_, None) => format!("/{source}"),
                (_, Some(target)) if !target.starts_with('/') => format!("/{target}"),
                (_, Some(target)) => target,
            };
            let mode = value.get("mode").map(scalar).and_then(|mode| {
                let octal = mode.trim_start_matches("0o");
                if mode.starts_with('0') {
                    u32::from_str_radix(octal, 8).ok()
                } else {
                    mode.parse().ok()
                }
            });
            for key in ["uid", "gid"] {
                if value.get(key).is_some() {
                    context.warn(subject.clone(), format!("{key} of {source} is not kept: files of a preview belong to root and can be read by all"));
                }
            }
            let text = content(context, &subject, &source, &top)?;
            let base = dns_name(&format!("{kind}-{source}"), 50);
            let object = match &text {
                // Another content is another object, so that what mounts it is started anew.
                Content::Text(text) => format!("{base}-{}", digest(text.as_str())),
                Content::Outside(_) => base,
            };
            let mut volume = match (kind, text) {
                (_, Content::Outside(entry)) => {
                    json!({ "secret": { "secretName": super::service::SECRETS, "optional": true, "items": [{ "key": entry, "path": key(&source) }] } })
                }
                (kind, Content::Text(text)) => {
                    let (api_kind, field) = if kind == "configs" {
                        ("ConfigMap", "data")
                    } else {
                        ("Secret", "stringData")
                    };
                    if !context.objects.iter().any(|known| {
                        known["kind"] == api_kind && known["metadata"]["name"] == object.as_str()
                    }) {
                        let mut made = json!({ "apiVersion": "v1", "kind": api_kind, "metadata": { "name": object } });
                        made[field] = json!({ key(&source): text });
                        context.objects.push(made);
                    }
                    if kind == "configs" {
                        json!({ "configMap": { "name": object } })
                    } else {
                        json!({ "secret": { "secretName": object } })
                    }
                }
            };
            if let Some(mode) = mode {
                for field in ["configMap", "secret"] {
                    if volume.get(field).is_some() {
                        volume[field]["defaultMode"] = json!(mode & 0o777);
                    }
                }
            }
            add(all, &target, true, Some(&key(&source)), volume);
        }
    }
    Ok(())
}

enum Content {
    Text(String),
    /// In the environment's secrets, by this key.
    Outside(String),
}

fn content(
    context: &mut Context,
    subject: &str,
    source: &str,
    top: &Value,
) -> Result<Content, RenderError> {
    if let Some(path) = top.get("file").map(scalar) {
        if let Some(path) = path.strip_prefix(OUTSIDE) {
            return Err(RenderError::new(
                subject,
                format!("{path:?} leads out of the repository"),
            ));
        }
        let path = join("", &path).map_err(|error| RenderError::new(subject, error.to_string()))?;
        match context.folder.text(&path) {
            Ok(text) => return Ok(Content::Text(text.to_owned())),
            // Secrets are kept out of repositories.
            Err(crate::folder::FolderError::Missing(_)) => {}
            Err(error) => return Err(RenderError::new(subject, error.to_string())),
        }
    } else if let Some(text) = top.get("content").map(scalar) {
        return Ok(Content::Text(text));
    } else if let Some(variable) = top.get("environment").map(scalar) {
        if let Some(value) = context.project.variables.get(&variable) {
            return Ok(Content::Text(value.clone()));
        }
        context.warn(subject, format!("{source} is taken from the secret {variable} of the project; it is not there unless that is set"));
        return Ok(Content::Outside(variable));
    }
    let key: String = source
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect();
    let why = if top.get("external").is_some() {
        "is external"
    } else {
        "is not in the repository"
    };
    context.warn(subject, format!("{source} {why}; it is taken from the secret {key} of the project, and is not there unless that is set"));
    Ok(Content::Outside(key))
}

/// The claims of all services.
pub(super) fn claims(context: &mut Context) {
    for (claim, count) in std::mem::take(&mut context.claims) {
        let top = context
            .project
            .volumes
            .iter()
            .find(|(name, _)| dns_name(name, 63) == claim)
            .map(|(name, top)| (name.clone(), top.clone()));
        let mut size = SIZE.to_owned();
        if let Some((name, top)) = top {
            if top["external"] == true || top["external"].is_object() {
                context.warn(
                    format!("volume {name}"),
                    "is external; a preview gets a new, empty one",
                );
            }
            for key in top.as_object().into_iter().flat_map(Map::keys) {
                match key.as_str() {
                    "external" | "name" | "labels" => {}
                    "driver" if top["driver"] == "local" => {}
                    "driver_opts" if top["driver_opts"].get("size").is_some() => {
                        if let Some(wanted) =
                            bytes(&top["driver_opts"]["size"]).filter(|bytes| *bytes > 0)
                        {
                            size = quantity(wanted);
                        }
                    }
                    "x-size" | "x-catalyst-size" => size = scalar(&top[key.as_str()]),
                    key if key.starts_with("x-") => {}
                    key => context.warn(
                        format!("volume {name}: {key}"),
                        "has no effect: the cluster's default storage is used",
                    ),
                }
            }
        }
        if count > 1 {
            context.warn(format!("volume {claim}"), format!("is mounted by {count} services, which only works where the cluster runs them on one node or has shared storage"));
        }
        context.objects.insert(0, json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": { "name": claim },
            "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": size } } }
        }));
    }
    let used: Vec<String> = context
        .objects
        .iter()
        .filter(|object| object["kind"] == "PersistentVolumeClaim")
        .map(|object| scalar(&object["metadata"]["name"]))
        .collect();
    let unused: Vec<String> = context
        .project
        .volumes
        .iter()
        .filter(|(name, top)| {
            !used.contains(&dns_name(name, 63)) && top["driver_opts"]["type"] != "tmpfs"
        })
        .map(|(name, _)| name.clone())
        .collect();
    for name in unused {
        context.warn(
            format!("volume {name}"),
            "is mounted by no service; it is not made",
        );
    }
}
