//! `GET /api/environments/{namespace}/status` and `/pods`: one Environment, for programs with a
//! session.

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::header;
use serde_json::{Value, json};

use super::{AppState, errors, session::SignedIn};

/// `{status, phase, url, namespace, crName, conditions}`; 400 for what is no namespace's name, 404
/// where it holds no Environment that one may see.
pub async fn status(
    State(state): State<AppState>,
    SignedIn(actor): SignedIn,
    Path(namespace): Path<String>,
) -> Response {
    match state.previews.environment_in(&actor, &namespace).await {
        Ok(page) => answer(json!({
            "status": page.brief.phase.preview_status().as_str(),
            "phase": page.brief.phase.as_str(),
            "url": page.brief.url,
            "namespace": page.brief.namespace,
            "crName": page.brief.name,
            "conditions": page.conditions,
        })),
        Err(error) => errors::json(&error),
    }
}

/// `{pods}`, newest first, each with its init and main containers.
pub async fn pods(
    State(state): State<AppState>,
    SignedIn(actor): SignedIn,
    Path(namespace): Path<String>,
) -> Response {
    match state.previews.environment_in(&actor, &namespace).await {
        Ok(page) => answer(json!({ "pods": page.pods })),
        Err(error) => errors::json(&error),
    }
}

fn answer(body: Value) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
