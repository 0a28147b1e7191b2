//! The one path of every write: shape, defaults, validation, admission, metadata, store.

mod apply;
mod change;
mod create;
mod shape;

use std::sync::Arc;

use serde_json::Value;

use super::kinds::{Kind, Version, resource};
use super::{ApiError, Objects, crd, metadata, validate};

/// Which part of an object a request writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All but the status, where that is a subresource.
    Main,
    /// The status alone.
    Status,
}

/// How a write is noted in `managedFields`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tracking<'a> {
    /// Not at all: the node and the controllers of this cluster.
    None,
    /// As an update by this manager.
    Update(&'a str),
    /// It already is: server-side apply.
    Applied,
}

/// What happens to fields that the schema does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    /// They are dropped.
    Ignore,
    /// They are dropped and named in a warning.
    Warn,
    /// The write is refused.
    Strict,
}

/// How a write is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WriteOptions<'a> {
    pub tracking: Tracking<'a>,
    /// The version that the request speaks; none: the storage version.
    pub version: Option<&'a str>,
    pub dry_run: bool,
    pub validation: FieldValidation,
    /// The subresource as `managedFields` names it.
    pub subresource: &'a str,
}

impl WriteOptions<'_> {
    /// For the node and the controllers.
    pub const INTERNAL: Self = Self {
        tracking: Tracking::None,
        version: None,
        dry_run: false,
        validation: FieldValidation::Ignore,
        subresource: "",
    };
}

/// What a write led to.
#[derive(Debug)]
pub(crate) struct Written {
    pub object: Arc<Value>,
    pub created: bool,
    /// Texts for `Warning` headers.
    pub warnings: Vec<String>,
}

/// A server-side apply.
pub(crate) struct Apply<'a> {
    pub config: Value,
    pub manager: &'a str,
    pub force: bool,
}

impl Objects {
    /// Remove an object of a revision for good; none where it changed in between.
    pub(crate) fn remove(
        &self,
        kind: &Kind,
        key: &super::store::Key,
        revision: u64,
        last: Option<Value>,
    ) -> Result<Option<Arc<Value>>, ApiError> {
        let removed = self.store.remove(&kind.stored_in(), key, revision, last)?;
        if let Some(object) = &removed
            && kind.resource() == resource::CUSTOM_RESOURCE_DEFINITIONS
        {
            self.kinds.unregister(&crd::resource_of(object));
        }
        Ok(removed)
    }
}

/// Whether nothing holds an object that is being deleted.
pub(crate) fn may_vanish(kind: &Kind, object: &Value) -> bool {
    let running = kind.resource() == resource::PODS
        && object["metadata"]["deletionGracePeriodSeconds"]
            .as_i64()
            .unwrap_or_default()
            > 0;
    let filled = kind.resource() == resource::NAMESPACES
        && validate::items(&object["spec"]["finalizers"])
            .next()
            .is_some();
    metadata::is_terminating(object)
        && metadata::finalizers(object).next().is_none()
        && !running
        && !filled
}

fn version<'a>(kind: &'a Kind, options: &WriteOptions<'_>) -> Result<&'a Version, ApiError> {
    match options.version {
        Some(name) => kind.served(name).ok_or(ApiError::NoSuchResource),
        None => Ok(kind.storage()),
    }
}

/// State what the object is and where; refuse it where it states something else.
fn identify(
    kind: &Kind,
    version: &Version,
    namespace: &str,
    name: &str,
    object: &mut Value,
) -> Result<(), ApiError> {
    let differs = |value: &Value, expected: &str| {
        value
            .as_str()
            .is_some_and(|text| !text.is_empty() && text != expected)
    };
    let metadata = &object["metadata"];
    if differs(&metadata["name"], name) {
        return Err(ApiError::BadRequest(format!(
            "the name of the object ({}) does not match the name on the URL ({name})",
            metadata["name"].as_str().unwrap_or_default()
        )));
    }
    if differs(&metadata["namespace"], namespace) {
        return Err(ApiError::BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
                .to_owned(),
        ));
    }
    object["apiVersion"] = kind.api_version(&version.name).into();
    object["kind"] = kind.kind.clone().into();
    object["metadata"]["name"] = name.into();
    let namespace = kind.namespaced.then(|| Value::from(namespace));
    set_or_remove(&mut object["metadata"], "namespace", namespace.as_ref());
    Ok(())
}

fn to_storage(kind: &Kind, object: &mut Value) {
    object["apiVersion"] = kind.api_version(&kind.storage().name).into();
}

fn set_or_remove(object: &mut Value, field: &str, value: Option<&Value>) {
    if let Some(map) = object.as_object_mut() {
        match value {
            Some(value) => map.insert(field.to_owned(), value.clone()),
            None => map.remove(field),
        };
    }
}
