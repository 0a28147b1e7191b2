//! `GET /api/git-token/{installationId}`: credentials for the container that clones a private
//! repository.
//!
//! Pods of previews reach it at a port where nothing else answers, so that the network policy that
//! lets them out to it opens no way to the dashboard.

use std::{future::IntoFuture, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, State},
    middleware::from_fn,
    response::{IntoResponse, Response},
    routing::get,
};
use catalyst_previews::{Previews, Refusal};
use http::{HeaderMap, StatusCode, header};
use secrecy::SecretString;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use super::{AppState, errors, guard};

/// The route.
pub const PATH: &str = "/api/git-token/{installation}";
/// What its paths begin with.
pub const PREFIX: &str = "/api/git-token/";

/// How many requests are looked at together; the others wait. Code of pull requests may knock
/// here as often as it likes.
const TOGETHER: usize = 16;
/// How long a request may take, its wait included.
const PATIENCE: Duration = Duration::from_secs(25);

/// Answers on this listener, which pods of previews may reach, until the handle is dropped.
pub fn serve(listener: TcpListener, previews: Previews) -> AbortOnDropHandle<std::io::Result<()>> {
    let app = Router::new()
        .route(PATH, get(at_the_door))
        .layer(GlobalConcurrencyLimitLayer::new(TOGETHER))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            PATIENCE,
        ))
        .layer(from_fn(guard::harden))
        .with_state(Arc::new(previews));
    AbortOnDropHandle::new(tokio::spawn(axum::serve(listener, app).into_future()))
}

async fn at_the_door(
    State(previews): State<Arc<Previews>>,
    Path(installation): Path<String>,
    headers: HeaderMap,
) -> Response {
    answer(&previews, &installation, &headers).await
}

/// 200 with the token as plain text; 400 for what is no installation, 401 without a good token of
/// a service account, 403 where the Project names another installation, 404 for `pat` where that
/// is switched off, 500 where GitHub gives none.
pub async fn git_token(
    State(state): State<AppState>,
    Path(installation): Path<String>,
    headers: HeaderMap,
) -> Response {
    answer(&state.previews, &installation, &headers).await
}

async fn answer(previews: &Previews, installation: &str, headers: &HeaderMap) -> Response {
    use secrecy::ExposeSecret;
    let token = previews
        .git_token(bearer(headers).as_ref(), installation)
        .await;
    match token {
        Ok(token) => {
            let plain = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (plain, token.expose_secret().to_owned()).into_response()
        }
        Err(refusal) => refuse(&refusal),
    }
}

/// The token of an `Authorization: Bearer …`.
#[must_use]
pub fn bearer(headers: &HeaderMap) -> Option<SecretString> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.into())
}

/// A refusal as an answer; what lies beneath it goes to the log alone.
#[must_use]
pub fn refuse(refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::Unauthenticated => StatusCode::UNAUTHORIZED,
        Refusal::Forbidden(_) => StatusCode::FORBIDDEN,
        Refusal::NotFound(_) => StatusCode::NOT_FOUND,
        Refusal::Invalid(_) => StatusCode::BAD_REQUEST,
        Refusal::Unavailable { .. } => {
            tracing::error!(error = %errors::chain(refusal), "credentials could not be given");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    let body = Json(json!({ "success": false, "error": refusal.to_string() }));
    let mut response = (status, [(header::CACHE_CONTROL, "no-store")], body).into_response();
    if status == StatusCode::UNAUTHORIZED {
        let scheme = http::HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, scheme);
    }
    response
}

#[cfg(test)]
mod whole;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_bearer_is_read_whatever_the_case_of_the_scheme() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            bearer(&headers).map(|token| token.expose_secret().to_owned())
        };
        assert_eq!(read("Bearer a.b.c").as_deref(), Some("a.b.c"));
        assert_eq!(read("bearer  a.b.c ").as_deref(), Some("a.b.c"));
        for bad in ["a.b.c", "Basic a.b.c", "Bearer ", "Bearer"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!(bearer(&HeaderMap::new()).is_none());
    }
}
