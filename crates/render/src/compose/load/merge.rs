//! Putting one file's words over another's, as the specification rules.

use serde_json::{Map, Value};

use super::scalar;

/// Puts `over` onto `base`, as compose files are merged: maps by key, lists by addition, a few
/// lists by what they are about, everything else replaced.
pub(super) fn merge(base: &mut Map<String, Value>, over: Map<String, Value>, at: &str) {
    for (key, value) in over {
        if let Some(tagged) = value.as_object().filter(|map| map.len() == 1) {
            if tagged.contains_key("!reset") {
                base.remove(&key);
                continue;
            }
            if let Some(value) = tagged.get("!override") {
                base.insert(key, value.clone());
                continue;
            }
        }
        let replaced = matches!(key.as_str(), "command" | "entrypoint" | "test");
        match (base.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(value)) => merge(below, value, &key),
            (Some(Value::Array(below)), Value::Array(value)) if !replaced => {
                for entry in value {
                    let identity = identity(&key, &entry);
                    match below
                        .iter_mut()
                        .find(|known| self::identity(&key, known) == identity)
                    {
                        Some(known) => *known = entry,
                        None => below.push(entry),
                    }
                }
            }
            (Some(below), value) if at.is_empty() && value.is_null() && below.is_object() => {}
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// What an entry of a list is about: the same thing is replaced, another one added.
fn identity(key: &str, entry: &Value) -> String {
    match key {
        "volumes" => match entry {
            Value::String(text) => {
                let mut parts = text.split(':');
                let first = parts.next().unwrap_or_default();
                parts.next().unwrap_or(first).to_owned()
            }
            other => scalar(&other["target"]),
        },
        "configs" | "secrets" => match entry {
            Value::String(text) => text.clone(),
            other => format!("{}{}", scalar(&other["source"]), scalar(&other["target"])),
        },
        _ => entry.to_string(),
    }
}

/// Tags that had nothing to work on.
pub(super) fn strip_tags(map: &mut Map<String, Value>) {
    map.retain(|_, value| value.get("!reset").is_none());
    for value in map.values_mut() {
        if let Some(inner) = value.get_mut("!override") {
            *value = inner.take();
        }
        match value {
            Value::Object(map) => strip_tags(map),
            Value::Array(list) => {
                for value in list {
                    if let Value::Object(map) = value {
                        strip_tags(map);
                    }
                }
            }
            _ => {}
        }
    }
}
