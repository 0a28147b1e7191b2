//! `POST /api/github/webhook`: the door through which GitHub speaks.
//!
//! The signature is checked over the bytes as they came, before anything reads them; the answer
//! is given once the delivery is stored, whatever happens to it later.

use axum::{
    Json,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use catalyst_previews::IncomingDelivery;
use http::{Request, StatusCode};
use serde_json::json;

use super::{AppState, errors};

/// GitHub's own limit on a payload.
const MAX_BODY: usize = 25 * 1024 * 1024;

/// Takes a delivery. 401 for a bad or missing signature, 400 for headers that no GitHub sends,
/// 413 above 25 MB, 503 if it could not be stored (GitHub lists it as failed, for sending anew),
/// otherwise 200.
pub async fn receive(State(state): State<AppState>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is larger than 25 MB, or broke off",
        );
    };
    let delivery = match state.webhook_secrets.authenticate(&parts.headers, &body) {
        Ok(delivery) => delivery,
        Err(rejected) if rejected.is_unauthorized() => {
            return refuse(StatusCode::UNAUTHORIZED, &rejected.to_string());
        }
        Err(rejected) => return refuse(StatusCode::BAD_REQUEST, &rejected.to_string()),
    };
    let delivery = IncomingDelivery {
        id: delivery.id,
        event: delivery.event,
        body,
    };
    match state.previews.receive(delivery).await {
        Ok(receipt) => Json(receipt).into_response(),
        Err(error) => errors::json(&error),
    }
}

fn refuse(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "success": false, "error": error }))).into_response()
}
