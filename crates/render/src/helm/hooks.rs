//! What a chart has run before and after the rest.
//!
//! A preview that comes up for the first time is an installation; afterwards each push is an
//! upgrade. Jobs are run in the order of their weights, one after the other, those before the
//! rest while it waits. What Jobs need besides (accounts, Secrets, ConfigMaps) is part of the rest.
//! A Job that has run stays until another takes its place: that it is there is how it is known to
//! have run.

use serde_json::{Map, Value, json};

use crate::compose::AFTER;

/// The annotation that makes an object a hook.
pub const HOOK: &str = "helm.sh/hook";
const WEIGHT: &str = "helm.sh/hook-weight";
const DELETION: &str = "helm.sh/hook-delete-policy";
/// The annotation of a hook's pods that has them run anew with each commit.
const COMMIT: &str = "helm.sh/hook-commit";

#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    After,
}

/// The objects with their hooks in order; those for other events than this one are left out.
pub(super) fn ordered(objects: Vec<Value>, upgrading: bool, commit: &str) -> Vec<Value> {
    let (before, after) = if upgrading {
        ("pre-upgrade", "post-upgrade")
    } else {
        ("pre-install", "post-install")
    };
    let mut rest = Vec::new();
    let mut jobs: Vec<(When, i64, String, Value)> = Vec::new();
    for mut object in objects {
        let events: Vec<String> = annotation(&object, HOOK)
            .unwrap_or_default()
            .split(',')
            .map(|event| event.trim().to_ascii_lowercase())
            .collect();
        let is = |wanted: &str| events.iter().any(|event| event == wanted);
        let deploys = ["pre-install", "post-install", "pre-upgrade", "post-upgrade"]
            .into_iter()
            .any(is);
        if !deploys {
            // No hook, or one for an event that previews do not have, which the validator says.
            rest.push(object);
            continue;
        }
        let weight = annotation(&object, WEIGHT)
            .and_then(|weight| weight.trim().parse().ok())
            .unwrap_or_default();
        if let Some(notes) = object
            .pointer_mut("/metadata/annotations")
            .and_then(Value::as_object_mut)
        {
            for key in [HOOK, WEIGHT, DELETION] {
                notes.remove(key);
            }
        }
        if object["kind"] != "Job" {
            rest.push(object);
            continue;
        }
        let when = if is(before) {
            When::Before
        } else if is(after) {
            When::After
        } else {
            continue;
        };
        note(&mut object["spec"]["template"]["metadata"], COMMIT, commit);
        let name = object["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        jobs.push((when, weight, name, object));
    }
    jobs.sort_by(|one, other| (one.1, &one.2).cmp(&(other.1, &other.2)));
    let (first, last): (Vec<_>, Vec<_>) = jobs
        .into_iter()
        .map(|(when, _, name, job)| (when, name, job))
        .partition(|(when, ..)| *when == When::Before);

    let mut previous: Option<String> = None;
    let chain = |jobs: Vec<(When, String, Value)>, previous: &mut Option<String>| -> Vec<Value> {
        jobs.into_iter()
            .map(|(_, name, mut job)| {
                wait_for(&mut job, previous.as_deref());
                *previous = Some(name);
                job
            })
            .collect()
    };
    let mut all = chain(first, &mut previous);
    for object in &mut rest {
        if matches!(
            object["kind"].as_str(),
            Some("Deployment" | "StatefulSet" | "Job")
        ) {
            wait_for(object, previous.as_deref());
        }
    }
    all.extend(rest);
    all.extend(chain(last, &mut previous));
    all
}

/// A text or, as people forget to quote them, a number.
fn annotation(object: &Value, key: &str) -> Option<String> {
    match &object["metadata"]["annotations"][key] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn wait_for(object: &mut Value, job: Option<&str>) {
    let Some(job) = job else { return };
    // By kind too: a chart may call its Deployment and its Job the same.
    let mut all = format!("Job/{job}=complete");
    if let Some(own) = annotation(object, AFTER).filter(|own| !own.is_empty()) {
        all = format!("{own},{all}");
    }
    note(&mut object["metadata"], AFTER, &all);
}

fn note(metadata: &mut Value, key: &str, text: &str) {
    if !metadata.is_object() {
        *metadata = Value::Object(Map::new());
    }
    if !metadata["annotations"].is_object() {
        metadata["annotations"] = json!({});
    }
    metadata["annotations"][key] = json!(text);
}
