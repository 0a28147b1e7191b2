//! What a chart makes up each time that it is rendered: told from rendering it twice.
//!
//! A chart asks helm for random passwords and certificates where it finds no earlier ones, and
//! without a cluster to look into it never does. Deployed as they come, each push would change a
//! password that a database's volume still has in its earlier form.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::{Chart, Generated};

/// Sets apart what differs between the chart's objects and the same rendered `again`.
pub(super) fn set_apart(chart: &mut Chart, again: &[Value]) {
    for object in &mut chart.objects {
        let name = text(&object["metadata"]["name"]);
        let kind = text(&object["kind"]);
        let Some(other) = again
            .iter()
            .find(|other| text(&other["kind"]) == kind && text(&other["metadata"]["name"]) == name)
        else {
            chart.warnings.push((
                format!("{kind} {name}"),
                "has another name each time that the chart is rendered, so every push makes a new one"
                    .to_owned(),
            ));
            continue;
        };
        if object == other {
            continue;
        }
        if kind == "Secret" {
            let values = of_secret(object, other);
            if !values.is_empty() {
                chart.generated.push(Generated {
                    secret: name.clone(),
                    values,
                });
            }
        }
        // Digests of such a Secret, by which pods are made anew, would be others too.
        for pointer in [
            "/metadata/annotations",
            "/spec/template/metadata/annotations",
        ] {
            let Some(notes) = object.pointer_mut(pointer).and_then(Value::as_object_mut) else {
                continue;
            };
            let others = other.pointer(pointer);
            notes.retain(|key, value| others.and_then(|others| others.get(key)) == Some(&*value));
        }
        let mut places = Vec::new();
        differences("", object, other, &mut places);
        places.retain(|at| !at.contains("annotations") && (kind != "Secret" || !is_data(at)));
        if let Some(first) = places.first() {
            chart.warnings.push((
                format!("{kind} {name}"),
                format!(
                    "{first} is another one each time that the chart is rendered, so every push changes \
                     it; keep it in a Secret"
                ),
            ));
        }
    }
}

/// Takes the values that differ out of a Secret. What stays is written in Base64 as well, so that
/// both halves are the same field to Kubernetes.
fn of_secret(secret: &mut Value, other: &Value) -> Map<String, Value> {
    let (own, other) = (data(secret), data(other));
    let mut kept = Map::new();
    let mut generated = Map::new();
    for (key, value) in own {
        if other.get(&key) == Some(&value) {
            kept.insert(key, value);
        } else {
            generated.insert(key, value);
        }
    }
    if !generated.is_empty()
        && let Some(map) = secret.as_object_mut()
    {
        map.remove("stringData");
        // Another key may be made up by a later commit.
        map.remove("immutable");
        map.insert("data".to_owned(), Value::Object(kept));
    }
    generated
}

/// All that a Secret holds, in Base64.
fn data(secret: &Value) -> Map<String, Value> {
    let mut all = secret["data"].as_object().cloned().unwrap_or_default();
    for (key, value) in secret["stringData"].as_object().into_iter().flatten() {
        let plain = match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        all.insert(key.clone(), json!(STANDARD.encode(plain)));
    }
    all
}

fn is_data(place: &str) -> bool {
    place.starts_with("data") || place.starts_with("stringData") || place == "immutable"
}

fn differences(at: &str, one: &Value, other: &Value, found: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(map), Value::Object(other)) => {
            for (key, value) in map {
                let place = if at.is_empty() {
                    key.clone()
                } else {
                    format!("{at}.{key}")
                };
                differences(&place, value, other.get(key).unwrap_or(&Value::Null), found);
            }
        }
        (Value::Array(list), Value::Array(other)) if list.len() == other.len() => {
            for (index, (value, other)) in list.iter().zip(other).enumerate() {
                differences(&format!("{at}[{index}]"), value, other, found);
            }
        }
        _ if one == other => {}
        _ => found.push(at.to_owned()),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
