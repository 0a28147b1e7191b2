//! Probes.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::json;

use super::{AppState, errors};

/// `GET /api/health/liveness`: the process answers.
pub async fn liveness() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// `GET /api/health/readiness`: the store answers too; 503 otherwise.
pub async fn readiness(State(state): State<AppState>) -> Response {
    match state.store.ping().await {
        Ok(()) => Json(json!({ "status": "ok" })).into_response(),
        Err(error) => {
            tracing::error!(error = %errors::chain(&error), "the store does not answer");
            let body = json!({ "status": "unavailable", "error": "the store does not answer" });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}
