//! ConfigMaps and Secrets from literals and files.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Resource, list};
use crate::Folder;
use crate::folder::{join, name as last};
use crate::rendered::RenderError;

pub(super) fn all(
    folder: &Folder,
    file: &str,
    at: &str,
    map: &Map<String, Value>,
    resources: &mut Vec<Resource>,
) -> Result<(), RenderError> {
    for (key, kind) in [
        ("configMapGenerator", "ConfigMap"),
        ("secretGenerator", "Secret"),
    ] {
        for entry in list(map, key) {
            one(
                folder,
                file,
                at,
                &entry,
                map.get("generatorOptions"),
                kind,
                resources,
            )?;
        }
    }
    Ok(())
}

fn one(
    folder: &Folder,
    file: &str,
    at: &str,
    entry: &Value,
    shared: Option<&Value>,
    kind: &str,
    resources: &mut Vec<Resource>,
) -> Result<(), RenderError> {
    let failed = |message: String| RenderError::new(file, message);
    let name = entry["name"]
        .as_str()
        .filter(|name| !name.is_empty())
        .ok_or_else(|| failed(format!("a generator of a {kind} has no name")))?;
    let mut data: BTreeMap<String, String> = BTreeMap::new();
    let texts = |key: &str| {
        entry[key]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(ToOwned::to_owned)
            .collect::<Vec<_>>()
    };
    let read = |path: &str| -> Result<String, RenderError> {
        let path = join(at, path).map_err(|error| failed(error.to_string()))?;
        Ok(folder
            .text(&path)
            .map_err(|error| failed(error.to_string()))?
            .to_owned())
    };
    for literal in texts("literals") {
        let (key, value) = literal.split_once('=').ok_or_else(|| {
            failed(format!(
                "the literal {literal:?} of {name} is not key=value"
            ))
        })?;
        let unquoted = [('"', '"'), ('\'', '\'')]
            .iter()
            .find_map(|(open, close)| value.strip_prefix(*open)?.strip_suffix(*close));
        data.insert(key.to_owned(), unquoted.unwrap_or(value).to_owned());
    }
    for source in texts("files") {
        let (key, path) = source.split_once('=').map_or_else(
            || (last(&source).to_owned(), source.clone()),
            |(key, path)| (key.to_owned(), path.to_owned()),
        );
        data.insert(key, read(&path)?);
    }
    let mut envs = texts("envs");
    envs.extend(entry["env"].as_str().map(ToOwned::to_owned));
    for env in envs {
        for line in read(&env)?
            .lines()
            .map(str::trim_start)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            match line.split_once('=') {
                Some((key, value)) => data.insert(key.to_owned(), value.to_owned()),
                // A name alone would come from the environment of whoever builds.
                None => return Err(failed(format!("{env}: {line:?} has no value"))),
            };
        }
    }
    let option = |key: &str| {
        entry["options"]
            .get(key)
            .or_else(|| shared?.get(key))
            .cloned()
            .unwrap_or_default()
    };
    let mut object = json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name } });
    let field = "data";
    let value: BTreeMap<String, String> = if kind == "Secret" {
        data.iter()
            .map(|(key, text)| (key.clone(), STANDARD.encode(text)))
            .collect()
    } else {
        data.clone()
    };
    if !value.is_empty() || kind == "Secret" {
        object[field] = json!(value);
    }
    if kind == "Secret" {
        object["type"] = json!(entry["type"].as_str().unwrap_or("Opaque"));
    }
    if let Some(namespace) = entry["namespace"].as_str() {
        object["metadata"]["namespace"] = json!(namespace);
    }
    for notes in ["labels", "annotations"] {
        let mut all = Map::new();
        for source in [
            shared.map(|shared| &shared[notes]),
            Some(&entry["options"][notes]),
        ]
        .into_iter()
        .flatten()
        {
            all.extend(source.as_object().cloned().unwrap_or_default());
        }
        if !all.is_empty() {
            object["metadata"][notes] = Value::Object(all);
        }
    }
    if option("immutable") == true {
        object["immutable"] = json!(true);
    }
    let hashed = option("disableNameSuffixHash") != true;
    let existing = resources
        .iter_mut()
        .find(|resource| resource.kind() == kind && resource.is_called(name));
    match (entry["behavior"].as_str().unwrap_or("create"), existing) {
        ("create" | "", None) => resources.push(Resource {
            object,
            names: Vec::new(),
            hashed,
        }),
        ("create" | "", Some(_)) => {
            return Err(failed(format!(
                "{kind} {name} is there already; say behavior: merge or replace"
            )));
        }
        ("merge", Some(known)) => {
            let mut all = known.object[field].as_object().cloned().unwrap_or_default();
            all.extend(object[field].as_object().cloned().unwrap_or_default());
            known.object[field] = Value::Object(all);
            merge_notes(&mut known.object, &object);
        }
        ("replace", Some(known)) => {
            known.object[field] = object[field].clone();
            merge_notes(&mut known.object, &object);
        }
        ("merge" | "replace", None) => {
            return Err(failed(format!("there is no {kind} {name} to change")));
        }
        (other, _) => return Err(failed(format!("{other:?} is no behavior"))),
    }
    Ok(())
}

fn merge_notes(known: &mut Value, object: &Value) {
    for notes in ["labels", "annotations"] {
        for (key, value) in object["metadata"][notes].as_object().into_iter().flatten() {
            known["metadata"][notes][key] = value.clone();
        }
    }
}

/// The digest that kustomize puts behind the name of what it generates.
pub(super) fn hash(object: &Value) -> String {
    let name = &object["metadata"]["name"];
    let data = object.get("data").cloned().unwrap_or_else(|| json!(""));
    let mut content = json!({ "kind": object["kind"], "name": name, "data": data });
    if object["kind"] == "Secret" {
        content["type"] = object["type"].clone();
        if let Some(text) = object.get("stringData") {
            content["stringData"] = text.clone();
        }
    } else if let Some(binary) = object.get("binaryData") {
        content["binaryData"] = binary.clone();
    }
    // Go's writer of JSON escapes what HTML would take for its own.
    let text = content
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029");
    // Vowels and digits that look like them are replaced, so that no words come out.
    hex::encode(Sha256::digest(text))[..10]
        .chars()
        .map(|c| match c {
            '0' => 'g',
            '1' => 'h',
            '3' => 'k',
            'a' => 'm',
            'e' => 't',
            c => c,
        })
        .collect()
}
