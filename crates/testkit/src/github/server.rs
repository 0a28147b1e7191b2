//! One door for all requests: faults, limits, who calls, what GitHub's description says, and only
//! then the operation itself.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State as Extract,
    http::{HeaderMap, Method, Response, StatusCode, Uri, header},
};
use serde_json::{Value, json};

use super::{
    app::{Caller, TOKEN, check_jwt},
    oauth,
    openapi::{Operation, openapi},
    operations::{Answer, Asked, answer},
    state::{Call, Fault, PrimaryLimit, State},
};

type Shared = Arc<Mutex<State>>;

pub(super) fn router(state: Shared) -> Router {
    oauth::routes().fallback(handle).with_state(state)
}

async fn handle(
    Extract(state): Extract<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let operation = openapi().operation(&method, uri.path());
    let name = operation.as_ref().map_or("unknown", |known| known.id);
    let (index, fault) = {
        let mut state = lock(&state);
        state.calls.push(Call {
            operation: name.to_owned(),
            path: uri.to_string(),
            status: 0,
            at: Instant::now(),
        });
        (state.calls.len() - 1, state.next_fault(name))
    };
    if fault == Some(Fault::Hang) {
        std::future::pending::<()>().await;
    }
    let mut state = lock(&state);
    let mut answer = match (fault, refused(&mut state)) {
        (Some(Fault::Status(status)), _) => Answer::error(status, "a fault of the test"),
        (_, Some(refusal)) => refusal,
        _ => match operation {
            Some(operation) => checked(&mut state, &operation, &uri, &headers, &body),
            None => violation(&mut state, &[format!("GitHub has no {method} {uri}")]),
        },
    };
    if fault == Some(Fault::LostAnswer) {
        answer = Answer::error(502, "a fault of the test");
    }
    state.calls[index].status = answer.status;
    response(&state, answer)
}

/// The rate limits, before anything is looked at.
fn refused(state: &mut State) -> Option<Answer> {
    let now = Instant::now();
    let refusal = if let Some(until) = state.secondary_until.filter(|until| *until > now) {
        // Whole seconds, and never too few.
        let seconds = (until - now).as_secs() + 1;
        Answer::error(429, "You have exceeded a secondary rate limit.")
            .with_header("retry-after", seconds.to_string())
    } else if state.primary.take() {
        return None;
    } else {
        Answer::error(403, "API rate limit exceeded for installation.")
    };
    state.refused_for_rate += 1;
    Some(refusal)
}

fn checked(
    state: &mut State,
    operation: &Operation<'_>,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
) -> Answer {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let mut problems = Vec::new();
    if text(header::USER_AGENT).is_none_or(str::is_empty) {
        problems.push("GitHub requires a User-Agent".to_owned());
    }
    let accepted = text(header::ACCEPT).unwrap_or_default();
    if !matches!(accepted, "" | "*/*" | "application/json") && !accepted.contains("vnd.github") {
        problems.push(format!("Accept: {accepted}"));
    }
    let body: Option<Value> = if body.is_empty() {
        None
    } else {
        if text(header::CONTENT_TYPE) != Some("application/json") {
            problems.push("the body's content type is not application/json".to_owned());
        }
        serde_json::from_slice(body)
            .map_err(|error| problems.push(format!("the body is not JSON: {error}")))
            .ok()
    };
    let query: Vec<(String, String)> = uri
        .query()
        .map(|query| {
            url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect()
        })
        .unwrap_or_default();
    problems.extend(openapi().request_problems(operation, &query, body.as_ref()));
    if !problems.is_empty() {
        let at = |problem| format!("{} ({uri}): {problem}", operation.id);
        return violation(state, &problems.into_iter().map(at).collect::<Vec<_>>());
    }

    let caller = match caller(state, text(header::AUTHORIZATION)) {
        Ok(caller) => caller,
        Err(message) => return Answer::error(401, &message),
    };
    let answer = answer(
        state,
        &Asked {
            operation,
            caller,
            query: &query,
            body: body.unwrap_or_default(),
        },
    );
    if answer.status < 400 {
        let problems = openapi().answer_problems(operation, answer.status, &answer.body);
        if !problems.is_empty() {
            let at = |problem| format!("{}: {problem}", operation.id);
            return violation(state, &problems.into_iter().map(at).collect::<Vec<_>>());
        }
    }
    answer
}

fn caller(state: &State, authorization: Option<&str>) -> Result<Caller, String> {
    let token = authorization
        .and_then(|text| text.strip_prefix("Bearer "))
        .ok_or("Requires authentication")?;
    if token == TOKEN {
        return Ok(Caller::User);
    }
    if let Some(installation) = state.tokens.get(token) {
        return Ok(Caller::Installation(*installation));
    }
    if let Some(account) = state.user_tokens.get(token) {
        return Ok(Caller::Account(*account));
    }
    if token.starts_with("gh") {
        return Err("Bad credentials".into());
    }
    check_jwt(token).map(|()| Caller::App)
}

fn violation(state: &mut State, problems: &[String]) -> Answer {
    // Some of these quote whole objects.
    let short = problems.iter().map(|it| it.chars().take(400).collect());
    state.violations.extend::<Vec<String>>(short.collect());
    Answer::error(500, &problems.join("; "))
}

fn response(state: &State, answer: Answer) -> Response<Body> {
    let mut response = Response::builder()
        .status(StatusCode::from_u16(answer.status).expect("a status"))
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header("x-ratelimit-limit", PrimaryLimit::PER_HOUR)
        .header("x-ratelimit-remaining", state.primary.remaining)
        .header("x-ratelimit-reset", state.primary.reset)
        .header("x-ratelimit-resource", "core");
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    let body = if answer.status == 204 {
        Body::empty()
    } else {
        Body::from(answer.body.to_string())
    };
    response.body(body).expect("an answer")
}

impl Answer {
    pub fn error(status: u16, message: &str) -> Self {
        let documentation = "https://docs.github.com/rest";
        Self::json(
            status,
            json!({"message": message, "documentation_url": documentation}),
        )
    }
}

fn lock(state: &Shared) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
