//! Events as `events.k8s.io/v1`: the same objects as core/v1 Events, with other names for fields.

use serde_json::{Map, Value};

/// Fields of core/v1 and what events.k8s.io/v1 calls them.
const NAMES: [(&str, &str); 7] = [
    ("message", "note"),
    ("involvedObject", "regarding"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

fn rename(event: &Value, api_version: &str, to_core: bool) -> Value {
    let mut renamed = Map::new();
    for (name, value) in event.as_object().into_iter().flatten() {
        let name = NAMES
            .iter()
            .find_map(|&(core, new)| match to_core {
                true => (new == name).then_some(core),
                false => (core == name).then_some(new),
            })
            .unwrap_or(name);
        renamed.insert(name.to_owned(), value.clone());
    }
    renamed.insert("apiVersion".to_owned(), api_version.into());
    Value::Object(renamed)
}

/// A stored event as events.k8s.io/v1.
pub(super) fn from_core(event: &Value) -> Value {
    rename(event, "events.k8s.io/v1", false)
}

/// An event of events.k8s.io/v1 as it is stored.
pub(super) fn to_core(event: &Value) -> Value {
    rename(event, "v1", true)
}
