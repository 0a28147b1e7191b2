//! Patches: strategic merges and JSON patches.

use regex::Regex;
use serde_json::{Map, Value};

use super::{Resource, known, list};
use crate::Folder;
use crate::folder::join;
use crate::rendered::RenderError;
use crate::yaml;

pub(super) fn all(
    folder: &Folder,
    file: &str,
    at: &str,
    map: &Map<String, Value>,
    resources: &mut Vec<Resource>,
) -> Result<(), RenderError> {
    let failed = |message: String| RenderError::new(file, message);
    let read = |path: &str| -> Result<String, RenderError> {
        let path = join(at, path).map_err(|error| failed(error.to_string()))?;
        Ok(folder
            .text(&path)
            .map_err(|error| failed(error.to_string()))?
            .to_owned())
    };
    for entry in list(map, "patchesStrategicMerge") {
        let entry = entry.as_str().ok_or_else(|| {
            failed("patchesStrategicMerge: holds something that is no text".to_owned())
        })?;
        let text = if entry.contains('\n') {
            entry.to_owned()
        } else {
            read(entry)?
        };
        apply(file, &text, None, &Value::Null, resources)?;
    }
    for key in ["patches", "patchesJson6902"] {
        for entry in list(map, key) {
            let text = match (
                entry["patch"].as_str(),
                entry["path"].as_str(),
                entry.as_str(),
            ) {
                (Some(text), ..) => text.to_owned(),
                (None, Some(path), _) | (None, None, Some(path)) => read(path)?,
                _ => {
                    return Err(failed(format!(
                        "an entry of {key} has neither a path nor a patch"
                    )));
                }
            };
            let target = entry.get("target").filter(|target| !target.is_null());
            apply(file, &text, target, &entry["options"], resources)?;
        }
    }
    Ok(())
}

fn apply(
    file: &str,
    text: &str,
    target: Option<&Value>,
    options: &Value,
    resources: &mut Vec<Resource>,
) -> Result<(), RenderError> {
    let failed = |message: String| RenderError::new(file, message);
    for document in yaml::documents(text).map_err(|error| failed(format!("a patch: {error}")))? {
        match document {
            Value::Null => {}
            Value::Array(_) => {
                let target =
                    target.ok_or_else(|| failed("a JSON patch needs a target".to_owned()))?;
                let operations: json_patch::Patch = serde_json::from_value(document)
                    .map_err(|error| failed(format!("a JSON patch: {error}")))?;
                let matching = select(file, target, resources)?;
                for index in matching {
                    let resource = &mut resources[index];
                    let (before, kind) = (resource.name().to_owned(), resource.kind().to_owned());
                    json_patch::patch(&mut resource.object, &operations).map_err(|error| {
                        failed(format!("the patch of {kind} {before}: {error}"))
                    })?;
                    renamed(resource, before);
                }
            }
            patch => {
                let matching = match target {
                    Some(target) => select(file, target, resources)?,
                    None => {
                        let kind = patch["kind"].as_str().unwrap_or_default();
                        let name = patch["metadata"]["name"].as_str().unwrap_or_default();
                        let found: Vec<usize> = resources
                            .iter()
                            .enumerate()
                            .filter(|(_, resource)| {
                                resource.kind() == kind && resource.is_called(name)
                            })
                            .map(|(index, _)| index)
                            .collect();
                        if found.is_empty() {
                            return Err(failed(format!(
                                "there is no {kind} {name} to patch; there are {}",
                                known(resources)
                            )));
                        }
                        found
                    }
                };
                let mut gone = Vec::new();
                for index in matching {
                    if patch["$patch"] == "delete" {
                        gone.push(index);
                        continue;
                    }
                    let resource = &mut resources[index];
                    let before = resource.object.clone();
                    let mut patch = patch.clone();
                    if let Some(metadata) = patch["metadata"].as_object_mut()
                        && options["allowNameChange"] != true
                    {
                        metadata.remove("name");
                    }
                    if let Some(map) = patch.as_object_mut()
                        && options["allowKindChange"] != true
                    {
                        map.remove("kind");
                        map.remove("apiVersion");
                    }
                    let is_service = resource.kind() == "Service";
                    merge(&mut resource.object, patch, "", is_service);
                    let name = before["metadata"]["name"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned();
                    renamed(resource, name);
                }
                for index in gone.into_iter().rev() {
                    resources.remove(index);
                }
            }
        }
    }
    Ok(())
}

fn renamed(resource: &mut Resource, before: String) {
    if resource.name() != before {
        resource.names.push(before);
    }
}

/// The resources that a target means: its texts are patterns for the whole name.
fn select(file: &str, target: &Value, resources: &[Resource]) -> Result<Vec<usize>, RenderError> {
    let pattern = |key: &str| -> Result<Option<Regex>, RenderError> {
        let Some(text) = target[key].as_str().filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        Regex::new(&format!("^(?:{text})$"))
            .map(Some)
            .map_err(|error| {
                RenderError::new(
                    file,
                    format!("the target's {key} {text:?} is no pattern: {error}"),
                )
            })
    };
    let (kind, name, namespace) = (pattern("kind")?, pattern("name")?, pattern("namespace")?);
    let (group, version) = (pattern("group")?, pattern("version")?);
    let labels = selector(&target["labelSelector"]);
    let annotations = selector(&target["annotationSelector"]);
    let found: Vec<usize> = resources
        .iter()
        .enumerate()
        .filter(|(_, resource)| {
            let api = resource.object["apiVersion"].as_str().unwrap_or_default();
            let (own_group, own_version) = api.rsplit_once('/').unwrap_or(("", api));
            let is = |pattern: &Option<Regex>, text: &str| {
                pattern
                    .as_ref()
                    .is_none_or(|pattern| pattern.is_match(text))
            };
            let named = name.as_ref().is_none_or(|pattern| {
                pattern.is_match(resource.name())
                    || resource.names.iter().any(|name| pattern.is_match(name))
            });
            let notes = |wanted: &[(String, Option<String>)], kind: &str| {
                wanted.iter().all(|(key, value)| {
                    resource.object["metadata"][kind]
                        .get(key)
                        .is_some_and(|known| {
                            value.as_ref().is_none_or(|value| known == value.as_str())
                        })
                })
            };
            named
                && is(&kind, resource.kind())
                && is(&group, own_group)
                && is(&version, own_version)
                && is(
                    &namespace,
                    resource.object["metadata"]["namespace"]
                        .as_str()
                        .unwrap_or_default(),
                )
                && notes(&labels, "labels")
                && notes(&annotations, "annotations")
        })
        .map(|(index, _)| index)
        .collect();
    Ok(found)
}

fn selector(value: &Value) -> Vec<(String, Option<String>)> {
    value
        .as_str()
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(|text| match text.split_once('=') {
            Some((key, value)) => (
                key.trim_end_matches(['=', '!']).trim().to_owned(),
                Some(value.trim_start_matches('=').trim().to_owned()),
            ),
            None => (text.to_owned(), None),
        })
        .collect()
}

/// What tells the entries of a list apart, by the list's name; none: the list is replaced whole.
fn merge_key(list: &str, is_service: bool) -> Option<&'static str> {
    Some(match list {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "env"
        | "volumes"
        | "imagePullSecrets"
        | "secrets"
        | "readinessGates" => "name",
        "volumeMounts" => "mountPath",
        "volumeDevices" => "devicePath",
        "hostAliases" => "ip",
        "ports" if is_service => "port",
        "ports" => "containerPort",
        "topologySpreadConstraints" => "topologyKey",
        "ownerReferences" => "uid",
        _ => return None,
    })
}

/// A strategic merge: maps by key, lists of named things by what names them, null deletes.
fn merge(base: &mut Value, patch: Value, at: &str, is_service: bool) {
    match (base, patch) {
        (Value::Object(base), Value::Object(mut patch)) => {
            match patch
                .remove("$patch")
                .and_then(|value| value.as_str().map(ToOwned::to_owned))
                .as_deref()
            {
                Some("replace") => {
                    *base = patch;
                    return;
                }
                Some("delete") => {
                    base.clear();
                    return;
                }
                _ => {}
            }
            patch.retain(|key, _| !key.starts_with("$setElementOrder/") && key != "$retainKeys");
            for (key, value) in patch {
                if let Some(list) = key.strip_prefix("$deleteFromPrimitiveList/") {
                    let gone = value.as_array().cloned().unwrap_or_default();
                    if let Some(list) = base.get_mut(list).and_then(Value::as_array_mut) {
                        list.retain(|value| !gone.contains(value));
                    }
                    continue;
                }
                if value.is_null() || value.get("$patch").is_some_and(|value| value == "delete") {
                    base.remove(&key);
                    continue;
                }
                match base.get_mut(&key) {
                    Some(below) => merge(below, value, &key, is_service),
                    None => {
                        base.insert(key.clone(), clean(value));
                    }
                }
            }
        }
        (Value::Array(base), Value::Array(patch)) if merge_key(at, is_service).is_some() => {
            let key = merge_key(at, is_service).unwrap_or_default();
            if patch.iter().any(|entry| entry["$patch"] == "replace") {
                *base = patch
                    .into_iter()
                    .filter(|entry| entry["$patch"].is_null())
                    .map(clean)
                    .collect();
                return;
            }
            let mut new = Vec::new();
            for entry in patch {
                let place = base
                    .iter()
                    .position(|known| known[key] == entry[key] && !entry[key].is_null());
                match (place, entry["$patch"] == "delete") {
                    (Some(place), true) => drop(base.remove(place)),
                    (None, true) => {}
                    (Some(place), false) => merge(&mut base[place], entry, "", is_service),
                    (None, false) => new.push(clean(entry)),
                }
            }
            // New entries come first, as kustomize has it.
            new.append(base);
            *base = new;
        }
        (base, patch) => *base = clean(patch),
    }
}

/// A patch without what only directs it.
fn clean(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(key, value)| !key.starts_with('$') && !value.is_null())
                .map(|(key, value)| (key, clean(value)))
                .collect(),
        ),
        Value::Array(list) => Value::Array(list.into_iter().map(clean).collect()),
        other => other,
    }
}
