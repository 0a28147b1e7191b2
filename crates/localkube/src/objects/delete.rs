//! Deletion: at once, or begun and left to the node, to finalizers and to the collector.

use std::sync::Arc;

use serde_json::{Value, json};

use super::kinds::{Kind, resource};
use super::store::{Expect, revision_of};
use super::write::may_vanish;
use super::{ATTEMPTS, ApiError, DeleteOptions, Objects, Propagation, metadata};

/// Held by an object that goes after what it owns.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// Held by an object until what it owns no longer refers to it.
pub(crate) const ORPHAN: &str = "orphan";

/// Namespaces that no cluster can do without.
const PERMANENT: [&str; 3] = ["default", "kube-system", "kube-public"];

/// What a deletion led to.
#[derive(Debug)]
pub(crate) struct Deleted {
    /// The object as it is now, or was last.
    pub object: Arc<Value>,
    /// Whether it is gone.
    pub gone: bool,
}

impl Objects {
    /// See [`Objects::delete`].
    pub(crate) fn delete_object(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        options: &DeleteOptions,
        dry_run: bool,
    ) -> Result<Deleted, ApiError> {
        if kind.resource() == resource::NAMESPACES && PERMANENT.contains(&name) {
            let why = "this namespace may not be deleted";
            return Err(ApiError::forbidden(kind.resource(), name, why));
        }
        let _crd_lock = self.crd_lock(kind);
        let resource = kind.stored_in();
        let key = (namespace.to_owned(), name.to_owned());
        for _ in 0..ATTEMPTS {
            let current = self.get(&resource, namespace, name)?;
            check_preconditions(kind, name, &current, options)?;
            let marked = mark(kind, &current, options);
            let revision = revision_of(&current);
            if may_vanish(kind, &marked) {
                if dry_run {
                    return Ok(Deleted {
                        object: current,
                        gone: true,
                    });
                }
                if let Some(object) = self.remove(kind, &key, revision, Some(marked))? {
                    return Ok(Deleted { object, gone: true });
                }
                continue;
            }
            if dry_run || marked == *current {
                return Ok(Deleted {
                    object: current,
                    gone: false,
                });
            }
            let expect = Expect::Revision(revision);
            if let Some(object) =
                self.store
                    .put(&resource, key.clone(), expect, marked, |_, _| Ok(()))?
            {
                return Ok(Deleted {
                    object,
                    gone: false,
                });
            }
        }
        Err(ApiError::modified(kind.resource(), name))
    }
}

fn check_preconditions(
    kind: &Kind,
    name: &str,
    current: &Value,
    options: &DeleteOptions,
) -> Result<(), ApiError> {
    let metadata = &current["metadata"];
    let conflict = |message: String| {
        Err(ApiError::Conflict {
            resource: kind.qualified(),
            name: name.to_owned(),
            message,
        })
    };
    let record = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
    if let Some(wanted) = &options.uid
        && record("uid") != *wanted
    {
        return conflict(format!(
            "the UID in the precondition ({wanted}) does not match the UID in record ({}). The object might have \
             been deleted and then recreated",
            record("uid")
        ));
    }
    if let Some(wanted) = &options.resource_version
        && record("resourceVersion") != *wanted
    {
        return conflict(format!(
            "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record ({}). \
             The object might have been modified",
            record("resourceVersion")
        ));
    }
    Ok(())
}

/// The object with its deletion begun.
fn mark(kind: &Kind, current: &Value, options: &DeleteOptions) -> Value {
    let mut object = current.clone();
    let first = !metadata::is_terminating(current);
    let grace = grace_period(kind, current, options);
    let present = current["metadata"]["deletionGracePeriodSeconds"].as_i64();
    let metadata = &mut object["metadata"];
    if first || present.is_some_and(|present| grace < present) {
        let deadline = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(grace);
        metadata["deletionTimestamp"] = metadata::time(deadline).into();
        metadata["deletionGracePeriodSeconds"] = grace.into();
    }
    if first && let Some(generation) = metadata["generation"].as_i64() {
        metadata["generation"] = (generation + 1).into();
    }
    let mut finalizers: Vec<Value> = metadata["finalizers"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    if first {
        finalizers.retain(|name| name != FOREGROUND && name != ORPHAN);
        match options.propagation {
            Propagation::Background => {}
            Propagation::Foreground => finalizers.push(FOREGROUND.into()),
            Propagation::Orphan => finalizers.push(ORPHAN.into()),
        }
    }
    if finalizers.is_empty() {
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.remove("finalizers");
        }
    } else {
        metadata["finalizers"] = Value::Array(finalizers);
    }
    if kind.resource() == resource::NAMESPACES {
        object["status"]["phase"] = "Terminating".into();
    }
    if first && kind.resource() == resource::CUSTOM_RESOURCE_DEFINITIONS {
        let condition = json!({
            "type": "Terminating", "status": "True", "reason": "InstanceDeletionPending",
            "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
            "lastTransitionTime": metadata::now(),
        });
        if let Some(conditions) = object["status"]["conditions"].as_array_mut() {
            conditions.push(condition);
        }
    }
    object
}

/// Seconds that the node has to end a pod; other kinds have none.
fn grace_period(kind: &Kind, current: &Value, options: &DeleteOptions) -> i64 {
    if kind.resource() != resource::PODS {
        return 0;
    }
    let ended = matches!(
        current["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed")
    );
    if ended
        || current["spec"]["nodeName"]
            .as_str()
            .unwrap_or_default()
            .is_empty()
    {
        return 0;
    }
    let spec = current["spec"]["terminationGracePeriodSeconds"].as_i64();
    match options.grace_period_seconds.or(spec) {
        Some(seconds) if seconds >= 0 => seconds,
        Some(_) => 1,
        None => 30,
    }
}
