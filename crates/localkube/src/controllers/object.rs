//! Reading objects, and who controls whom.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::queue::Key;
use crate::objects::{ApiError, Objects};

/// Text at a field, empty where it is absent.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// `metadata.name`.
pub(super) fn name(object: &Value) -> &str {
    text(&object["metadata"], "name")
}

/// `metadata.namespace`, empty for cluster-scoped kinds.
pub(super) fn namespace(object: &Value) -> &str {
    text(&object["metadata"], "namespace")
}

/// `metadata.uid`.
pub(super) fn uid(object: &Value) -> &str {
    text(&object["metadata"], "uid")
}

/// Namespace and name.
pub(super) fn key(object: &Value) -> Key {
    (namespace(object).to_owned(), name(object).to_owned())
}

/// The keys of an object that a controller's own kind is: itself.
pub(super) fn itself(_: &Objects, object: &Value) -> Vec<Key> {
    vec![key(object)]
}

/// A list, empty where it is absent.
pub(crate) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// A whole number, or what stands for an absent one.
pub(super) fn number(value: &Value, absent: i64) -> i64 {
    value.as_i64().unwrap_or(absent)
}

/// A time, where there is one.
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// Whether an object is being deleted.
pub(crate) fn is_terminating(object: &Value) -> bool {
    crate::objects::metadata::is_terminating(object)
}

/// An object, or none where it is gone.
pub(super) fn find(
    objects: &Objects,
    resource: &str,
    key: &Key,
) -> Result<Option<std::sync::Arc<Value>>, ApiError> {
    match objects.get(resource, &key.0, &key.1) {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The owner that controls an object.
pub(super) fn controller_of(object: &Value) -> Option<&Value> {
    items(&object["metadata"]["ownerReferences"]).find(|owner| owner["controller"] == true)
}

/// Whether an object is controlled by this very owner.
pub(super) fn is_controlled_by(object: &Value, owner: &Value) -> bool {
    controller_of(object).is_some_and(|reference| reference["uid"] == owner["metadata"]["uid"])
}

/// The key of the controlling owner, if it is of this kind.
pub(super) fn owner_key(object: &Value, kind: &str) -> Option<Key> {
    let owner = controller_of(object).filter(|owner| text(owner, "kind") == kind)?;
    Some((namespace(object).to_owned(), text(owner, "name").to_owned()))
}

/// The `ownerReferences` entry that says an owner controls an object.
pub(super) fn controller_reference(owner: &Value) -> Value {
    json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"],
        "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// Whether an error only says that the object is gone already.
pub(super) fn ignore_absent<T>(result: Result<T, ApiError>) -> Result<(), ApiError> {
    match result {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

/// Set a field of a map where it has a value, else remove it.
pub(super) fn set_or_remove(map: &mut Value, field: &str, value: Option<Value>) {
    match value {
        Some(value) => map[field] = value,
        None => {
            if let Some(map) = map.as_object_mut() {
                map.remove(field);
            }
        }
    }
}

/// Set a number where it is not zero, else remove the field, as Kubernetes writes counts.
pub(super) fn set_count(map: &mut Value, field: &str, count: i64) {
    set_or_remove(map, field, (count != 0).then(|| count.into()));
}
