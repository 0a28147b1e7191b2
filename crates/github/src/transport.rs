//! One call to GitHub: when it may be made, how long it may last, how often it is tried.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::Utc;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use octocrab::Octocrab;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    client::Settings,
    error::{Cause, Error},
    limits::{RateLimit, WritePace},
};

/// How often a call is made in all, where repeating it can help.
const TRIES: u32 = 3;

/// A page of a hundred pull requests is about 2 MB.
const LONGEST_ANSWER: usize = 32 * 1024 * 1024;

/// A token that is about to expire is renewed before the call, not during it.
const TOKEN_LASTS_AT_LEAST: chrono::TimeDelta = chrono::TimeDelta::seconds(60);

/// One set of credentials, with the rate limit that GitHub counts for it.
pub(crate) struct Connection {
    octocrab: Octocrab,
    limit: Mutex<RateLimit>,
    /// Held while an installation's token is fetched, so that many calls fetch one token. Absent
    /// where the credentials do not need one.
    minting: Option<tokio::sync::Mutex<()>>,
}

impl Connection {
    pub(crate) fn new(octocrab: Octocrab) -> Self {
        Self {
            octocrab,
            limit: Mutex::default(),
            minting: None,
        }
    }

    pub(crate) fn of_installation(octocrab: Octocrab) -> Self {
        Self {
            minting: Some(tokio::sync::Mutex::default()),
            ..Self::new(octocrab)
        }
    }

    pub(crate) fn octocrab(&self) -> &Octocrab {
        &self.octocrab
    }

    fn limit(&self) -> MutexGuard<'_, RateLimit> {
        self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is asked of GitHub.
pub(crate) struct Call {
    /// Completes "could not …".
    pub(crate) attempted: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
    /// Whether doing it twice does no more than doing it once. If not, a call whose answer was
    /// lost is not repeated here: whoever made it has to look first.
    pub(crate) repeatable: bool,
    /// Whether it makes content, which GitHub wants at a slower pace.
    pub(crate) content: bool,
}

impl Call {
    pub(crate) fn get(path: String, attempted: String) -> Self {
        Self {
            attempted,
            method: Method::GET,
            path,
            body: None,
            repeatable: true,
            content: false,
        }
    }

    pub(crate) fn write(method: Method, path: String, body: Value, attempted: String) -> Self {
        Self {
            body: Some(body),
            content: true,
            method,
            ..Self::get(path, attempted)
        }
    }

    /// A call that makes something, but nothing that people read.
    pub(crate) fn without_content(self) -> Self {
        Self {
            content: false,
            ..self
        }
    }

    pub(crate) fn once(self) -> Self {
        Self {
            repeatable: false,
            ..self
        }
    }

    fn failed(&self, cause: Cause) -> Error {
        Error {
            attempted: self.attempted.clone(),
            cause,
        }
    }
}

/// GitHub's answer to a call that succeeded.
pub(crate) struct Answer {
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn read<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        let mut json = serde_json::Deserializer::from_slice(&self.body);
        serde_path_to_error::deserialize(&mut json)
            .map_err(|source| call.failed(Cause::Malformed(source)))
    }

    /// Whether a list goes on on another page (`Link: <…>; rel="next"`).
    pub(crate) fn has_next_page(&self) -> bool {
        let links = self.headers.get_all(http::header::LINK);
        links.iter().any(|link| {
            link.to_str()
                .is_ok_and(|link| link.contains("rel=\"next\""))
        })
    }
}

/// Makes calls within GitHub's limits and ours.
pub(crate) struct Transport {
    settings: Settings,
    /// One for all credentials: GitHub counts what an App writes, wherever it is installed.
    writes: Mutex<WritePace>,
}

enum Failure {
    /// Refused for its rate: nothing was done, and the connection knows when it may be repeated.
    Limited,
    /// It may pass; something may have been done.
    Passing(Cause),
    /// It will not pass.
    Lasting(Cause),
}

impl Transport {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            writes: Mutex::default(),
        }
    }

    /// Makes a call, up to three times where that can help.
    pub(crate) async fn send(&self, connection: &Connection, call: &Call) -> Result<Answer, Error> {
        let mut pause = self.settings.first_pause;
        for tried in 1.. {
            self.wait_for_turn(connection, call).await?;
            let failure = match self.attempt(connection, call).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            match failure {
                Failure::Lasting(cause) => return Err(call.failed(cause)),
                Failure::Limited if tried == TRIES => {
                    return Err(call.failed(limited(connection.limit().wait(Instant::now()))));
                }
                Failure::Limited => {}
                Failure::Passing(cause) if !call.repeatable || tried == TRIES => {
                    return Err(call.failed(cause));
                }
                Failure::Passing(cause) => {
                    let error = call.failed(cause);
                    tracing::debug!(%error, cause = %error.cause, ?pause, "trying again");
                    sleep(pause).await;
                    pause *= 2;
                }
            }
        }
        unreachable!("the last try returns")
    }

    /// Waits until GitHub's limits allow the call; gives up at once where that is too far off.
    async fn wait_for_turn(&self, connection: &Connection, call: &Call) -> Result<(), Error> {
        let longest = self.settings.longest_wait;
        let started = Instant::now();
        if call.content {
            let reserved = self
                .writes
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .reserve(started, longest);
            sleep(reserved.map_err(|wait| call.failed(limited(wait)))?).await;
        }
        loop {
            // Another call may have learned of a later time while this one slept.
            let wait = connection.limit().wait(Instant::now());
            if wait.is_zero() {
                return Ok(());
            }
            if started.elapsed() + wait > longest {
                return Err(call.failed(limited(wait)));
            }
            sleep(wait).await;
        }
    }

    async fn attempt(&self, connection: &Connection, call: &Call) -> Result<Answer, Failure> {
        let longest = self.settings.timeout;
        timeout(longest, self.exchange(connection, call))
            .await
            .unwrap_or(Err(Failure::Passing(Cause::Timeout(longest))))
    }

    async fn exchange(&self, connection: &Connection, call: &Call) -> Result<Answer, Failure> {
        let octocrab = &connection.octocrab;
        if let Some(minting) = &connection.minting {
            let _one_at_a_time = minting.lock().await;
            octocrab
                .installation_token_with_buffer(TOKEN_LASTS_AT_LEAST)
                .await
                .map_err(|error| failure(connection, error))?;
        }
        let request = Request::builder()
            .method(call.method.clone())
            .uri(&call.path)
            .header(http::header::ACCEPT, "application/vnd.github+json");
        let request = octocrab
            .build_request(request, call.body.as_ref())
            .map_err(|error| Failure::Lasting(Cause::Client(Box::new(error))))?;
        let response = octocrab
            .execute(request)
            .await
            .map_err(|error| failure(connection, error))?;

        let (parts, body) = response.into_parts();
        crate::metrics::rate_limit(&parts.headers);
        let body = Limited::new(body, LONGEST_ANSWER)
            .collect()
            .await
            .map_err(|error| Failure::Passing(Cause::Network(error)))?
            .to_bytes();
        if parts.status.is_success() {
            let mut limit = connection.limit();
            limit.observe(parts.status, &parts.headers, "", Instant::now());
            return Ok(Answer {
                headers: parts.headers,
                body: body.to_vec(),
            });
        }
        let message = words(&body, parts.status);
        Err(refusal(connection, parts.status, &parts.headers, message))
    }
}

/// Reads an error of octocrab's own: a refused token is an answer, all else is the connection.
fn failure(connection: &Connection, error: octocrab::Error) -> Failure {
    match error {
        octocrab::Error::GitHub { source, .. } => {
            let headers = source.headers.unwrap_or_default();
            refusal(connection, source.status_code, &headers, source.message)
        }
        octocrab::Error::Service { source, .. } => Failure::Passing(Cause::Network(source)),
        error @ octocrab::Error::Hyper { .. } => Failure::Passing(Cause::Network(Box::new(error))),
        error => Failure::Lasting(Cause::Client(Box::new(error))),
    }
}

fn refusal(
    connection: &Connection,
    status: StatusCode,
    headers: &HeaderMap,
    message: String,
) -> Failure {
    let now = Instant::now();
    if connection.limit().observe(status, headers, &message, now) {
        return Failure::Limited;
    }
    match status {
        _ if status.is_server_error() => Failure::Passing(Cause::Unavailable { status }),
        StatusCode::UNAUTHORIZED => Failure::Lasting(Cause::Unauthorized { message }),
        StatusCode::FORBIDDEN => Failure::Lasting(Cause::Forbidden {
            message,
            permissions: headers
                .get("x-accepted-github-permissions")
                .and_then(|permissions| permissions.to_str().ok())
                .map(str::to_owned),
        }),
        StatusCode::NOT_FOUND | StatusCode::GONE => Failure::Lasting(Cause::NotFound),
        _ => Failure::Lasting(Cause::Refused { status, message }),
    }
}

fn limited(wait: Duration) -> Cause {
    let until = chrono::TimeDelta::from_std(wait)
        .ok()
        .and_then(|wait| Utc::now().checked_add_signed(wait))
        .unwrap_or(chrono::DateTime::<Utc>::MAX_UTC);
    Cause::RateLimited { until }
}

/// What an error's body says, in one short line.
fn words(body: &[u8], status: StatusCode) -> String {
    #[derive(Deserialize)]
    struct Body {
        message: String,
        #[serde(default)]
        errors: Vec<Value>,
    }
    let said = serde_json::from_slice::<Body>(body).map(|body| {
        let details = body.errors.iter().map(|error| match &error["message"] {
            Value::String(message) => message.clone(),
            _ => error.to_string(),
        });
        std::iter::once(body.message.clone())
            .chain(details)
            .collect::<Vec<_>>()
            .join("; ")
    });
    let said = said.unwrap_or_else(|_| {
        // A proxy's page, most likely: the status says more.
        status.canonical_reason().unwrap_or_default().to_owned()
    });
    said.chars().take(300).collect()
}
