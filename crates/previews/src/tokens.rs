//! Tokens, with which programs act for a person.

use std::time::Duration;

use catalyst_model::access::{NewTokenView, TokenScope, TokenView};
use catalyst_model::state::Role;
use catalyst_store::Token;
use serde_json::json;

use crate::Previews;
use crate::actor::{ActingToken, Actor, LOCAL_LOGIN};
use crate::error::Error;

/// No token is good for longer.
pub const LONGEST_TOKEN_DAYS: u32 = 366;

const LONGEST_NAME: usize = 100;

/// A token to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// What its owner calls it.
    pub name: String,
    /// What it lets a program do.
    pub scope: TokenScope,
    /// The one team that it is for; none: all of its owner's.
    pub team: Option<String>,
    /// For how many days it is good: 1 to [`LONGEST_TOKEN_DAYS`].
    pub days: u32,
}

impl Previews {
    /// The actor's tokens, expired ones included, newest first.
    ///
    /// # Errors
    /// `Forbidden` to programs.
    pub async fn tokens(&self, actor: &Actor) -> Result<Vec<TokenView>, Error> {
        actor.needs_person(|| "listing tokens".to_owned())?;
        let tokens = self.inner.store.tokens(actor.user_id).await?;
        Ok(tokens.into_iter().map(view).collect())
    }

    /// Makes a token for the actor. Its secret is in the answer, and nowhere else.
    ///
    /// # Errors
    /// `Forbidden` to programs; `Invalid` names the field that is wrong; `NotFound` for a team
    /// that is not the actor's.
    pub async fn create_token(&self, actor: &Actor, new: NewToken) -> Result<NewTokenView, Error> {
        actor.needs_person(|| "making a token".to_owned())?;
        self.make_token(actor, actor, new).await
    }

    /// Makes a token for somebody else, who has signed in before (or is the local user); takes an
    /// operator.
    ///
    /// # Errors
    /// As [`Previews::create_token`]; `Invalid` for a login that nobody has signed in with.
    pub async fn create_token_for(
        &self,
        actor: &Actor,
        login: &str,
        new: NewToken,
    ) -> Result<NewTokenView, Error> {
        let action = "making a token for somebody else";
        actor.needs_person(|| action.to_owned())?;
        actor.needs_operator(action)?;
        let store = &self.inner.store;
        let user = match store.user_by_login(login).await? {
            Some(user) => Some(user),
            None if login == LOCAL_LOGIN => Some(store.local_user(LOCAL_LOGIN).await?),
            None => None,
        };
        let user = user.ok_or_else(|| Error::Invalid {
            field: "user",
            problem: format!("nobody has signed in as {login:?} yet: have them do so once"),
        })?;
        let owner = self.actor_of(user).await?;
        self.make_token(actor, &owner, new).await
    }

    async fn make_token(
        &self,
        actor: &Actor,
        owner: &Actor,
        new: NewToken,
    ) -> Result<NewTokenView, Error> {
        let name = check_name(&new.name)?;
        if !(1..=LONGEST_TOKEN_DAYS).contains(&new.days) {
            return Err(Error::Invalid {
                field: "days",
                problem: format!("expected 1 to {LONGEST_TOKEN_DAYS}"),
            });
        }
        if let Some(team) = &new.team {
            self.find_team(owner, team).await?;
        }
        let new = catalyst_store::NewToken {
            user: owner.user_id,
            name,
            scope: new.scope,
            team: new.team.as_deref(),
            valid_for: Duration::from_secs(u64::from(new.days) * 24 * 3600),
        };
        let (token, secret) = self.inner.store.create_token(&new).await?;
        let details = json!({
            "for": owner.login,
            "scope": token.scope.as_str(),
            "team": token.team,
            "expires": token.expires_at,
        });
        self.audit(actor, "token.create", &token.id, details)
            .await?;
        Ok(NewTokenView {
            token: view(token),
            secret,
        })
    }

    /// Revokes a token of the actor's, at once.
    ///
    /// # Errors
    /// `Forbidden` to programs; `NotFound` for unknown ids and others' tokens alike.
    pub async fn revoke_token(&self, actor: &Actor, id: &str) -> Result<(), Error> {
        actor.needs_person(|| "revoking a token".to_owned())?;
        let revoked = self.inner.store.revoke_token(actor.user_id, id).await;
        let name = match revoked {
            Err(catalyst_store::StoreError::NotFound { .. }) => {
                return Err(Error::not_found("token", id));
            }
            revoked => revoked?,
        };
        self.audit(actor, "token.revoke", id, json!({ "name": name }))
            .await
    }

    /// The actor for whom a program with this secret acts: its owner, with the rights that they
    /// have now, cut down to what the token is for. None where the secret is not a good token's.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    pub async fn actor_of_token(&self, secret: &str) -> Result<Option<Actor>, Error> {
        let Some(token) = self.inner.store.use_token(secret).await? else {
            return Ok(None);
        };
        let owner = self.actor(token.user_id).await?;
        Ok(owner.map(|owner| cut_down(owner, &token)))
    }
}

fn cut_down(mut owner: Actor, token: &Token) -> Actor {
    if let Some(team) = &token.team {
        owner.memberships = match owner.operator {
            true => vec![(team.clone(), Role::Owner)],
            false => {
                owner.memberships.retain(|(of, _)| of == team);
                owner.memberships
            }
        };
        owner.operator = false;
    }
    owner.token = Some(ActingToken {
        id: token.id.clone(),
        scope: token.scope,
    });
    owner
}

fn check_name(name: &str) -> Result<&str, Error> {
    let name = name.trim();
    let problem = if name.is_empty() {
        "give it a name, so that you know it again"
    } else if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        "expected at most 100 characters, on one line"
    } else {
        return Ok(name);
    };
    Err(Error::Invalid {
        field: "name",
        problem: problem.to_owned(),
    })
}

fn view(token: Token) -> TokenView {
    TokenView {
        id: token.id,
        name: token.name,
        scope: token.scope,
        team: token.team,
        created_at: token.created_at,
        expires_at: token.expires_at,
        last_used_at: token.last_used_at,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use chrono::Utc;
    use uuid::Uuid;

    fn owner(operator: bool) -> Actor {
        Actor {
            user_id: Uuid::nil(),
            login: "octocat".into(),
            memberships: vec![("acme".into(), Role::Admin), ("other".into(), Role::Member)],
            operator,
            token: None,
        }
    }

    fn token(team: Option<&str>, scope: TokenScope) -> Token {
        Token {
            id: "t".into(),
            user_id: Uuid::nil(),
            name: "agent".into(),
            scope,
            team: team.map(str::to_owned),
            created_at: Utc::now(),
            expires_at: Utc::now(),
            last_used_at: None,
        }
    }

    #[test]
    fn a_token_for_a_team_reaches_no_other_even_for_an_operator() {
        let member = cut_down(owner(false), &token(Some("acme"), TokenScope::Write));
        assert_eq!(member.role_in("acme"), Some(Role::Admin));
        assert_eq!(member.role_in("other"), None);
        let operator = cut_down(owner(true), &token(Some("acme"), TokenScope::Write));
        assert_eq!(operator.role_in("acme"), Some(Role::Owner));
        assert_eq!(operator.role_in("other"), None);
        assert!(operator.needs_operator("looking").is_err());
        let gone = cut_down(owner(false), &token(Some("left"), TokenScope::Write));
        assert_eq!(gone.memberships, []);
    }

    #[test]
    fn a_token_for_all_teams_reaches_what_its_owner_does() {
        let member = cut_down(owner(false), &token(None, TokenScope::Write));
        assert_eq!(member.memberships.len(), 2);
        let action = || "deleting".to_owned();
        assert!(member.needs(Role::Admin, "acme", action).is_ok());
        assert!(member.needs(Role::Admin, "other", action).is_err());
        assert!(cut_down(owner(true), &token(None, TokenScope::Write)).operator);
    }

    #[test]
    fn a_read_token_changes_nothing_and_says_what_would() {
        let reader = cut_down(owner(true), &token(None, TokenScope::Read));
        let refused = reader.needs(Role::Member, "acme", || "retrying".to_owned());
        let said = refused.unwrap_err().to_string();
        assert_eq!(
            said,
            "retrying takes a token with the scope write; this one has the scope read"
        );
    }

    #[test]
    fn no_program_makes_tokens_for_itself() {
        let program = cut_down(owner(true), &token(None, TokenScope::Write));
        assert!(
            program
                .needs_person(|| "making a token".to_owned())
                .is_err()
        );
        assert!(
            owner(false)
                .needs_person(|| "making a token".to_owned())
                .is_ok()
        );
    }

    #[test]
    fn a_name_is_one_line_of_some_length() {
        assert_eq!(check_name(" my agent ").unwrap(), "my agent");
        for bad in ["", "  ", "a\nb", &"x".repeat(101)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
