//! Signing in and out: by GitHub's word, or by a one-time link.

use axum::{
    Form, Router,
    extract::{Query, State},
    middleware::from_fn_with_state,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use catalyst_github::sign_in::SignInError;
use catalyst_previews::Actor;
use chrono::{DateTime, TimeDelta, Utc};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use tower_sessions::{Expiry, Session};

use super::{AppState, errors, limits, session};

/// Where GitHub sends visitors back to.
pub const CALLBACK_PATH: &str = "/api/github/callback";

/// The session's key for a sign-in that has begun.
const BEGUN: &str = "github";

/// How long a visitor may take on GitHub's pages.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// The doors.
pub fn routes(state: &AppState) -> Router<AppState> {
    Router::new()
        .route("/sign-in", post(by_link))
        .route("/sign-in/github", get(to_github))
        .route(CALLBACK_PATH, get(from_github))
        .layer(from_fn_with_state(state.clone(), limits::limit))
        .route("/sign-out", post(sign_out))
}

/// What the sign-in page posts.
#[derive(Debug, Deserialize)]
struct Link {
    /// The one-time token of the link.
    token: String,
    /// Where to go afterwards, within the dashboard.
    #[serde(default)]
    next: Option<String>,
}

/// `POST /sign-in`: spends a one-time token.
async fn by_link(
    State(state): State<AppState>,
    session: Session,
    Form(form): Form<Link>,
) -> Response {
    match state.previews.sign_in_by_link(&form.token).await {
        Ok(Some(actor)) => welcome(&session, &actor, form.next.as_deref()).await,
        Ok(None) => problem("spent"),
        Err(error) => {
            tracing::error!(error = %errors::chain(&error), "a sign-in link could not be checked");
            problem("unavailable")
        }
    }
}

#[derive(Debug, Deserialize)]
struct Wanted {
    #[serde(default)]
    next: Option<String>,
}

/// A sign-in on its way through GitHub, kept in the session of the browser that began it.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    state: String,
    verifier: String,
    next: Option<String>,
    at: DateTime<Utc>,
}

/// `GET /sign-in/github`: sends the visitor to GitHub. A link, not a form: browsers hold where a form
/// leads against the page's policy, and this leads away from us.
async fn to_github(
    State(state): State<AppState>,
    session: Session,
    Query(wanted): Query<Wanted>,
) -> Response {
    let Some(github) = &state.sign_in else {
        return problem("not-set-up");
    };
    let going = github.begin();
    let begun = Begun {
        state: going.state,
        verifier: going.verifier,
        next: wanted.next,
        at: Utc::now(),
    };
    if session.is_empty().await {
        // Nobody's session yet: it is not kept for longer than it is of use.
        session.set_expiry(Some(Expiry::AtDateTime(
            time::OffsetDateTime::now_utc() + time::Duration::seconds(PATIENCE.num_seconds()),
        )));
    }
    if let Err(error) = session.insert(BEGUN, begun).await {
        tracing::error!(error = %errors::chain(&error), "a sign-in could not be begun");
        return problem("unavailable");
    }
    let headers = [(header::CACHE_CONTROL, "no-store")];
    (headers, Redirect::to(going.url.as_str())).into_response()
}

/// What GitHub sends back.
#[derive(Debug, Deserialize)]
struct Answer {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    setup_action: Option<String>,
}

/// `GET /api/github/callback`: the visitor comes back. Only with the state that this very browser was
/// sent with, once, and not too late.
async fn from_github(
    State(state): State<AppState>,
    session: Session,
    Query(answer): Query<Answer>,
) -> Response {
    let Some(github) = &state.sign_in else {
        return problem("not-set-up");
    };
    let begun = match session.remove::<Begun>(BEGUN).await {
        Ok(begun) => begun,
        Err(error) => {
            tracing::error!(error = %errors::chain(&error), "a sign-in could not be ended");
            return problem("unavailable");
        }
    };
    // Who installs the App arrives with a code that no sign-in of ours asked for: it is left alone.
    if answer.state.is_none() && answer.setup_action.is_some() {
        return Redirect::to("/sign-in/github").into_response();
    }
    let Some(begun) = begun.filter(|begun| is_answered(begun, &answer, Utc::now())) else {
        return problem("state");
    };
    if let Some(error) = &answer.error {
        tracing::info!(error, "a sign-in was refused on GitHub's pages");
        return problem("denied");
    }
    let code = answer.code.as_deref().unwrap_or_default();
    let account = match github.finish(code, begun.verifier).await {
        Ok(account) if account.is_person => account,
        Ok(_) => return problem("denied"),
        Err(error) => {
            tracing::error!(error = %errors::chain(&error), "a sign-in with GitHub failed");
            return problem(match error {
                SignInError::Code(_) => "state",
                SignInError::Client(_)
                | SignInError::Unavailable(..)
                | SignInError::Settings(_) => "unavailable",
            });
        }
    };
    let signed_in = state
        .previews
        .sign_in_from_github(account.id, &account.login);
    match signed_in.await {
        Ok(actor) => welcome(&session, &actor, begun.next.as_deref()).await,
        Err(error) => {
            tracing::error!(error = %errors::chain(&error), "a sign-in could not be kept");
            problem("unavailable")
        }
    }
}

/// Whether the answer is to this question, and in time.
fn is_answered(begun: &Begun, answer: &Answer, now: DateTime<Utc>) -> bool {
    let state = answer.state.as_deref().unwrap_or_default();
    let same: bool = state.as_bytes().ct_eq(begun.state.as_bytes()).into();
    same && !state.is_empty() && now - begun.at <= PATIENCE
}

/// Begins the session, and leads to where the visitor wanted to go.
async fn welcome(session: &Session, actor: &Actor, next: Option<&str>) -> Response {
    session.set_expiry(None);
    if let Err(error) = session::begin(session, actor.user_id).await {
        tracing::error!(error = %errors::chain(&error), "a session could not be begun");
        return problem("unavailable");
    }
    tracing::info!(user = actor.login, "signed in");
    Redirect::to(&within_dashboard(next)).into_response()
}

fn problem(word: &str) -> Response {
    Redirect::to(&format!("/sign-in?problem={word}")).into_response()
}

/// `POST /sign-out`.
async fn sign_out(session: Session) -> Response {
    if let Err(error) = session.flush().await {
        tracing::error!(error = %errors::chain(&error), "a session could not be ended");
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "The session could not be ended; try again.\n",
        )
            .into_response();
    }
    Redirect::to("/sign-in").into_response()
}

/// A path of our own to go to; anything that could lead elsewhere becomes the start page.
fn within_dashboard(next: Option<&str>) -> String {
    let inside = |next: &&str| {
        next.starts_with('/')
            && !next.starts_with("//")
            && !next.contains('\\')
            && !next.chars().any(char::is_control)
    };
    next.filter(inside)
        .unwrap_or("/preview-environments")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_never_leads_out_of_the_dashboard() {
        assert_eq!(within_dashboard(Some("/deliveries?x=1")), "/deliveries?x=1");
        for outside in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "evil",
            "",
            "/a\nb",
        ] {
            assert_eq!(
                within_dashboard(Some(outside)),
                "/preview-environments",
                "{outside}"
            );
        }
    }

    #[test]
    fn an_answer_is_taken_once_from_the_browser_that_asked_and_in_time() {
        let now = Utc::now();
        let begun = Begun {
            state: "s3cret".into(),
            verifier: String::new(),
            next: None,
            at: now,
        };
        let answer = |state: Option<&str>| Answer {
            code: Some("c".into()),
            state: state.map(str::to_owned),
            error: None,
            setup_action: None,
        };
        assert!(is_answered(&begun, &answer(Some("s3cret")), now));
        let late = now + PATIENCE + TimeDelta::seconds(1);
        assert!(!is_answered(&begun, &answer(Some("s3cret")), late));
        for wrong in [None, Some(""), Some("s3cre"), Some("other1")] {
            assert!(!is_answered(&begun, &answer(wrong), now), "{wrong:?}");
        }
    }
}
