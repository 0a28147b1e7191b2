//! `GET /api/internal/secrets/{environmentId}`: previews' secrets, for the operator.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use catalyst_previews::Previews;
use http::{HeaderMap, header};
use secrecy::ExposeSecret;
use serde_json::json;

use super::credentials::{bearer, refuse};

/// The route.
pub const PATH: &str = "/api/internal/secrets/{environment}";
/// What its paths begin with.
pub const PREFIX: &str = "/api/internal/";

/// 200 with `{secrets: {NAME: value}}`; 401 for everyone but the operator's own service account,
/// 404 for an Environment that is not there or may not run, 500 where they cannot be read.
pub async fn secrets(
    State(previews): State<Previews>,
    Path(environment): Path<String>,
    headers: HeaderMap,
) -> Response {
    let bearer = bearer(&headers);
    let asked = previews.environment_secrets(bearer.as_ref(), &environment);
    match asked.await {
        Ok(secrets) => {
            let secrets: BTreeMap<&str, &str> = secrets
                .iter()
                .map(|(name, value)| (name.as_str(), value.expose_secret()))
                .collect();
            let kept = [(header::CACHE_CONTROL, "no-store")];
            (kept, Json(json!({ "secrets": secrets }))).into_response()
        }
        Err(refusal) => refuse(&refusal),
    }
}
