//! The values that a chart is rendered with.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::EnvVar;
use serde_json::{Map, Value, json};

use crate::rendered::Warning;

/// What is said in other places than the template's values, and goes into them.
#[derive(Debug, Clone)]
pub struct Overlay<'a> {
    /// The configuration's image.
    pub image: Option<&'a str>,
    /// The configuration's variables.
    pub env: &'a [EnvVar],
    /// Images that are built for it, by the name of their build.
    pub built: &'a BTreeMap<String, String>,
}

/// The template's values with what else is said put into them: variables into `env`, the image into
/// `image`, and what is built into `global.images`.
#[must_use]
pub fn merged(
    values: &Map<String, Value>,
    overlay: &Overlay<'_>,
) -> (Map<String, Value>, Vec<Warning>) {
    let mut merged = values.clone();
    let mut warnings = Vec::new();
    env(&mut merged, overlay.env, &mut warnings);
    if let Some(image) = overlay.image.filter(|image| !image.is_empty()) {
        put_image(&mut merged, image);
    }
    if !overlay.built.is_empty() {
        let images = child(child_of(&mut merged, "global"), "images");
        for (name, image) in overlay.built {
            let (repository, tag) = split(image);
            let one = child(images, name);
            one["repository"] = json!(repository);
            one["tag"] = json!(tag);
        }
    }
    (merged, warnings)
}

fn env(values: &mut Map<String, Value>, env: &[EnvVar], warnings: &mut Vec<Warning>) {
    for variable in env {
        let name = &variable.name;
        if variable.value_from.is_some() {
            warnings.push(Warning::new(
                format!("config.env {name}"),
                "has no effect here: a chart's values hold no references; have the chart take it",
            ));
            continue;
        }
        let value = json!(variable.value.clone().unwrap_or_default());
        let all = values.entry("env").or_insert(Value::Null);
        // Charts take variables as a map, or as Kubernetes itself does.
        match all {
            Value::Array(list) => match list.iter_mut().find(|one| one["name"] == name.as_str()) {
                Some(known) => *known = json!({ "name": name, "value": value }),
                None => list.push(json!({ "name": name, "value": value })),
            },
            Value::Object(map) => drop(map.insert(name.clone(), value)),
            other => *other = json!({ name: value }),
        }
    }
}

fn put_image(values: &mut Map<String, Value>, image: &str) {
    match values.get_mut("image") {
        Some(Value::String(known)) => image.clone_into(known),
        Some(Value::Object(map)) => {
            let key = ["repository", "name", "imageRepository"]
                .into_iter()
                .find(|key| map.contains_key(*key))
                .unwrap_or("repository");
            map.insert(key.to_owned(), json!(image));
        }
        _ => drop(values.insert("image".to_owned(), json!({ "repository": image }))),
    }
}

fn child_of<'a>(map: &'a mut Map<String, Value>, key: &str) -> &'a mut Value {
    let value = map.entry(key).or_insert(Value::Null);
    if !value.is_object() {
        *value = json!({});
    }
    value
}

fn child<'a>(value: &'a mut Value, key: &str) -> &'a mut Value {
    if !value[key].is_object() {
        value[key] = json!({});
    }
    &mut value[key]
}

/// An image's name and tag: what follows the last colon, unless that is part of a path.
#[must_use]
pub fn split(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}
