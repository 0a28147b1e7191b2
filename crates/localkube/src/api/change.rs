//! Creating and replacing objects.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use serde_json::Value;

use super::request::{self, Query, accepted, check_kind};
use super::target::Asked;
use super::{Api, event_views, respond};
use crate::objects::write::{Part, Written};
use crate::objects::{ApiError, Cause};

/// `POST` to a collection.
pub(super) async fn create(
    api: &Arc<Api>,
    asked: &Asked,
    query: &Query,
    request: Request,
) -> Result<Response, ApiError> {
    let form = accepted(request.headers())?;
    let manager = query.manager(request.headers())?;
    let object = request::object(request).await?;
    check_kind(asked, &object)?;
    let namespace = match &asked.namespace {
        Some(namespace) => namespace.clone(),
        // Some clients post to the collection of all namespaces.
        None if asked.kind.namespaced => object["metadata"]["namespace"]
            .as_str()
            .unwrap_or("default")
            .to_owned(),
        None => String::new(),
    };
    let options = query.write_options(asked, &manager, "CreateOptions")?;
    let written = if asked.kind.stored_as.is_some() {
        let kind = api.objects.kinds().get("events")?;
        let options = crate::objects::write::WriteOptions {
            version: None,
            ..options
        };
        api.objects
            .create_object(&kind, &namespace, event_views::to_core(&object), &options)?
    } else {
        api.objects
            .create_object(&asked.kind, &namespace, object, &options)?
    };
    Ok(respond::written(asked, form, &written))
}

/// The part that a request writes.
pub(super) fn part(asked: &Asked) -> Part {
    if asked.subresource.as_deref() == Some("status") {
        Part::Status
    } else {
        Part::Main
    }
}

/// `PUT` of an object or of its status.
pub(super) async fn update(
    api: &Arc<Api>,
    asked: &Asked,
    query: &Query,
    request: Request,
) -> Result<Response, ApiError> {
    let form = accepted(request.headers())?;
    let manager = query.manager(request.headers())?;
    let object = request::object(request).await?;
    check_kind(asked, &object)?;
    let options = query.write_options(asked, &manager, "UpdateOptions")?;
    if object["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .is_empty()
    {
        return Err(ApiError::BadRequest(format!(
            "the name of the object ({} based on URL) was undeterminable: name must be provided",
            asked.name()
        )));
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    if name != asked.name() {
        return Err(ApiError::BadRequest(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            asked.name()
        )));
    }
    let versioned = object["metadata"]["resourceVersion"]
        .as_str()
        .is_some_and(|version| !version.is_empty());
    if asked.kind.custom && !versioned {
        return Err(ApiError::Invalid {
            kind: asked.kind.qualified(),
            name: asked.name().to_owned(),
            causes: vec![Cause::invalid(
                "metadata.resourceVersion",
                "0: must be specified for an update",
            )],
        });
    }
    let written = change(api, asked, part(asked), &options, &|_| Ok(object.clone()))?;
    Ok(respond::written(asked, form, &written))
}

/// Change an object of the kind that was asked for, which may be a view of another.
pub(super) fn change(
    api: &Api,
    asked: &Asked,
    part: Part,
    options: &crate::objects::write::WriteOptions<'_>,
    change: &dyn Fn(&Value) -> Result<Value, ApiError>,
) -> Result<Written, ApiError> {
    let (namespace, name) = (asked.namespace(), asked.name());
    if asked.kind.stored_as.is_none() {
        return api
            .objects
            .change_object(&asked.kind, namespace, name, part, options, change);
    }
    let kind = api.objects.kinds().get("events")?;
    let options = crate::objects::write::WriteOptions {
        version: None,
        ..*options
    };
    api.objects
        .change_object(&kind, namespace, name, part, &options, &|event| {
            Ok(event_views::to_core(&change(&event_views::from_core(
                event,
            ))?))
        })
}

/// `PUT` of a namespace's `finalize` subresource.
pub(super) async fn finalize(
    api: &Arc<Api>,
    asked: &Asked,
    request: Request,
) -> Result<Response, ApiError> {
    let object = request::object(request).await?;
    check_kind(asked, &object)?;
    let wanted = object["spec"]["finalizers"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let namespace = api
        .objects
        .finalize_namespace(asked.name(), &|finalizers| *finalizers = wanted.clone())?;
    Ok(respond::json(&namespace))
}
