//! What the operator asks the web side for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Limited};
use kube::client::Body;
use serde::Deserialize;

/// How long the web side may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// All secrets of an Environment together; Kubernetes takes no larger Secret.
const LONGEST: usize = 1024 * 1024;

/// Why nothing came.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// There is no token to show.
    #[error("the operator's own token cannot be read")]
    Token(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The web side was not reached, or broke off.
    #[error("the web side at {url} does not answer")]
    Unreachable {
        /// Its address.
        url: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It does not take us for the operator.
    #[error(
        "the web side does not take this for the operator's service account (401): CATALYST_OPERATOR_ACCOUNT there must name it"
    )]
    Unauthorized,
    /// It does not know the Environment.
    #[error("the web side does not know this Environment (404)")]
    NotFound,
    /// Any other answer.
    #[error("the web side answered {0}")]
    Refused(StatusCode),
    /// The answer is not what it should be.
    #[error("the web side's answer cannot be read")]
    Malformed,
}

/// Gives the operator's own token, fresh each time.
pub type TokenSource = Arc<
    dyn Fn() -> BoxFuture<'static, Result<String, Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Sync,
>;

/// The web side, as the operator reaches it.
#[derive(Clone)]
pub struct WebSide {
    url: String,
    client: kube::Client,
    token: TokenSource,
}

impl fmt::Debug for WebSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSide")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl WebSide {
    /// At this address, with tokens from `token`.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(url: &Uri, token: TokenSource) -> Result<Self, kube::Error> {
        let mut config = kube::Config::new(url.clone());
        config.connect_timeout = Some(PATIENCE);
        config.read_timeout = Some(PATIENCE);
        Ok(Self {
            client: kube::Client::try_from(config)?,
            url: url.to_string().trim_end_matches('/').to_owned(),
            token,
        })
    }

    /// The secrets of an Environment, by name.
    pub(crate) async fn secrets(&self, id: &str) -> Result<BTreeMap<String, String>, WebError> {
        #[derive(Deserialize)]
        struct Answer {
            secrets: BTreeMap<String, String>,
        }
        let unreachable =
            |source: Box<dyn std::error::Error + Send + Sync>| WebError::Unreachable {
                url: self.url.clone(),
                source,
            };
        let token = (self.token)().await.map_err(WebError::Token)?;
        // An id is a UUID of the web side's own making; whatever else stands there is no path.
        let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        let request = Request::get(format!("/api/internal/secrets/{id}"))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::empty())
            .map_err(|error| WebError::Token(Box::new(error)))?;
        let asked = async {
            let response = self
                .client
                .send(request)
                .await
                .map_err(|e| unreachable(Box::new(e)))?;
            match response.status() {
                StatusCode::OK => {}
                StatusCode::UNAUTHORIZED => return Err(WebError::Unauthorized),
                StatusCode::NOT_FOUND => return Err(WebError::NotFound),
                other => return Err(WebError::Refused(other)),
            }
            let body = Limited::new(response.into_body(), LONGEST).collect().await;
            body.map(|it| it.to_bytes()).map_err(unreachable)
        };
        let body = tokio::time::timeout(PATIENCE, asked)
            .await
            .map_err(|e| unreachable(Box::new(e)))??;
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| WebError::Malformed)?;
        Ok(answer.secrets)
    }
}
