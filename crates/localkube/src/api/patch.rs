//! `PATCH`: the four patch types.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use serde_json::Value;

use super::change::{change, part};
use super::request::{self, Query, accepted, check_kind, content_type};
use super::target::Asked;
use super::{Api, respond};
use crate::objects::patch::Patch;
use crate::objects::write::Apply;
use crate::objects::{ApiError, Cause, Kind};

/// The body of a `PATCH`.
pub(super) enum PatchBody {
    /// Changes the object by itself.
    Change(Patch),
    /// Server-side apply.
    Apply(Value),
}

/// Read the body by its media type.
pub(super) async fn read(kind: &Kind, request: Request) -> Result<PatchBody, ApiError> {
    let media_type = content_type(request.headers());
    let bytes = request::bytes(request.into_body()).await?;
    let document = |yaml| request::decode(&bytes, yaml);
    let object = |yaml| match document(yaml)? {
        object @ Value::Object(_) => Ok(object),
        _ => Err(ApiError::BadRequest(
            "the patch must be an object".to_owned(),
        )),
    };
    Ok(match media_type.as_str() {
        "application/apply-patch+yaml" => PatchBody::Apply(object(true)?),
        "application/merge-patch+json" => PatchBody::Change(Patch::Merge(object(false)?)),
        "application/strategic-merge-patch+json" if !kind.custom => {
            PatchBody::Change(Patch::Strategic(object(false)?))
        }
        "application/json-patch+json" => {
            let patch = serde_json::from_value(document(false)?).map_err(|error| {
                ApiError::BadRequest(format!("the body is not a JSON patch: {error}"))
            })?;
            PatchBody::Change(Patch::Json(patch))
        }
        _ => {
            let mut types = vec![
                "application/json-patch+json",
                "application/merge-patch+json",
            ];
            if !kind.custom {
                types.push("application/strategic-merge-patch+json");
            }
            types.push("application/apply-patch+yaml");
            return Err(ApiError::UnsupportedMediaType(types.join(", ")));
        }
    })
}

/// `PATCH` of an object or of its status.
pub(super) async fn patch(
    api: &Arc<Api>,
    asked: &Asked,
    query: &Query,
    request: Request,
) -> Result<Response, ApiError> {
    let form = accepted(request.headers())?;
    let manager = query.manager(request.headers())?;
    let body = read(&asked.kind, request).await?;
    let options = query.write_options(asked, &manager, "PatchOptions")?;
    let written = match body {
        PatchBody::Change(patch) => {
            if query.flag("force") {
                let cause = Cause::forbidden("force", "may not be specified for non-apply patch");
                return Err(ApiError::invalid_options("PatchOptions", cause));
            }
            let schema = &asked
                .kind
                .served(&asked.version)
                .ok_or(ApiError::NoSuchResource)?
                .schema;
            change(api, asked, part(asked), &options, &|object| {
                let wanted = patch.apply(schema, object)?;
                keeps_uid(asked, object, &wanted)?;
                Ok(wanted)
            })?
        }
        PatchBody::Apply(config) => {
            check_apply(asked, query, &config)?;
            let apply = Apply {
                config,
                manager: &manager,
                force: query.flag("force"),
            };
            let (namespace, name) = (asked.namespace(), asked.name());
            api.objects
                .apply_object(&asked.kind, namespace, name, part(asked), apply, &options)?
        }
    };
    Ok(respond::written(asked, form, &written))
}

/// A patch is of the object that is there, and of no other.
fn keeps_uid(asked: &Asked, object: &Value, wanted: &Value) -> Result<(), ApiError> {
    match wanted["metadata"]["uid"].as_str() {
        Some(uid) if object["metadata"]["uid"] != uid => Err(ApiError::Invalid {
            kind: asked.kind.qualified(),
            name: asked.name().to_owned(),
            causes: vec![Cause::invalid(
                "metadata.uid",
                format!("{uid:?}: field is immutable"),
            )],
        }),
        _ => Ok(()),
    }
}

/// What an applied configuration must say.
pub(super) fn check_apply(asked: &Asked, query: &Query, config: &Value) -> Result<(), ApiError> {
    if query.get("fieldManager").is_none() {
        let cause = Cause::required("fieldManager", "is required for apply patch");
        return Err(ApiError::invalid_options("PatchOptions", cause));
    }
    for field in ["apiVersion", "kind"] {
        if config[field].as_str().unwrap_or_default().is_empty() {
            return Err(ApiError::BadRequest(format!(
                "an applied configuration must set {field}"
            )));
        }
    }
    if asked.kind.stored_as.is_some() {
        return Err(ApiError::UnsupportedMediaType(
            "application/merge-patch+json".to_owned(),
        ));
    }
    check_kind(asked, config)?;
    match config["metadata"]["name"].as_str() {
        None => Ok(()),
        Some(name) if name == asked.name() => Ok(()),
        Some(name) => Err(ApiError::BadRequest(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            asked.name()
        ))),
    }
}
