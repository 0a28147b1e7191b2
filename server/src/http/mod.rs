//! The HTTP server: which path leads where, and what every request passes on its way.

mod agents;
pub mod credentials;
mod environments;
pub mod errors;
pub mod guard;
mod health;
pub mod inside;
mod internal;
pub mod limits;
mod pages;
mod request_id;
#[cfg(test)]
mod rights;
pub mod session;
mod shell;
mod sign_in;
mod streams;
mod tokens;
mod webhook;

use std::{path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::FromRef,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};
use catalyst_github::{sign_in::SignIn, webhook::WebhookSecrets};
use catalyst_previews::Previews;
use catalyst_store::Store;
use leptos::config::LeptosOptions;
use tokio_util::sync::CancellationToken;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    timeout::RequestBodyTimeoutLayer,
    trace::TraceLayer,
};

pub use agents::MCP_PATH;
use guard::Origins;
use limits::SignInLimits;
pub use sign_in::CALLBACK_PATH;

/// Where GitHub delivers its webhooks.
pub const WEBHOOK_PATH: &str = "/api/github/webhook";

/// What the handlers work with.
#[derive(Clone)]
pub struct AppState {
    /// The use cases.
    pub previews: Previews,
    /// The database, for sessions and probes.
    pub store: Store,
    /// What webhooks are signed with.
    pub webhook_secrets: Arc<WebhookSecrets>,
    /// Our address as people know it, without a slash at its end.
    pub public_url: String,
    /// Our own addresses.
    pub origins: Origins,
    /// GitHub as the one who tells who visitors are; none where it is not set up.
    pub sign_in: Option<SignIn>,
    /// How often one may try to sign in.
    pub limits: Arc<SignInLimits>,
    /// Where the pages' files are.
    pub leptos: LeptosOptions,
    /// Ends open streams.
    pub shutdown: CancellationToken,
}

impl FromRef<AppState> for LeptosOptions {
    fn from_ref(state: &AppState) -> Self {
        state.leptos.clone()
    }
}

impl FromRef<AppState> for Previews {
    fn from_ref(state: &AppState) -> Self {
        state.previews.clone()
    }
}

impl FromRef<AppState> for Origins {
    fn from_ref(state: &AppState) -> Self {
        state.origins.clone()
    }
}

/// How the pages find their files: the folder that holds `pkg/`, fonts and icons.
#[must_use]
pub fn leptos_options(site: &std::path::Path, listen: std::net::SocketAddr) -> LeptosOptions {
    LeptosOptions::builder()
        .output_name("catalyst")
        .site_root(site.display().to_string())
        .site_pkg_dir("pkg")
        .site_addr(listen)
        .env(leptos::config::Env::PROD)
        .build()
}

/// Where the pages' files are: beside the executable as installed, else where a build from source
/// puts them.
#[must_use]
pub fn site_folder() -> PathBuf {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| exe.parent().map(|folder| folder.join("site")))
        .filter(|site| site.is_dir());
    beside.unwrap_or_else(|| PathBuf::from("target/site"))
}

/// All routes.
///
/// Layers run from the last to the first: a request is given its id, traced, its panics caught,
/// its Host and Origin checked, and its session looked up, before a handler sees it.
pub fn router(state: AppState, sessions: session::Sessions, secure: bool) -> Router {
    let browser = Router::new()
        .merge(sign_in::routes(&state))
        .route("/api/preview-environments/stream", get(streams::list))
        .route(
            "/api/preview-environments/{id}/stream",
            get(streams::preview),
        )
        .route("/api/preview-environments/{id}/logs", get(streams::logs))
        .route("/api/ws/exec/{namespace}/{pod}", get(shell::open))
        .route(
            "/api/environments/{namespace}/status",
            get(environments::status),
        )
        .route(
            "/api/environments/{namespace}/pods",
            get(environments::pods),
        )
        .route(
            "/api/fn/{*name}",
            get(pages::server_function).post(pages::server_function),
        )
        .merge(pages::routes(&state))
        .route("/tokens", post(tokens::create))
        .fallback(pages::file_or_not_found)
        .layer(from_fn_with_state(state.clone(), session::identify))
        .layer(session::layer(sessions, secure))
        .layer(CompressionLayer::new());
    let machines = Router::new()
        .route(WEBHOOK_PATH, post(webhook::receive))
        .route("/api/health/liveness", get(health::liveness))
        .route("/api/health/readiness", get(health::readiness))
        .route(credentials::PATH, get(credentials::git_token))
        .route(internal::PATH, get(internal::secrets));
    machines
        .merge(agents::routes(&state))
        .merge(browser)
        .layer(RequestBodyTimeoutLayer::new(Duration::from_secs(30)))
        .layer(from_fn_with_state(
            state.origins.clone(),
            guard::check_origin,
        ))
        .layer(from_fn_with_state(state.origins.clone(), guard::check_host))
        .layer(from_fn(guard::harden))
        .layer(from_fn(request_id::carry))
        .layer(CatchPanicLayer::new())
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(from_fn(request_id::plain_only))
        .with_state(state)
}

/// A request's span: its id, method and path; never its query or headers, which may hold secrets.
fn span(request: &http::Request<axum::body::Body>) -> tracing::Span {
    let request_id = request_id::of(request.headers()).unwrap_or_default();
    tracing::info_span!("http", request = request_id, method = %request.method(), path = request.uri().path())
}
