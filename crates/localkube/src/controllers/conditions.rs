//! The `conditions` of a status.

use serde_json::{Value, json};

use super::object::items;
use crate::objects::metadata;

/// A condition as it is now found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub kind: &'static str,
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    pub reason: String,
    pub message: String,
}

impl Condition {
    pub fn new(
        kind: &'static str,
        holds: bool,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let status = if holds { "True" } else { "False" };
        Self {
            kind,
            status,
            reason: reason.into(),
            message: message.into(),
        }
    }

    fn same_as(&self, present: &Value) -> bool {
        present["status"] == self.status
            && present["reason"].as_str().unwrap_or_default() == self.reason
            && present["message"].as_str().unwrap_or_default() == self.message
    }

    /// The object, taking the time of the last transition from the present one.
    fn object(&self, present: Option<&Value>, moment: &str) -> Value {
        let since = present
            .filter(|present| present["status"] == self.status)
            .map(|present| present["lastTransitionTime"].clone())
            .filter(|since| !since.is_null());
        let mut object = json!({
            "type": self.kind, "status": self.status,
            "lastTransitionTime": since.unwrap_or_else(|| moment.into()),
        });
        if !self.reason.is_empty() {
            object["reason"] = self.reason.clone().into();
        }
        if !self.message.is_empty() {
            object["message"] = self.message.clone().into();
        }
        object
    }
}

/// The condition of a type.
pub(super) fn find<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    items(&status["conditions"]).find(|condition| condition["type"] == kind)
}

/// Whether the condition of a type holds.
pub(super) fn is_true(status: &Value, kind: &str) -> bool {
    find(status, kind).is_some_and(|condition| condition["status"] == "True")
}

/// Put a condition into a status, unless it is there already. `updated` names a field that
/// tells when it was last written, such as `lastUpdateTime`.
pub(super) fn set(status: &mut Value, condition: &Condition, updated: Option<&str>) {
    let present = find(status, condition.kind);
    if present.is_some_and(|present| condition.same_as(present)) {
        return;
    }
    let now = metadata::now();
    let mut object = condition.object(present, &now);
    if let Some(field) = updated {
        object[field] = now.into();
    }
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    if let Some(list) = status["conditions"].as_array_mut() {
        match list
            .iter_mut()
            .find(|present| present["type"] == condition.kind)
        {
            Some(present) => *present = object,
            None => list.push(object),
        }
    }
}

/// Take the condition of a type out of a status.
pub(super) fn remove(status: &mut Value, kind: &str) {
    if let Some(list) = status["conditions"].as_array_mut() {
        list.retain(|condition| condition["type"] != kind);
        if list.is_empty()
            && let Some(map) = status.as_object_mut()
        {
            map.remove("conditions");
        }
    }
}
