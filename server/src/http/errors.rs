//! How an error of a use case is answered over HTTP.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
pub use catalyst_cluster::chain;
use catalyst_previews::{Error, ErrorKind};
use http::StatusCode;
use serde_json::json;

/// The status that belongs to a kind of error.
#[must_use]
pub fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The error as JSON, without what lies beneath it: that goes to the log alone.
#[must_use]
pub fn json(error: &Error) -> Response {
    if error.kind() == ErrorKind::Unavailable {
        tracing::error!(error = %chain(error), "a request could not be served");
    }
    let body = json!({ "success": false, "error": error.to_string() });
    (status(error.kind()), Json(body)).into_response()
}
