//! The Kubernetes API over HTTP: what a client asks for, in what form, and whether it may.
//!
//! One handler serves every path. It says who asks ([`auth`]), what is meant ([`target`]), and
//! hands over to the module of that verb; what the objects' rules are is none of its business.

mod auth;
mod change;
mod columns;
mod delete;
mod discovery;
mod event_views;
mod json_path;
mod metrics;
mod openapi;
mod patch;
mod pods;
mod protobuf;
mod read;
mod request;
mod respond;
mod reviews;
mod scale;
mod stream;
mod table;
mod target;
mod tls;
mod tokens;
mod watch;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{Method, header};

use crate::config::{LocalKubeConfig, StartError};
use crate::node_api::NodeApi;
use crate::objects::{ApiError, Objects};
use crate::tasks::Tasks;
use auth::User;
pub(crate) use auth::{Claims, ISSUER, Tokens};
use request::Query;
use target::{Path, Target};
pub(crate) use tls::Identity;

/// What every request has at hand.
pub(crate) struct Api {
    objects: Objects,
    node: Arc<dyn NodeApi>,
    tokens: Tokens,
    pages: read::Pages,
    tasks: Tasks,
}

/// Serve the API; returns the address on which it listens.
pub(crate) async fn start(
    objects: &Objects,
    node: Arc<dyn NodeApi>,
    tokens: Tokens,
    identity: &Identity,
    config: &LocalKubeConfig,
    tasks: &Tasks,
) -> Result<SocketAddr, StartError> {
    let address = config.api_listen;
    if !address.ip().is_loopback() {
        return Err(StartError::NotLoopback(address));
    }
    let listen = |source| StartError::Listen {
        what: "Kubernetes API",
        address,
        source,
    };
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let listener = tls::Listener::new(listener, identity, tasks)
        .map_err(|error| listen(std::io::Error::other(error)))?;
    let api = Arc::new(Api {
        objects: objects.clone(),
        node,
        tokens,
        pages: read::Pages::default(),
        tasks: tasks.clone(),
    });
    let router = Router::new()
        .fallback(handle)
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(
            respond::panicked,
        ))
        .with_state(api);
    tasks.spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the Kubernetes API stopped");
        }
    });
    Ok(address)
}

async fn handle(State(api): State<Arc<Api>>, request: Request) -> Response {
    let head = request.method() == Method::HEAD;
    let result = route(&api, request).await;
    let mut response = result.unwrap_or_else(|error| respond::error(&error));
    if head {
        *response.body_mut() = axum::body::Body::empty();
    }
    response
}

async fn route(api: &Arc<Api>, request: Request) -> Result<Response, ApiError> {
    check_host(&request)?;
    let path = Path::parse(request.uri().path());
    if let Path::Health = path {
        return Ok(respond::text("ok"));
    }
    if let Path::Version = path {
        return Ok(respond::json(&discovery::version()));
    }
    let user = api.tokens.authenticate(&api.objects, request.headers())?;
    user.may_ask(&path)?;
    let query = Query::parse(request.uri().query().unwrap_or_default());
    match path {
        Path::Health | Path::Version | Path::Unknown => Err(ApiError::NoSuchResource),
        Path::Discovery(what) => {
            only_get(&request)?;
            discovery::answer(api, &what, request.headers())
        }
        Path::OpenApi(document) => {
            only_get(&request)?;
            openapi::answer(api, document.as_deref())
        }
        Path::Objects(target) => objects(api, &user, target, query, request).await,
    }
}

async fn objects(
    api: &Arc<Api>,
    user: &User,
    target: Target,
    query: Query,
    request: Request,
) -> Result<Response, ApiError> {
    if let Some(kind) = reviews::kind(&target) {
        return reviews::answer(api, user, &target, kind, request).await;
    }
    if target.group == metrics::GROUP {
        only_get(&request)?;
        return metrics::answer(api, &target, &query, request.headers()).await;
    }
    let kind = api
        .objects
        .kinds()
        .find(&target.group, &target.version, &target.plural)
        .ok_or(ApiError::NoSuchResource)?;
    let asked = target.of(kind)?;
    let method = request.method().clone();
    match (
        asked.name.is_some(),
        asked.subresource.as_deref(),
        method.as_str(),
    ) {
        (false, None, "GET" | "HEAD") => read::list(api, &asked, &query, request.headers()),
        (false, None, "POST") => change::create(api, &asked, &query, request).await,
        (false, None, "DELETE") => delete::collection(api, &asked, &query, request).await,
        (true, None | Some("status"), "GET" | "HEAD") => {
            read::get(api, &asked, &query, request.headers())
        }
        (true, None | Some("status"), "PUT") => change::update(api, &asked, &query, request).await,
        (true, None | Some("status"), "PATCH") => patch::patch(api, &asked, &query, request).await,
        (true, None, "DELETE") => delete::one(api, &asked, &query, request).await,
        (true, Some("scale"), _) => scale::answer(api, &asked, &query, request).await,
        (true, Some("finalize"), "PUT") => change::finalize(api, &asked, request).await,
        (true, Some("token"), "POST") => tokens::request(api, &asked, &query, request).await,
        (true, Some("log"), "GET") => pods::log(api, &asked, &query).await,
        (true, Some("eviction"), "POST") => pods::evict(api, &asked, request).await,
        (true, Some("exec" | "attach" | "portforward"), "GET" | "POST") => {
            stream::answer(api, &asked, &query, request).await
        }
        _ => Err(ApiError::MethodNotAllowed),
    }
}

fn only_get(request: &Request) -> Result<(), ApiError> {
    match *request.method() {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(ApiError::MethodNotAllowed),
    }
}

/// Refuse requests that name another host: a page whose name was made to point to this machine
/// (DNS rebinding) must not reach the cluster.
fn check_host(request: &Request) -> Result<(), ApiError> {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| request.uri().authority().map(http::uri::Authority::as_str))
        .unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    if name == "localhost" || address.is_ok_and(|address| address.is_loopback()) {
        return Ok(());
    }
    Err(ApiError::forbidden(
        "host",
        name,
        "the API answers to loopback names only",
    ))
}
