//! What every request passes and every answer carries, whatever the route: the Host that it names
//! is ours, what changes something comes from our own pages, and browsers are told to be strict.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use url::Url;

/// The addresses under which browsers may speak to us.
#[derive(Debug, Clone)]
pub struct Origins {
    /// As browsers send them: `scheme://host[:port]`.
    allowed: Arc<[String]>,
}

impl Origins {
    /// The public address, and the loopback names of the port listened on.
    #[must_use]
    pub fn new(public_url: &str, port: u16) -> Self {
        let mut allowed = vec![
            format!("http://127.0.0.1:{port}"),
            format!("http://localhost:{port}"),
            format!("http://[::1]:{port}"),
        ];
        if let Ok(url) = Url::parse(public_url) {
            allowed.push(url.origin().ascii_serialization());
        }
        Self {
            allowed: allowed.into(),
        }
    }

    /// Whether `origin` is one of our own. A sibling (another port or subdomain, where previews
    /// answer) is not.
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.allowed.iter().any(|own| own == origin)
    }

    /// Whether a Host header names one of our own addresses; anything else is DNS rebinding or a
    /// misconfigured proxy.
    #[must_use]
    pub fn allows_host(&self, host: &str) -> bool {
        let authority = |origin: &str| -> Option<String> {
            origin
                .split_once("://")
                .map(|(_, authority)| authority.to_ascii_lowercase())
        };
        let host = host.to_ascii_lowercase();
        self.allowed
            .iter()
            .filter_map(|own| authority(own))
            .any(|own| own == host)
    }
}

/// Refuses requests whose Host is not ours, except those that carry their own proof or are asked
/// by probes: the webhook (signed), credentials (with a service account's token), and the health
/// checks.
pub async fn check_host(State(origins): State<Origins>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let exempt = path == super::WEBHOOK_PATH
        || path.starts_with(super::credentials::PREFIX)
        || path.starts_with(super::internal::PREFIX)
        || path.starts_with("/api/health/");
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| request.uri().authority().map(http::uri::Authority::as_str))
        .unwrap_or_default();
    if exempt || origins.allows_host(host) {
        return next.run(request).await;
    }
    let message = format!(
        "This Catalyst does not answer as {host:?}. Whoever runs it: set CATALYST_WEB_URL to the address that people use.\n"
    );
    (StatusCode::MISDIRECTED_REQUEST, message).into_response()
}

/// Refuses requests that change something, and WebSockets, unless they come from our own pages:
/// previews answer on sibling host names, so a same-site cookie alone proves nothing, and what a
/// WebSocket says is kept from foreign pages by nobody else.
pub async fn check_origin(
    State(origins): State<Origins>,
    request: Request,
    next: Next,
) -> Response {
    let safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let safe = safe && !request.headers().contains_key(header::UPGRADE);
    let path = request.uri().path();
    // Agents bring a token, which no browser sends by itself. A browser says where it comes from.
    let agent = path == super::MCP_PATH && !request.headers().contains_key(header::ORIGIN);
    let exempt = path == super::WEBHOOK_PATH || agent;
    if safe || exempt || is_same_origin(&origins, request.headers()) {
        return next.run(request).await;
    }
    (
        StatusCode::FORBIDDEN,
        "This request did not come from a page of Catalyst itself, so it was refused. Programs: send an Origin header with Catalyst's own address.\n",
    )
        .into_response()
}

/// Whether the browser says that the request comes from one of our own pages.
#[must_use]
pub fn is_same_origin(origins: &Origins, headers: &HeaderMap) -> bool {
    headers
        .get(header::ORIGIN)
        .and_then(|origin| origin.to_str().ok())
        .is_some_and(|origin| origins.allows_origin(origin))
}

/// The Content-Security-Policy of a page whose inline scripts carry `nonce`.
#[must_use]
pub fn content_security_policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; \
         style-src 'self' 'nonce-{nonce}'; style-src-attr 'unsafe-inline'; \
         img-src 'self' data: https://avatars.githubusercontent.com; font-src 'self'; \
         connect-src 'self'; manifest-src 'self'; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'"
    )
}

/// Adds the headers that belong on every answer, unless the route has set its own.
pub async fn harden(request: Request<Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let defaults: [(HeaderName, &str); 6] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ];
    for (name, value) in defaults {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn origins() -> Origins {
        Origins::new("https://catalyst.example.com", 3000)
    }

    #[test]
    fn only_our_own_pages_may_change_something() {
        let from = |origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            is_same_origin(&origins(), &headers)
        };
        assert!(from(Some("https://catalyst.example.com")));
        assert!(from(Some("http://127.0.0.1:3000")));
        for foreign in [
            None,
            Some("null"),
            Some("https://evil.example"),
            Some("https://preview.catalyst.example.com"),
            Some("https://catalyst.example.com.evil.example"),
            Some("http://catalyst.example.com"),
            Some("http://acme-shop-preview-1.localhost:8080"),
            Some("http://127.0.0.1:8080"),
        ] {
            assert!(!from(foreign), "{foreign:?}");
        }
    }

    #[test]
    fn a_rebound_host_name_is_not_ours() {
        assert!(origins().allows_host("CATALYST.example.com"));
        assert!(origins().allows_host("localhost:3000"));
        assert!(!origins().allows_host("evil.example:3000"));
        assert!(!origins().allows_host("127.0.0.1:9999"));
        assert!(!origins().allows_host(""));
    }

    #[test]
    fn the_policy_lets_no_inline_script_run_without_the_nonce() {
        let policy = content_security_policy("abc");
        assert!(policy.contains("script-src 'self' 'nonce-abc'"));
        let scripts = policy
            .split(';')
            .find(|p| p.contains("script-src"))
            .unwrap();
        assert!(!scripts.contains("unsafe-inline") && !scripts.contains("'unsafe-eval'"));
    }
}
