//! Writing an answer.

use std::any::Any;
use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::event_views;
use super::request::Form;
use super::target::Asked;
use crate::objects::write::Written;
use crate::objects::{ApiError, Kind};

/// JSON with a status.
pub(super) fn with_status(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// A JSON document.
pub(super) fn json(value: &Value) -> Response {
    with_status(StatusCode::OK, value.to_string().into_bytes())
}

/// Plain text.
pub(super) fn text(text: &'static str) -> Response {
    Response::new(Body::from(text))
}

/// A refusal.
pub(super) fn error(error: &ApiError) -> Response {
    let mut response = with_status(error.code(), error.status().to_string().into_bytes());
    if matches!(
        error,
        ApiError::TooManyRequests(_) | ApiError::Unavailable(_)
    ) {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if matches!(error, ApiError::Internal(_)) {
        tracing::error!(%error, "the Kubernetes API failed a request");
    }
    response
}

/// A panic is a fault of this server, and ends nothing but its request.
pub(super) fn panicked(_panic: Box<dyn Any + Send>) -> Response {
    error(&ApiError::Internal(
        "the request could not be handled".to_owned(),
    ))
}

/// A success that has no object.
pub(super) fn success(kind: &Kind, object: &Value) -> Response {
    let mut details = json!({
        "name": object["metadata"]["name"],
        "kind": kind.plural,
        "uid": object["metadata"]["uid"],
    });
    if !kind.group.is_empty() {
        details["group"] = kind.group.clone().into();
    }
    json(&json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": details,
    }))
}

/// An object in the version of the request.
pub(super) fn in_version<'a>(asked: &Asked, object: &'a Value) -> Cow<'a, Value> {
    if asked.kind.stored_as.is_some() {
        return Cow::Owned(event_views::from_core(object));
    }
    let api_version = asked.kind.api_version(&asked.version);
    if object["apiVersion"] == api_version.as_str() {
        return Cow::Borrowed(object);
    }
    let mut object = object.clone();
    object["apiVersion"] = api_version.into();
    Cow::Owned(object)
}

/// The metadata of an object alone.
pub(super) fn metadata_only(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object["metadata"],
    })
}

/// What a write led to.
pub(super) fn written(asked: &Asked, form: Form, written: &Written) -> Response {
    let status = if written.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let object = in_version(asked, &written.object);
    let body = match form {
        Form::Metadata => metadata_only(&object).to_string(),
        _ => object.to_string(),
    };
    let mut response = with_status(status, body.into_bytes());
    for warning in &written.warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    response
}
