//! Volumes, configs and secrets.

mod bind;
mod claims;
mod files;

use serde_json::{Map, Value, json};

use super::Context;
use super::load::{OUTSIDE, scalar};
use super::units::{bytes, quantity};
use crate::rendered::{RenderError, dns_name};
use bind::{bind, host_path};
pub(super) use claims::claims;
use files::files;

/// The volume that holds the checkout.
pub const CODE: &str = "code";

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
