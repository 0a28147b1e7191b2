//! The end of a namespace: everything in it is deleted, and it goes when nothing is left.

use serde_json::{Value, json};

use super::kinds::resource;
use super::metadata::{finalizers, is_terminating};
use super::{ApiError, DeleteOptions, Objects, Selector, metadata};

/// The finalizer in `spec.finalizers` by which the server holds a namespace.
const FINALIZER: &str = "kubernetes";

impl Objects {
    /// Bring a terminating namespace one step nearer to its end.
    pub(super) fn end_namespace(&self, namespace: &str) -> Result<(), ApiError> {
        let object = self.get(resource::NAMESPACES, "", namespace)?;
        if !is_terminating(&object) {
            return Ok(());
        }
        let mut remaining: Vec<(String, usize)> = Vec::new();
        let mut held: Vec<(String, usize)> = Vec::new();
        for kind in self.kinds.all() {
            if !kind.namespaced || kind.stored_as.is_some() {
                continue;
            }
            let resource = kind.resource();
            let list = self.list(&resource, Some(namespace), &Selector::everything())?;
            for object in &list.items {
                if !is_terminating(object) {
                    let name = object["metadata"]["name"].as_str().unwrap_or_default();
                    ignore_absent(self.delete(
                        &resource,
                        namespace,
                        name,
                        &DeleteOptions::default(),
                    ))?;
                }
            }
            let left = self
                .list(&resource, Some(namespace), &Selector::everything())?
                .items;
            if !left.is_empty() {
                remaining.push((resource, left.len()));
            }
            for name in left.iter().flat_map(|object| finalizers(object)) {
                match held.iter_mut().find(|(known, _)| known == name) {
                    Some((_, count)) => *count += 1,
                    None => held.push((name.to_owned(), 1)),
                }
            }
        }
        if remaining.is_empty() {
            return ignore_absent(self.finalize_namespace(namespace, &|finalizers| {
                finalizers.retain(|name| name != FINALIZER);
            }));
        }
        ignore_absent(
            self.modify_status(resource::NAMESPACES, "", namespace, |object| {
                set_conditions(object, &remaining, &held);
            }),
        )
    }

    /// Change `spec.finalizers`, as the `finalize` subresource does.
    pub(crate) fn finalize_namespace(
        &self,
        namespace: &str,
        change: &dyn Fn(&mut Vec<Value>),
    ) -> Result<std::sync::Arc<Value>, ApiError> {
        self.modify(resource::NAMESPACES, "", namespace, |object| {
            let mut finalizers = object["spec"]["finalizers"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            change(&mut finalizers);
            object["spec"] = if finalizers.is_empty() {
                json!({})
            } else {
                json!({ "finalizers": finalizers })
            };
        })
    }
}

/// Say what is left, in the words of Kubernetes' namespace controller.
fn set_conditions(object: &mut Value, remaining: &[(String, usize)], held: &[(String, usize)]) {
    let list = |entries: &[(String, usize)], say: &dyn Fn(&str, usize) -> String| {
        entries
            .iter()
            .map(|(name, count)| say(name, *count))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let content = format!(
        "Some resources are remaining: {}",
        list(remaining, &|name, count| format!(
            "{name} has {count} resource instances"
        ))
    );
    let finalizers = format!(
        "Some content in the namespace has finalizers remaining: {}",
        list(held, &|name, count| format!(
            "{name} in {count} resource instances"
        ))
    );
    for (type_, present, reason, message, absent) in [
        (
            "NamespaceContentRemaining",
            true,
            "SomeResourcesRemain",
            content,
            "ContentRemoved",
        ),
        (
            "NamespaceFinalizersRemaining",
            !held.is_empty(),
            "SomeFinalizersRemain",
            finalizers,
            "ContentHasNoFinalizers",
        ),
    ] {
        let (status, reason, message) = if present {
            ("True", reason, message)
        } else {
            (
                "False",
                absent,
                "All content-preserving finalizers finished".to_owned(),
            )
        };
        let conditions = &mut object["status"]["conditions"];
        if !conditions.is_array() {
            *conditions = json!([]);
        }
        let Some(conditions) = conditions.as_array_mut() else {
            continue;
        };
        let mut condition =
            json!({ "type": type_, "status": status, "reason": reason, "message": message });
        match conditions.iter_mut().find(|known| known["type"] == type_) {
            Some(known) => {
                let since = if known["status"] == status {
                    known["lastTransitionTime"].clone()
                } else {
                    metadata::now().into()
                };
                condition["lastTransitionTime"] = since;
                *known = condition;
            }
            None => {
                condition["lastTransitionTime"] = metadata::now().into();
                conditions.push(condition);
            }
        }
    }
}

/// That an object is gone already is as good.
pub(super) fn ignore_absent<T>(result: Result<T, ApiError>) -> Result<(), ApiError> {
    match result {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}
