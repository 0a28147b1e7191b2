//! The one gate for everything that a user can influence, before any of it is applied.
//!
//! [`admit`] takes objects from wherever they came (a compose file, a kustomization, manifests, a
//! chart) and gives back those that a preview may have. What reaches beyond the preview's namespace
//! is refused, with words; what only has no place in a preview is left out or put right, with a
//! warning. Pod Security would refuse part of it at the pod: said here, it is said to the person who
//! wrote it, all of it at once, and it holds in every namespace.

mod config;
mod kinds;
mod pods;
mod routes;

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

pub use config::config;
pub use kinds::unknown_fields;

use crate::compose::{AFTER, ONCE, SERVICE_LABEL, URL_LABEL};
use crate::rendered::{Rendered, Route, Warning, without_nulls};

/// Something that a preview must not have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// `Deployment web`.
    pub object: String,
    /// What it asks for and what to do.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} {}", self.object, self.message)
    }
}

/// All refusals of a set of objects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Refused(pub Vec<Refusal>);

/// How strict to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// Pod Security's `restricted` instead of its `baseline`.
    pub restricted: bool,
}

/// Objects at most.
const MAX_OBJECTS: usize = 500;
/// Bytes of one object.
const MAX_OBJECT: usize = 1024 * 1024;
/// Secrets that are the operator's business: no workload may read them.
const RESERVED_SECRETS: &[&str] = &["registry-credentials", "catalyst-buildkit-client"];

/// What is collected on the way.
struct Gate {
    policy: Policy,
    refusals: Vec<Refusal>,
    warnings: Vec<Warning>,
    accounts: BTreeSet<String>,
}

impl Gate {
    fn refuse(&mut self, object: &str, message: impl Into<String>) {
        self.refusals.push(Refusal {
            object: object.to_owned(),
            message: message.into(),
        });
    }

    fn warn(&mut self, object: &str, message: impl Into<String>) {
        self.warnings.push(Warning::new(object, message));
    }
}

/// Lets through what a preview may have.
///
/// # Errors
/// All that is refused, each with its object.
pub fn admit(rendered: Rendered, policy: Policy) -> Result<Rendered, Refused> {
    let mut gate = Gate {
        policy,
        refusals: Vec::new(),
        warnings: rendered.warnings,
        accounts: BTreeSet::new(),
    };
    let mut objects = Vec::new();
    for object in rendered.objects {
        flatten(object, &mut objects, 0);
    }
    if objects.len() > MAX_OBJECTS {
        gate.refuse(
            "the whole",
            format!(
                "has {} objects; at most {MAX_OBJECTS} are deployed",
                objects.len()
            ),
        );
        return Err(Refused(gate.refusals));
    }
    namespaces(&mut gate, &mut objects);
    gate.accounts = objects
        .iter()
        .filter(|object| object["kind"] == "ServiceAccount")
        .filter_map(|object| object["metadata"]["name"].as_str().map(ToOwned::to_owned))
        .collect();
    let mut kept = Vec::new();
    let mut ingresses = Vec::new();
    let mut seen = BTreeSet::new();
    for mut object in objects {
        let name = name_of(&object);
        match kinds::place(&object) {
            kinds::Place::Kept => {
                metadata(&mut gate, &name, &mut object);
                kinds::check(&mut gate, &name, &mut object);
                if !seen.insert(name.clone()) {
                    gate.refuse(&name, "is defined twice; leave one of them out");
                }
                if serde_json::to_vec(&object).map_or(0, |text| text.len()) > MAX_OBJECT {
                    gate.refuse(&name, "is larger than 1 MiB");
                }
                kept.push(object);
            }
            kinds::Place::Ingress => {
                metadata(&mut gate, &name, &mut object);
                routes::check(&mut gate, &name, &object);
                ingresses.push(object);
            }
            kinds::Place::LeftOut(why) => gate.warn(&name, format!("is left out: {why}")),
            kinds::Place::Refused(why) => gate.refuse(&name, why),
        }
    }
    if !gate.refusals.is_empty() {
        gate.refusals.sort();
        gate.refusals.dedup();
        return Err(Refused(gate.refusals));
    }
    let route = rendered
        .route
        .or_else(|| routes::choose(&mut gate, &kept, &ingresses));
    kept.iter_mut().for_each(without_nulls);
    order(&mut kept);
    gate.warnings.sort();
    gate.warnings.dedup();
    Ok(Rendered {
        objects: kept,
        warnings: gate.warnings,
        builds: rendered.builds,
        route: route.filter(|route: &Route| !route.paths.is_empty()),
    })
}

/// `Deployment web`.
fn name_of(object: &Value) -> String {
    let kind = object["kind"]
        .as_str()
        .unwrap_or("an object without a kind");
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let text: String = format!("{kind} {name}")
        .chars()
        .filter(|c| !c.is_control())
        .take(120)
        .collect();
    text.trim_end().to_owned()
}

/// Lists are only wrapping.
fn flatten(object: Value, all: &mut Vec<Value>, depth: usize) {
    let is_list = object["kind"]
        .as_str()
        .is_some_and(|kind| kind.ends_with("List"))
        && object["items"].is_array();
    match object {
        Value::Null => {}
        Value::Object(mut map) if is_list && depth < 4 => {
            if let Some(Value::Array(items)) = map.remove("items") {
                for item in items {
                    flatten(item, all, depth + 1);
                }
            }
        }
        other => all.push(other),
    }
}

/// A set of objects may name one namespace, its own, which a preview's stands in for.
fn namespaces(gate: &mut Gate, objects: &mut [Value]) {
    let mut named: BTreeSet<String> = BTreeSet::new();
    for object in objects.iter() {
        let name = name_of(object);
        let place = &object["metadata"]["namespace"];
        if object["kind"] == "Namespace" {
            continue;
        }
        if let Some(namespace) = place.as_str() {
            if namespace.starts_with("kube-") || namespace == "catalyst-system" {
                gate.refuse(&name, format!("belongs to the namespace {namespace}, which is the cluster's; a preview's objects are its own"));
            }
            named.insert(namespace.to_owned());
        } else if !place.is_null() {
            gate.refuse(&name, "has a namespace that is no text");
        }
    }
    if named.len() > 1 {
        let names: Vec<_> = named.iter().cloned().collect();
        gate.refuse("the whole", format!("names the namespaces {}; a preview has one of its own, so leave metadata.namespace out", names.join(", ")));
    }
    if let Some(only) = named.first() {
        gate.warn("namespace", format!("{only} stands for the preview's own; names like service.{only}.svc do not resolve here"));
    }
    for object in objects {
        if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            metadata.remove("namespace");
        }
    }
}

fn is_dns(name: &str, dots: bool, most: usize) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    name.len() <= most
        && if dots {
            name.split('.').all(plain)
        } else {
            plain(name)
        }
}

/// Names, and notes that are the operator's own.
fn metadata(gate: &mut Gate, object: &str, value: &mut Value) {
    let is_service = value["kind"] == "Service";
    let is_account = value["kind"] == "ServiceAccount";
    let Some(Value::Object(metadata)) = value.get_mut("metadata") else {
        gate.refuse(object, "has no metadata.name");
        return;
    };
    let name = metadata
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if !is_dns(&name, !is_service, if is_service { 63 } else { 253 }) {
        gate.refuse(
            object,
            format!("has the name {name:?}, which is not one that Kubernetes takes"),
        );
    }
    if name.starts_with("catalyst-")
        || name == "registry-credentials"
        || (name == "default" && is_account)
    {
        gate.refuse(
            object,
            "has a name that is reserved for Catalyst's own objects; rename it",
        );
    }
    for key in ["finalizers", "ownerReferences"] {
        if metadata.get(key).is_some_and(|value| !is_empty(value)) {
            gate.refuse(
                object,
                format!("sets metadata.{key}, which would outlive the preview; leave it out"),
            );
        }
    }
    for key in [
        "generateName",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "managedFields",
        "selfLink",
        "generation",
        "deletionTimestamp",
    ] {
        metadata.remove(key);
    }
    own_notes(gate, object, metadata);
    if let Some(map) = value.as_object_mut() {
        map.remove("status");
    }
}

/// Takes out labels and annotations that only the operator may set.
fn own_notes(gate: &mut Gate, object: &str, metadata: &mut Map<String, Value>) {
    for kind in ["labels", "annotations"] {
        let Some(notes) = metadata.get_mut(kind) else {
            continue;
        };
        if notes.is_null() {
            metadata.remove(kind);
            continue;
        }
        let Value::Object(notes) = notes else {
            gate.refuse(object, format!("has metadata.{kind} that is no map"));
            continue;
        };
        let mut taken = Vec::new();
        notes.retain(|key, value| {
            // Numbers and flags are what people forget to quote; the API takes text only.
            if !value.is_string() {
                *value = match &*value {
                    Value::Null => Value::String(String::new()),
                    other => Value::String(other.to_string()),
                };
            }
            let ours = key.starts_with("catalyst.dev/") || key.contains(".catalyst.dev/");
            let allowed = [AFTER, ONCE, SERVICE_LABEL, URL_LABEL].contains(&key.as_str());
            if ours && !allowed {
                taken.push(key.clone());
            }
            !ours || allowed
        });
        for key in taken {
            gate.warn(
                object,
                format!("the {kind} {key} is Catalyst's own and left out"),
            );
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// What is mounted before what mounts it, names before what is called by them.
fn order(objects: &mut [Value]) {
    let rank = |object: &Value| match object["kind"].as_str() {
        Some("ServiceAccount") => 0,
        Some("ConfigMap" | "Secret") => 1,
        Some("PersistentVolumeClaim") => 2,
        Some("Service") => 3,
        Some("Job") => 4,
        Some("StatefulSet") => 5,
        _ => 6,
    };
    objects.sort_by_key(|object| (rank(object), name_of(object)));
}
