//! Short forms written out, so that the rest knows the long ones alone.

use serde_json::{Map, Value};

use super::scalar;
use crate::rendered::RenderError;

pub(super) fn section<'a>(
    document: &'a mut Map<String, Value>,
    name: &str,
    file: &str,
) -> Result<&'a mut Map<String, Value>, RenderError> {
    let value = document
        .entry(name)
        .or_insert_with(|| Value::Object(Map::new()));
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(RenderError::new(file, format!("{name}: is no map"))),
    }
}

/// Gives lists that stand for maps the form of maps, so that they can be merged by name.
pub(super) fn normalize(service: &mut Map<String, Value>) {
    for key in ["environment", "labels", "annotations", "sysctls"] {
        if let Some(value) = service.get_mut(key) {
            listed(value, true);
        }
    }
    if let Some(build) = service.get_mut("build") {
        if let Value::String(context) = build {
            *build = serde_json::json!({ "context": context });
        }
        for key in ["args", "labels"] {
            if let Some(value) = build.get_mut(key) {
                listed(value, true);
            }
        }
    }
    if let Some(value) = service.get_mut("depends_on")
        && let Value::Array(list) = value
    {
        let map = list
            .iter()
            .filter_map(Value::as_str)
            .map(|name| {
                (
                    name.to_owned(),
                    serde_json::json!({ "condition": "service_started" }),
                )
            })
            .collect();
        *value = Value::Object(map);
    }
    if let Some(value) = service.get_mut("networks")
        && let Value::Array(list) = value
    {
        *value = Value::Object(
            list.iter()
                .filter_map(Value::as_str)
                .map(|name| (name.to_owned(), Value::Null))
                .collect(),
        );
    }
    for key in ["env_file", "tmpfs", "dns", "dns_search"] {
        if let Some(value) = service.get_mut(key)
            && (value.is_string() || (key == "env_file" && value.is_object()))
        {
            *value = Value::Array(vec![value.take()]);
        }
    }
}

fn listed(value: &mut Value, _: bool) {
    if let Value::Array(list) = value {
        let mut map = Map::new();
        for entry in list.iter() {
            let text = scalar(entry);
            match text.split_once('=') {
                Some((name, value)) => map.insert(name.trim().to_owned(), value.into()),
                None => map.insert(text.trim().to_owned(), Value::Null),
            };
        }
        *value = Value::Object(map);
    }
}
