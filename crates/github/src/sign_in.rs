//! Signing visitors in: GitHub tells who they are (OAuth's authorization code, with PKCE).
//!
//! [`SignIn::begin`] makes the address to send a visitor to, and what has to be kept in their session
//! meanwhile; [`SignIn::finish`] turns the code they come back with into an account. GitHub's token is
//! used for that one question, and kept nowhere.

use std::{pin::Pin, sync::Arc, time::Duration};

use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RequestTokenError, TokenResponse, TokenUrl,
    basic::{BasicClient, BasicErrorResponse, BasicTokenResponse},
};
use octocrab::Octocrab;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::client::{Account, Told};

/// How long GitHub may take to answer one question.
const PATIENCE: Duration = Duration::from_secs(10);

const LONGEST_ANSWER: usize = 1024 * 1024;

type Client = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// An OAuth client of GitHub's: a GitHub App or an OAuth App. Cheap to clone.
#[derive(Clone)]
pub struct SignIn {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    web: Octocrab,
    api: Octocrab,
}

/// A sign-in that has begun.
pub struct Begun {
    /// Where the visitor is sent.
    pub url: Url,
    /// What they have to come back with: `state` of the callback.
    pub state: String,
    /// What [`SignIn::finish`] needs then: it must not leave the server.
    pub verifier: String,
}

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// GitHub does not take the code: it was used, is too old or somebody else's.
    #[error("GitHub did not take the code ({0})")]
    Code(String),
    /// GitHub does not know the client that Catalyst is set up as.
    #[error(
        "GitHub refused Catalyst as a client ({0}): check GITHUB_APP_CLIENT_ID, GITHUB_APP_CLIENT_SECRET, and that CATALYST_WEB_URL with /api/github/callback is a callback URL of the App"
    )]
    Client(String),
    /// GitHub did not answer as it should. Trying again may help.
    #[error("GitHub did not answer as it should while signing in: {0}")]
    Unavailable(
        String,
        #[source] Option<Box<dyn std::error::Error + Send + Sync>>,
    ),
    /// The settings cannot be used.
    #[error("signing in with GitHub cannot be set up: {0}")]
    Settings(String),
}

impl SignIn {
    /// A client of the GitHub whose pages are at `web_url` and whose API is at `api_url`. Visitors
    /// come back to `callback`.
    ///
    /// # Errors
    /// [`SignInError::Settings`] where the HTTP client cannot be made.
    pub fn new(
        web_url: &Url,
        api_url: &Url,
        client_id: &str,
        client_secret: &SecretString,
        callback: Url,
    ) -> Result<Self, SignInError> {
        let page = |path: &str| {
            let mut url = web_url.clone();
            url.set_path(&format!("{}{path}", web_url.path().trim_end_matches('/')));
            url
        };
        let client = BasicClient::new(ClientId::new(client_id.to_owned()))
            .set_client_secret(ClientSecret::new(client_secret.expose_secret().to_owned()))
            .set_auth_uri(AuthUrl::from_url(page("/login/oauth/authorize")))
            .set_token_uri(TokenUrl::from_url(page("/login/oauth/access_token")))
            .set_redirect_uri(RedirectUrl::from_url(callback))
            // As GitHub documents it: in the form, not in a header.
            .set_auth_type(AuthType::RequestBody);
        Ok(Self {
            inner: Arc::new(Inner {
                client,
                web: http_client(web_url)?,
                api: http_client(api_url)?,
            }),
        })
    }

    /// Begins a sign-in, with a state and a verifier of its own.
    #[must_use]
    pub fn begin(&self) -> Begun {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (url, state) = self
            .inner
            .client
            .authorize_url(CsrfToken::new_random)
            .set_pkce_challenge(challenge)
            .url();
        Begun {
            url,
            state: state.into_secret(),
            verifier: verifier.into_secret(),
        }
    }

    /// Asks GitHub whose the code is. Each works once.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn finish(&self, code: &str, verifier: String) -> Result<Account, SignInError> {
        let answer = self
            .inner
            .client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier))
            .request_async(&Exchange(self.inner.web.clone()))
            .await;
        let token = answer.map_err(refused)?;
        self.account(&token).await
    }

    async fn account(&self, token: &BasicTokenResponse) -> Result<Account, SignInError> {
        let malformed = |what: &str| SignInError::Unavailable(what.to_owned(), None);
        let mut authorization =
            HeaderValue::from_str(&format!("Bearer {}", token.access_token().secret()))
                .map_err(|_| malformed("its token cannot be used"))?;
        authorization.set_sensitive(true);
        let request = Request::get("/user")
            .header(header::AUTHORIZATION, authorization)
            .header(header::ACCEPT, "application/vnd.github+json")
            .body(String::new())
            .map_err(|_| malformed("its token cannot be used"))?;
        let response = send(&self.inner.api, request).await?;
        if response.status() != StatusCode::OK {
            let status = response.status();
            return Err(malformed(&format!(
                "asked whose the token is, it answered {status}"
            )));
        }
        let told: Told = serde_json::from_slice(response.body()).map_err(|e| {
            SignInError::Unavailable("its account cannot be read".to_owned(), Some(Box::new(e)))
        })?;
        Ok(told.into())
    }
}

/// Where the pages are of the GitHub that has its API there: github.com, a GitHub Enterprise Server,
/// or one of GitHub Enterprise Cloud's own domains.
#[must_use]
pub fn web_url(api_url: &Url) -> Url {
    let mut url = api_url.clone();
    url.set_path("/");
    url.set_query(None);
    url.set_fragment(None);
    let host = api_url.host_str().unwrap_or_default();
    if let Some(host) = host.strip_prefix("api.")
        && (host == "github.com" || host.ends_with(".ghe.com"))
    {
        // A name that was a host before stays one without its first label.
        let _ = url.set_host(Some(host));
    }
    url
}

fn http_client(url: &Url) -> Result<Octocrab, SignInError> {
    let builder = Octocrab::builder()
        .base_uri(url.as_str().trim_end_matches('/'))
        .map_err(|e| SignInError::Settings(e.to_string()))?;
    builder
        .set_connect_timeout(Some(PATIENCE))
        .build()
        .map_err(|e| SignInError::Settings(e.to_string()))
}

/// The HTTP client of the OAuth client.
struct Exchange(Octocrab);

impl<'c> AsyncHttpClient<'c> for Exchange {
    type Error = SignInError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, SignInError>> + Send>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(exchange(self.0.clone(), request))
    }
}

/// Sends what the OAuth client made of the code.
async fn exchange(web: Octocrab, request: HttpRequest) -> Result<HttpResponse, SignInError> {
    let (mut parts, body) = request.into_parts();
    // The HTTP client knows where GitHub is, and puts its own base before the path.
    let path = parts.uri.path_and_query().map(ToString::to_string);
    parts.uri = path
        .unwrap_or_default()
        .parse()
        .map_err(|_| SignInError::Settings("the path of GitHub's tokens".to_owned()))?;
    let form = String::from_utf8_lossy(&body).into_owned();
    send(&web, Request::from_parts(parts, form)).await
}

async fn send(
    client: &Octocrab,
    request: Request<String>,
) -> Result<http::Response<Vec<u8>>, SignInError> {
    let silent = |source: Box<dyn std::error::Error + Send + Sync>| {
        SignInError::Unavailable("the connection failed".to_owned(), Some(source))
    };
    let asked = async {
        let response = client
            .execute(request)
            .await
            .map_err(|e| silent(e.into()))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER)
            .collect()
            .await
            .map_err(silent)?
            .to_bytes()
            .to_vec();
        Ok(http::Response::from_parts(parts, body))
    };
    let late = || SignInError::Unavailable(format!("no answer within {PATIENCE:?}"), None);
    tokio::time::timeout(PATIENCE, asked)
        .await
        .unwrap_or_else(|_| Err(late()))
}

/// GitHub answers 200 to a code that it refuses, with the reason in the body.
fn refused(error: RequestTokenError<SignInError, BasicErrorResponse>) -> SignInError {
    let said = match error {
        RequestTokenError::ServerResponse(said) => Some(said),
        RequestTokenError::Parse(_, body) => serde_json::from_slice(&body).ok(),
        RequestTokenError::Request(error) => return error,
        RequestTokenError::Other(what) => return SignInError::Unavailable(what, None),
    };
    let Some(said) = said else {
        return SignInError::Unavailable("its token cannot be read".to_owned(), None);
    };
    let word = said.error().as_ref().to_owned();
    match word.as_str() {
        "incorrect_client_credentials"
        | "redirect_uri_mismatch"
        | "application_suspended"
        | "invalid_client"
        | "unauthorized_client" => SignInError::Client(word),
        _ => SignInError::Code(word),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::web_url;

    #[test]
    fn the_pages_are_found_from_the_api() {
        for (api, web) in [
            ("https://api.github.com", "https://github.com/"),
            ("https://api.github.com/", "https://github.com/"),
            (
                "https://github.example.com/api/v3",
                "https://github.example.com/",
            ),
            ("https://api.octocorp.ghe.com", "https://octocorp.ghe.com/"),
            ("http://127.0.0.1:4000", "http://127.0.0.1:4000/"),
            (
                "https://api.example.com/api/v3/",
                "https://api.example.com/",
            ),
        ] {
            assert_eq!(web_url(&api.parse().unwrap()).as_str(), web, "{api}");
        }
    }
}
