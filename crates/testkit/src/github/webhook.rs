//! Webhook deliveries, signed as GitHub signs them.

use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use hmac::{Hmac, Mac};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;
use sha2::Sha256;

/// A delivery. Posting it again is a redelivery: it keeps its id.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// `X-GitHub-Delivery`.
    pub id: String,
    /// `X-GitHub-Event`.
    pub event: String,
    /// The raw body.
    pub body: Vec<u8>,
    /// `X-Hub-Signature-256`.
    pub signature: String,
}

impl Delivery {
    /// A delivery of a payload, signed with a secret, with an id of its own.
    pub fn new(event: &str, payload: &Value, secret: &str) -> Self {
        let body = payload.to_string().into_bytes();
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            event: event.to_owned(),
            signature: sign(&body, secret),
            body,
        }
    }

    /// The headers that GitHub sends with it.
    pub fn headers(&self) -> HeaderMap {
        let headers = [
            ("content-type", "application/json"),
            ("user-agent", "GitHub-Hookshot/044aadd"),
            ("x-github-delivery", &self.id),
            ("x-github-event", &self.event),
            ("x-hub-signature-256", &self.signature),
        ];
        headers
            .into_iter()
            .map(|(name, value)| {
                let value = HeaderValue::from_str(value).expect("a header's value");
                (axum::http::HeaderName::from_static(name), value)
            })
            .collect()
    }

    /// Posts it and returns the answer's status and body.
    ///
    /// # Panics
    /// When nobody answers at the URL.
    pub async fn post(&self, url: &str) -> (StatusCode, String) {
        let mut request = Request::post(url)
            .body(axum::body::Body::from(self.body.clone()))
            .expect("a URL");
        *request.headers_mut() = self.headers();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let answer = client
            .request(request)
            .await
            .unwrap_or_else(|error| panic!("{url} does not answer: {error:?}"));
        let status = answer.status();
        let body = axum::body::to_bytes(axum::body::Body::new(answer.into_body()), usize::MAX);
        let body = body.await.expect("a whole answer");
        (status, String::from_utf8_lossy(&body).into_owned())
    }
}

/// The value of `X-Hub-Signature-256` for a body.
pub fn sign(body: &[u8], secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}
