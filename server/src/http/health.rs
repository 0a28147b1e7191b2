//! Probes.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use catalyst_store::Store;
use http::StatusCode;
use serde_json::json;

use super::{AppState, errors};

/// `GET /api/health/liveness`: the process answers.
pub async fn liveness() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// `GET /api/health/readiness`: the store answers too; 503 otherwise.
pub async fn readiness(State(state): State<AppState>) -> Response {
    of_store(&state.store).await
}

/// Whether what needs the store can do its work.
pub async fn of_store(store: &Store) -> Response {
    match store.ping().await {
        Ok(()) => Json(json!({ "status": "ok" })).into_response(),
        Err(error) => {
            tracing::error!(error = %errors::chain(&error), "the store does not answer");
            let body = json!({ "status": "unavailable", "error": "the store does not answer" });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}
