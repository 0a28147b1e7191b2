//! Changing an object that is there.

use std::sync::Arc;

use serde_json::{Value, json};

use super::shape::track;
use super::{
    Part, Tracking, WriteOptions, Written, identify, may_vanish, set_or_remove, to_storage, version,
};
use crate::objects::kinds::{Kind, Version, resource};
use crate::objects::store::{Expect, revision_of};
use crate::objects::{ATTEMPTS, ApiError, Objects, Selector, crd, metadata, pod_security};

impl Objects {
    /// Change an object: `change` gets the present one (in the request's version) and gives the
    /// wanted one; it may run several times.
    pub(crate) fn change_object(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        part: Part,
        options: &WriteOptions<'_>,
        change: &dyn Fn(&Value) -> Result<Value, ApiError>,
    ) -> Result<Written, ApiError> {
        let _crd_lock = self.crd_lock(kind);
        let resource = kind.stored_in();
        for _ in 0..ATTEMPTS {
            let current = self.get(&resource, namespace, name)?;
            let version = version(kind, options)?;
            let mut seen = Value::clone(&current);
            seen["apiVersion"] = kind.api_version(&version.name).into();
            let wanted = change(&seen)?;
            check_preconditions(kind, name, &current, &wanted)?;
            let (object, mut warnings) = self.updated(
                kind,
                version,
                (namespace, name),
                part,
                &seen,
                wanted,
                options,
            )?;
            let unchanged = object == *current;
            if !unchanged {
                warnings.extend(self.changed_security(kind, namespace, name, &current, &object)?);
            }
            if unchanged || options.dry_run {
                let object = if unchanged { current } else { Arc::new(object) };
                return Ok(Written {
                    object,
                    created: false,
                    warnings,
                });
            }
            let key = (namespace.to_owned(), name.to_owned());
            let revision = revision_of(&current);
            let written = if may_vanish(kind, &object) {
                self.remove(kind, &key, revision, Some(object))?
            } else {
                let written = self.store.put(
                    &resource,
                    key,
                    Expect::Revision(revision),
                    object,
                    |_, _| Ok(()),
                )?;
                if let Some(object) = &written
                    && kind.resource() == resource::CUSTOM_RESOURCE_DEFINITIONS
                {
                    self.kinds.register(crd::kind_of(object)?);
                }
                written
            };
            if let Some(object) = written {
                return Ok(Written {
                    object,
                    created: false,
                    warnings,
                });
            }
        }
        Err(ApiError::modified(kind.resource(), name))
    }

    /// What Pod Security says of a change: of what makes pods, and of the labels of a namespace. A pod itself cannot
    /// change what it was let in with.
    fn changed_security(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        before: &Value,
        object: &Value,
    ) -> Result<Vec<String>, ApiError> {
        match kind.resource().as_str() {
            resource::NAMESPACES
                if before["metadata"]["labels"] != object["metadata"]["labels"] =>
            {
                let pods = self.list(resource::PODS, Some(name), &Selector::everything())?;
                let pods = pods.items.iter().map(Arc::as_ref);
                Ok(pod_security::existing(before, object, pods))
            }
            resource::PODS => Ok(Vec::new()),
            _ if before["spec"]["template"] != object["spec"]["template"] => {
                self.pod_security(kind, namespace, name, object)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The object as it will be after an update.
    #[allow(
        clippy::too_many_arguments,
        reason = "one step of change_object, split for reading"
    )]
    fn updated(
        &self,
        kind: &Kind,
        version: &Version,
        (namespace, name): (&str, &str),
        part: Part,
        current: &Value,
        wanted: Value,
        options: &WriteOptions<'_>,
    ) -> Result<(Value, Vec<String>), ApiError> {
        let mut object = match part {
            Part::Main => {
                let mut object = wanted;
                if version.status {
                    set_or_remove(&mut object, "status", current.get("status"));
                }
                object
            }
            Part::Status => {
                let mut object = current.clone();
                set_or_remove(&mut object, "status", wanted.get("status"));
                let managed = wanted["metadata"].get("managedFields");
                set_or_remove(&mut object["metadata"], "managedFields", managed);
                object
            }
        };
        if !object["metadata"].is_object() {
            object["metadata"] = json!({});
        }
        metadata::keep_server_fields(&mut object, current);
        let finalizing = options.tracking == Tracking::None || options.subresource == "finalize";
        if kind.resource() == resource::NAMESPACES && !finalizing {
            set_or_remove(&mut object, "spec", current.get("spec"));
        }
        identify(kind, version, namespace, name, &mut object)?;
        let warnings = self.shape(kind, version, &mut object, options)?;
        if kind.resource() == resource::SERVICES {
            keep_cluster_ip(&mut object, current);
        }
        self.validate(kind, version, Some(current), &mut object)?;
        if has_generation(kind) && part == Part::Main && spec_changed(version, current, &object) {
            let generation = current["metadata"]["generation"]
                .as_i64()
                .unwrap_or_default();
            object["metadata"]["generation"] = (generation + 1).into();
        }
        track(kind, version, Some(current), &mut object, options);
        metadata::drop_empty(&mut object);
        to_storage(kind, &mut object);
        Ok((object, warnings))
    }
}

fn check_preconditions(
    kind: &Kind,
    name: &str,
    current: &Value,
    wanted: &Value,
) -> Result<(), ApiError> {
    let given = |field: &str| {
        wanted["metadata"][field]
            .as_str()
            .filter(|text| !text.is_empty())
    };
    if let Some(uid) = given("uid")
        && current["metadata"]["uid"] != uid
    {
        return Err(ApiError::Conflict {
            resource: kind.resource(),
            name: name.to_owned(),
            message: format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                current["metadata"]["uid"].as_str().unwrap_or_default()
            ),
        });
    }
    if let Some(revision) = given("resourceVersion")
        && current["metadata"]["resourceVersion"] != revision
    {
        return Err(ApiError::modified(kind.resource(), name));
    }
    Ok(())
}

/// Whether the server counts changes of the spec for a kind.
pub(super) fn has_generation(kind: &Kind) -> bool {
    kind.custom
        || matches!(
            kind.group.as_str(),
            "apps" | "batch" | "networking.k8s.io" | "policy" | "apiextensions.k8s.io"
        )
        || kind.resource() == resource::PODS
}

fn spec_changed(version: &Version, before: &Value, after: &Value) -> bool {
    let parts = |object: &Value| {
        let mut object = object.clone();
        if let Some(map) = object.as_object_mut() {
            map.remove("metadata");
            if version.status {
                map.remove("status");
            }
        }
        object
    };
    parts(before) != parts(after)
}

/// A Service keeps its address where an update leaves it out.
fn keep_cluster_ip(object: &mut Value, current: &Value) {
    let wants = object["spec"]["type"] != "ExternalName";
    for field in ["clusterIP", "clusterIPs"] {
        let given = match &object["spec"][field] {
            Value::String(address) => !address.is_empty(),
            Value::Array(addresses) => !addresses.is_empty(),
            _ => false,
        };
        if wants
            && !given
            && let Some(value) = current["spec"].get(field)
        {
            object["spec"][field] = value.clone();
        }
    }
}
