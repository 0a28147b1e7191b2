//! The pages on which GitHub asks people whether an application may know who they are, and the
//! exchange that follows: as strict as the real ones, PKCE included.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Form, Router,
    extract::{Query, State as Extract},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::state::State;

/// The client that visitors are sent by.
pub const CLIENT_ID: &str = "Iv23.of.the.fake.github";
/// Its secret.
pub const CLIENT_SECRET: &str = "the secret of the fake GitHub's client";

/// GitHub's own limit.
const CODE_LASTS: Duration = Duration::from_secs(600);

type Shared = Arc<Mutex<State>>;

/// What people agreed to, until it is exchanged.
pub(super) struct Code {
    account: u64,
    challenge: String,
    redirect_uri: String,
    at: Instant,
}

/// What an application asks for.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Asked {
    client_id: String,
    redirect_uri: String,
    state: String,
    code_challenge: String,
    code_challenge_method: String,
    #[serde(default)]
    response_type: Option<String>,
}

#[derive(Deserialize)]
struct Agreed {
    account: u64,
    #[serde(flatten)]
    asked: Asked,
}

#[derive(Deserialize)]
struct Exchange {
    client_id: String,
    client_secret: String,
    code: String,
    redirect_uri: String,
    code_verifier: String,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/login/oauth/authorize", get(page).post(agree))
        .route("/login/oauth/access_token", post(exchange))
        // Browsers ask every site for one.
        .route(
            "/favicon.ico",
            get(async || axum::http::StatusCode::NO_CONTENT),
        )
}

/// Lets an account agree to what is asked; where it leads to, or why it leads nowhere.
pub(super) fn authorize(state: &mut State, asked: &Asked, account: u64) -> Result<Url, String> {
    check(asked)?;
    if !state.accounts.contains_key(&account) {
        return Err(format!("there is no account {account}"));
    }
    let code = format!("{:020}", state.next_id());
    state.codes.insert(
        code.clone(),
        Code {
            account,
            challenge: asked.code_challenge.clone(),
            redirect_uri: asked.redirect_uri.clone(),
            at: Instant::now(),
        },
    );
    let mut back: Url = asked.redirect_uri.parse().map_err(|e| format!("{e}"))?;
    back.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", &asked.state);
    Ok(back)
}

/// Reads the query of an address that an application sent somebody to.
pub(super) fn read(url: &str) -> Result<Asked, String> {
    let url: Url = url.parse().map_err(|e| format!("{url}: {e}"))?;
    let query = axum::http::Uri::try_from(url.as_str()).map_err(|e| e.to_string())?;
    let Query(asked) = Query::<Asked>::try_from_uri(&query).map_err(|e| e.to_string())?;
    Ok(asked)
}

fn check(asked: &Asked) -> Result<(), String> {
    if asked.client_id != CLIENT_ID {
        return Err(format!("unknown client_id {}", asked.client_id));
    }
    if asked
        .response_type
        .as_deref()
        .is_some_and(|it| it != "code")
    {
        return Err("response_type is not code".into());
    }
    if asked.state.len() < 16 {
        return Err("the state can be guessed".into());
    }
    if asked.code_challenge_method != "S256" || asked.code_challenge.len() != 43 {
        return Err("code_challenge is not that of S256".into());
    }
    Ok(())
}

async fn page(Extract(state): Extract<Shared>, Query(asked): Query<Asked>) -> Response {
    if let Err(problem) = check(&asked) {
        return refuse(&state, problem);
    }
    let mut denied: Url = match asked.redirect_uri.parse() {
        Ok(url) => url,
        Err(e) => return refuse(&state, format!("redirect_uri: {e}")),
    };
    denied
        .query_pairs_mut()
        .append_pair("error", "access_denied")
        .append_pair("state", &asked.state);
    let hidden: String = [
        ("client_id", &asked.client_id),
        ("redirect_uri", &asked.redirect_uri),
        ("state", &asked.state),
        ("code_challenge", &asked.code_challenge),
        ("code_challenge_method", &asked.code_challenge_method),
    ]
    .iter()
    .map(|(name, value)| {
        format!(
            "<input type=hidden name={name} value=\"{}\">",
            escaped(value)
        )
    })
    .collect();
    let buttons: String = lock(&state)
        .accounts
        .iter()
        .map(|(id, login)| {
            format!(
                "<button name=account value={id}>Continue as {}</button> ",
                escaped(login)
            )
        })
        .collect();
    Html(format!(
        "<!doctype html><title>Authorize</title><h1>Authorize Catalyst</h1>\
         <form method=post action=/login/oauth/authorize>{hidden}{buttons}</form>\
         <a href=\"{}\">Cancel</a>",
        escaped(denied.as_str())
    ))
    .into_response()
}

async fn agree(Extract(state): Extract<Shared>, Form(agreed): Form<Agreed>) -> Response {
    let outcome = authorize(&mut lock(&state), &agreed.asked, agreed.account);
    match outcome {
        Ok(back) => Redirect::to(back.as_str()).into_response(),
        Err(problem) => refuse(&state, problem),
    }
}

async fn exchange(
    Extract(state): Extract<Shared>,
    headers: HeaderMap,
    Form(asked): Form<Exchange>,
) -> Response {
    let answer = exchanged(&mut lock(&state), &asked);
    let accept = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("application/json")) {
        return axum::Json(answer).into_response();
    }
    // As GitHub does for whoever does not ask for JSON.
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in answer.as_object().into_iter().flatten() {
        form.append_pair(name, value.as_str().unwrap_or_default());
    }
    form.finish().into_response()
}

/// GitHub answers 200 whatever comes of it.
fn exchanged(state: &mut State, asked: &Exchange) -> Value {
    let refused =
        |error: &str| json!({ "error": error, "error_description": "of the fake GitHub" });
    if asked.client_id != CLIENT_ID || asked.client_secret != CLIENT_SECRET {
        return refused("incorrect_client_credentials");
    }
    let Some(code) = state.codes.remove(&asked.code) else {
        return refused("bad_verification_code");
    };
    if code.redirect_uri != asked.redirect_uri {
        return refused("redirect_uri_mismatch");
    }
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(asked.code_verifier.as_bytes()));
    if code.at.elapsed() > CODE_LASTS || code.challenge != challenge {
        return refused("bad_verification_code");
    }
    let token = format!("ghu_{:036}", state.next_id());
    state.user_tokens.insert(token.clone(), code.account);
    json!({ "access_token": token, "token_type": "bearer", "scope": "" })
}

fn refuse(state: &Shared, problem: String) -> Response {
    lock(state)
        .violations
        .push(format!("/login/oauth: {problem}"));
    (StatusCode::BAD_REQUEST, problem).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

fn lock(state: &Shared) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
