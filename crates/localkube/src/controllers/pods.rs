//! What controllers know about pods.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::conditions;
use super::object::{
    controller_of, controller_reference, is_controlled_by, is_terminating, name, namespace, time,
    uid,
};
use crate::objects::{ApiError, Objects, Selector, resource};

/// Whether it succeeded or failed for good.
pub(super) fn is_finished(pod: &Value) -> bool {
    matches!(
        pod["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed")
    )
}

/// Whether it counts as one that does its work or will.
pub(super) fn is_active(pod: &Value) -> bool {
    !is_finished(pod) && !is_terminating(pod)
}

/// Whether its `Ready` condition holds.
pub(crate) fn is_ready(pod: &Value) -> bool {
    conditions::is_true(&pod["status"], "Ready")
}

/// How long until it has been ready for so many seconds: zero where it has been, none where it is
/// not ready.
pub(super) fn available_in(pod: &Value, seconds: i64, now: Timestamp) -> Option<SignedDuration> {
    let condition = conditions::find(&pod["status"], "Ready")?;
    if condition["status"] != "True" {
        return None;
    }
    if seconds == 0 {
        return Some(SignedDuration::ZERO);
    }
    let since = time(&condition["lastTransitionTime"])?;
    let due = since + SignedDuration::from_secs(seconds);
    Some(due.duration_since(now).max(SignedDuration::ZERO))
}

/// A pod made from a workload's `spec.template` and controlled by the workload. It has no name.
pub(super) fn from_template(template: &Value, owner: &Value) -> Value {
    let mut metadata = json!({ "ownerReferences": [controller_reference(owner)] });
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template["metadata"].get(field) {
            metadata[field] = value.clone();
        }
    }
    json!({ "metadata": metadata, "spec": template["spec"] })
}

/// Create a pod and tell of it in an Event of its owner, as also of a refusal.
pub(super) fn create(
    objects: &Objects,
    owner: &Value,
    pod: Value,
    component: &str,
) -> Result<Arc<Value>, ApiError> {
    match objects.create(resource::PODS, namespace(owner), pod) {
        Ok(pod) => {
            let message = format!("Created pod: {}", name(&pod));
            objects.record_event(owner, "Normal", "SuccessfulCreate", &message, component);
            Ok(pod)
        }
        Err(error) => {
            let message = format!("Error creating: {error}");
            objects.record_event(owner, "Warning", "FailedCreate", &message, component);
            Err(error)
        }
    }
}

/// Delete a pod and tell of it in an Event of its owner.
pub(super) fn delete(
    objects: &Objects,
    owner: &Value,
    pod: &Value,
    component: &str,
) -> Result<(), ApiError> {
    let options = crate::objects::DeleteOptions {
        uid: Some(uid(pod).to_owned()),
        ..Default::default()
    };
    match objects.delete(resource::PODS, namespace(pod), name(pod), &options) {
        Ok(_) => {
            let message = format!("Deleted pod: {}", name(pod));
            objects.record_event(owner, "Normal", "SuccessfulDelete", &message, component);
            Ok(())
        }
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

/// The objects of a kind that a workload controls: those that refer to it and that it selects.
/// Selected ones without a controller are taken on, those that it no longer selects let go.
pub(super) fn claim(
    objects: &Objects,
    resource: &str,
    owner: &Value,
    selector: &Selector,
) -> Result<Vec<Arc<Value>>, ApiError> {
    let all = objects.list(resource, Some(namespace(owner)), &Selector::everything())?;
    let mut claimed = Vec::new();
    for object in all.items {
        let selected = selector.matches(&object);
        if is_controlled_by(&object, owner) {
            if selected || is_terminating(owner) {
                claimed.push(object);
            } else if !is_terminating(&object) {
                let owner_uid = uid(owner);
                objects.modify(resource, namespace(&object), name(&object), |object| {
                    if let Some(owners) = object["metadata"]["ownerReferences"].as_array_mut() {
                        owners.retain(|reference| reference["uid"] != owner_uid);
                    }
                })?;
            }
            continue;
        }
        let free =
            controller_of(&object).is_none() && !is_terminating(&object) && !is_terminating(owner);
        if selected && free && !selector.is_everything() {
            let reference = controller_reference(owner);
            let adopted =
                objects.modify(resource, namespace(&object), name(&object), |object| {
                    if controller_of(object).is_some() {
                        return;
                    }
                    match object["metadata"]["ownerReferences"].as_array_mut() {
                        Some(owners) => owners.push(reference.clone()),
                        None => object["metadata"]["ownerReferences"] = json!([reference]),
                    }
                })?;
            if is_controlled_by(&adopted, owner) {
                claimed.push(adopted);
            }
        }
    }
    Ok(claimed)
}

/// The names of a kind's objects in the namespace of one that nobody controls: they may adopt it.
pub(super) fn possible_owners(
    objects: &Objects,
    orphan: &Value,
    resource: &str,
) -> Vec<super::queue::Key> {
    if controller_of(orphan).is_some() {
        return Vec::new();
    }
    let all = objects.list(resource, Some(namespace(orphan)), &Selector::everything());
    all.map(|list| list.items)
        .unwrap_or_default()
        .iter()
        .filter(|owner| {
            Selector::from_label_selector(&owner["spec"]["selector"])
                .is_ok_and(|selector| selector.matches(orphan))
        })
        .map(|owner| super::object::key(owner))
        .collect()
}
