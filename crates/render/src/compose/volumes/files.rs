//! Secrets and configs of a compose file as files in a container, by way of ConfigMaps.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Mounts, add};
use crate::compose::load::{OUTSIDE, scalar};
use crate::compose::{Context, SERVICE_LABEL};
use crate::folder::join;
use crate::rendered::{RenderError, digest, dns_name};

/// Files and bytes of a folder that is mounted as a ConfigMap.
pub(super) const MAX_FILES: usize = 30;

pub(super) const MAX_BYTES: usize = 512 * 1024;

/// A ConfigMap of these files; a single one is mounted by itself.
pub(super) fn config_map(
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
pub(super) fn key(name: &str) -> String {
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
pub(super) fn files(
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
                    json!({ "secret": { "secretName": crate::compose::service::SECRETS, "optional": true, "items": [{ "key": entry, "path": key(&source) }] } })
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
