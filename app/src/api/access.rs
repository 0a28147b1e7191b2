//! Teams and tokens.

use catalyst_model::access::{TeamDetail, TeamView, TokenView};
use leptos::{prelude::*, server_fn::codec::GetUrl};

use crate::{codec::Answer, error::AppError};

#[cfg(feature = "ssr")]
use super::server as door;

/// One's teams.
#[server(prefix = "/api/fn", endpoint = "teams", input = GetUrl, output = Answer)]
pub async fn list_teams() -> Result<Vec<TeamView>, AppError> {
    let (previews, actor) = door::caller()?;
    door::answer(previews.teams(&actor).await)
}

/// One team, with those who belong to it.
#[server(prefix = "/api/fn", endpoint = "team", input = GetUrl, output = Answer)]
pub async fn get_team(name: String) -> Result<TeamDetail, AppError> {
    let (previews, actor) = door::caller()?;
    door::answer(previews.team(&actor, &name).await)
}

/// Makes a team, and leads to it.
#[server(prefix = "/api/fn", endpoint = "create-team", output = Answer)]
pub async fn create_team(name: String) -> Result<(), AppError> {
    let (previews, actor) = door::caller()?;
    door::answer(previews.create_team(&actor, &name).await)?;
    // It was checked to be a label, which needs no escaping.
    leptos_axum::redirect(&format!("/teams/{}", name.trim()));
    Ok(())
}

/// Adds somebody to a team by their login on GitHub.
#[server(prefix = "/api/fn", endpoint = "add-member", output = Answer)]
pub async fn add_member(team: String, login: String, role: String) -> Result<(), AppError> {
    let (previews, actor) = door::caller()?;
    let role = door::answer(door::role(&role))?;
    door::answer(previews.add_member(&actor, &team, &login, role).await)
}

/// Changes what somebody is in a team.
#[server(prefix = "/api/fn", endpoint = "change-role", output = Answer)]
pub async fn change_role(team: String, user: String, role: String) -> Result<(), AppError> {
    let (previews, actor) = door::caller()?;
    let role = door::answer(door::role(&role))?;
    door::answer(previews.change_role(&actor, &team, &user, role).await)
}

/// Takes somebody out of a team.
#[server(prefix = "/api/fn", endpoint = "remove-member", output = Answer)]
pub async fn remove_member(team: String, user: String) -> Result<(), AppError> {
    let (previews, actor) = door::caller()?;
    door::answer(previews.remove_member(&actor, &team, &user).await)
}

/// One's tokens. They are made by a form that is posted to their page, which shows the secret.
#[server(prefix = "/api/fn", endpoint = "tokens", input = GetUrl, output = Answer)]
pub async fn list_tokens() -> Result<Vec<TokenView>, AppError> {
    let (previews, actor) = door::caller()?;
    door::answer(previews.tokens(&actor).await)
}

/// Revokes a token, at once.
#[server(prefix = "/api/fn", endpoint = "revoke-token", output = Answer)]
pub async fn revoke_token(id: String) -> Result<(), AppError> {
    let (previews, actor) = door::caller()?;
    door::answer(previews.revoke_token(&actor, &id).await)
}
