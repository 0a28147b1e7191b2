//! The shape of an object: what its schema knows, defaults, what makes it valid, who wrote what.

use serde_json::Value;

use super::{FieldValidation, Tracking, WriteOptions, set_or_remove};
use crate::objects::apply::{self, Manager};
use crate::objects::kinds::{Kind, Version, resource};
use crate::objects::schema::{check_types, fill_defaults, missing_fields, prune};
use crate::objects::{
    ApiError, Cause, Objects, admission, crd, defaults, metadata, pod_security, validate,
};

impl Objects {
    /// Bring an object into the shape of its schema.
    pub(super) fn shape(
        &self,
        kind: &Kind,
        version: &Version,
        object: &mut Value,
        options: &WriteOptions<'_>,
    ) -> Result<Vec<String>, ApiError> {
        let unknown = prune(version.schema.root(), object);
        let warnings = unknown_fields(kind, version, unknown, options)?;
        type_errors(kind, version, object)?;
        fill_defaults(version.schema.root(), object);
        if !kind.custom {
            defaults::fill(kind, object);
            // Objects that came with the first round may have defaults of their own.
            fill_defaults(version.schema.root(), object);
        }
        Ok(warnings)
    }

    /// Hold an object to the labels of its namespace; returns warnings.
    pub(super) fn pod_security(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
        object: &Value,
    ) -> Result<Vec<String>, ApiError> {
        let Ok(labelled) = self.get(resource::NAMESPACES, "", namespace) else {
            return Ok(Vec::new());
        };
        pod_security::judge(kind, &labelled, object)
            .map_err(|refusal| ApiError::forbidden(kind.resource(), name, refusal))
    }

    pub(super) fn validate(
        &self,
        kind: &Kind,
        version: &Version,
        current: Option<&Value>,
        object: &mut Value,
    ) -> Result<(), ApiError> {
        let mut causes = Vec::new();
        metadata::validate(&kind.resource(), object, &mut causes);
        if let Some(current) = current
            && metadata::is_terminating(current)
        {
            let added: Vec<String> = metadata::finalizers(object)
                .filter(|name| !metadata::finalizers(current).any(|known| known == *name))
                .map(|name| format!("{name:?}"))
                .collect();
            if !added.is_empty() {
                causes.push(Cause {
                    reason: "FieldValueForbidden",
                    field: "metadata.finalizers".to_owned(),
                    message: format!(
                        "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                        added.join(", ")
                    ),
                });
            }
        }
        if kind.resource() == resource::NAMESPACES {
            pod_security::validate_labels(object, &mut causes);
        }
        if kind.custom {
            if let Some(validator) = &version.validator {
                causes.extend(crd::violations(validator, object, current));
            }
        } else {
            causes.extend(missing_fields(
                version.schema.root().field("spec"),
                &object["spec"],
                "spec",
            ));
            let unchanged = current.is_some_and(|current| {
                current["spec"] == object["spec"] && object.get("data") == current.get("data")
            });
            if causes.is_empty() && !unchanged {
                validate::object(kind, object, &mut causes);
            }
            if let Some(current) = current {
                validate::update(kind, current, object, &mut causes);
            }
            if causes.is_empty() && kind.resource() == resource::CUSTOM_RESOURCE_DEFINITIONS {
                crd::prepare(&self.kinds, current, object, &mut causes);
            }
        }
        if let Some(message) = validate::undecodable(&causes) {
            return Err(undecodable(kind, version, message));
        }
        admission::invalid(kind, object, causes)
    }
}

pub(super) fn track(
    kind: &Kind,
    version: &Version,
    current: Option<&Value>,
    object: &mut Value,
    options: &WriteOptions<'_>,
) {
    match options.tracking {
        Tracking::Applied => {}
        Tracking::None => {
            let managed = current.and_then(|current| current["metadata"].get("managedFields"));
            set_or_remove(&mut object["metadata"], "managedFields", managed);
        }
        Tracking::Update(name) => apply::track_update(
            version.schema.root(),
            current,
            object,
            &Manager {
                name,
                api_version: &kind.api_version(&version.name),
                subresource: options.subresource,
                has_status: version.status,
                now: &metadata::now(),
            },
        ),
    }
}

pub(super) fn unknown_fields(
    kind: &Kind,
    version: &Version,
    unknown: Vec<String>,
    options: &WriteOptions<'_>,
) -> Result<Vec<String>, ApiError> {
    let unknown = unknown
        .into_iter()
        .map(|field| format!("unknown field {field:?}"));
    match options.validation {
        FieldValidation::Ignore => Ok(Vec::new()),
        FieldValidation::Warn => Ok(unknown.collect()),
        FieldValidation::Strict => {
            let unknown: Vec<String> = unknown.collect();
            if unknown.is_empty() {
                return Ok(unknown);
            }
            Err(ApiError::BadRequest(format!(
                "{} in version {:?} cannot be handled as a {}: strict decoding error: {}",
                kind.kind,
                version.name,
                kind.kind,
                unknown.join(", ")
            )))
        }
    }
}

/// Wrong types in a built-in kind cannot be decoded at all; those in a custom one are invalid.
pub(super) fn type_errors(kind: &Kind, version: &Version, object: &Value) -> Result<(), ApiError> {
    if kind.custom {
        let mut causes = check_types(version.schema.root().field("metadata"), &object["metadata"]);
        causes
            .iter_mut()
            .for_each(|cause| cause.field = format!("metadata.{}", cause.field));
        return admission::invalid(kind, object, causes);
    }
    match check_types(version.schema.root(), object).first() {
        None => Ok(()),
        Some(cause) => Err(undecodable(
            kind,
            version,
            &format!("{}: {}", cause.field, cause.message),
        )),
    }
}

fn undecodable(kind: &Kind, version: &Version, message: &str) -> ApiError {
    ApiError::BadRequest(format!(
        "{} in version {:?} cannot be handled as a {}: {message}",
        kind.kind, version.name, kind.kind
    ))
}
