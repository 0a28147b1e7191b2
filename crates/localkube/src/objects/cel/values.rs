//! Values as expressions see them.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cel::Value as Cel;
use cel::objects::Key;
use serde_json::Value;

use super::types::escape;

/// A value of a schema.
pub(super) fn value(schema: &Value, json: &Value) -> Cel {
    match json {
        Value::Null => Cel::Null,
        Value::Bool(flag) => Cel::Bool(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(whole) if schema["type"] != "number" => Cel::Int(whole),
            _ => Cel::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => string(schema, text),
        Value::Array(list) => {
            let items = list.iter().map(|item| value(&schema["items"], item));
            Cel::List(Arc::new(items.collect()))
        }
        Value::Object(map) => {
            let entries = &schema["additionalProperties"];
            let properties = &schema["properties"];
            let fields: HashMap<Key, Cel> = map
                .iter()
                .filter_map(|(name, field)| {
                    let (name, of) = match properties.get(name) {
                        Some(of) => (escape(name)?, of),
                        // The keys of a map are data, and stay as they are.
                        None if entries.is_object() => (name.clone(), entries),
                        None => (escape(name)?, &Value::Null),
                    };
                    Some((Key::String(Arc::new(name)), value(of, field)))
                })
                .collect();
            Cel::from(fields)
        }
    }
}

fn string(schema: &Value, text: &str) -> Cel {
    let plain = || Cel::from(text);
    let time = |text: &str| chrono::DateTime::parse_from_rfc3339(text).map(Cel::Timestamp);
    match schema["format"].as_str() {
        Some("byte") => BASE64_STANDARD
            .decode(text)
            .map_or_else(|_| plain(), Cel::from),
        Some("date-time") => time(text).unwrap_or_else(|_| plain()),
        Some("date") => time(&format!("{text}T00:00:00Z")).unwrap_or_else(|_| plain()),
        Some("duration") => duration(text).map_or_else(plain, Cel::Duration),
        _ => plain(),
    }
}

/// A duration such as `1h30m` or `250ms`.
fn duration(text: &str) -> Option<chrono::Duration> {
    let span: jiff::SignedDuration = text.parse().ok()?;
    chrono::Duration::new(span.as_secs(), u32::try_from(span.subsec_nanos()).ok()?)
}
