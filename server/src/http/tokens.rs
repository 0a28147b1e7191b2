//! Making a token: the one form whose answer holds a secret.

use axum::{Form, body::Body, extract::State, response::Response};
use catalyst_app::{AppError, Minted};
use catalyst_model::access::TokenScope;
use catalyst_previews::{Error, NewToken};
use http::Request;
use serde::Deserialize;

use super::{AppState, pages, session::SignedIn};

/// What the page of the tokens posts.
#[derive(Debug, Deserialize)]
pub struct Asked {
    name: String,
    scope: String,
    #[serde(default)]
    team: String,
    days: u32,
}

/// `POST /tokens`: answers with the page of the tokens, which shows the new one's secret. So it works
/// without scripts, and the secret is nowhere but in this answer.
pub async fn create(
    State(state): State<AppState>,
    SignedIn(actor): SignedIn,
    Form(asked): Form<Asked>,
) -> Response {
    let made = match new_token(asked) {
        Ok(new) => state.previews.create_token(&actor, new).await,
        Err(error) => Err(error),
    };
    let mut request = Request::get("/tokens")
        .body(Body::empty())
        .unwrap_or_default();
    request.extensions_mut().insert(actor);
    pages::page_about(&state, request, Minted(made.map_err(AppError::from))).await
}

fn new_token(asked: Asked) -> Result<NewToken, Error> {
    let scope = TokenScope::from_word(&asked.scope).ok_or_else(|| Error::Invalid {
        field: "scope",
        problem: format!("{:?} is neither read nor write", asked.scope),
    })?;
    Ok(NewToken {
        name: asked.name,
        scope,
        team: Some(asked.team).filter(|team| !team.is_empty()),
        days: asked.days,
    })
}
