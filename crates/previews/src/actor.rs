//! Who asks, and what they may.

use catalyst_model::access::TokenScope;
use catalyst_model::state::Role;
use catalyst_store::{Scope, User};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Previews;
use crate::error::Error;

/// The login of the one user of local mode.
pub const LOCAL_LOGIN: &str = "local";

/// Who asks. The door they came in by makes it from a session; what they may do is decided inside
/// each use case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The user's id in the store.
    pub user_id: Uuid,
    /// The login, as shown and as written into the audit log.
    pub login: String,
    /// Each team they belong to, with their role in it.
    pub memberships: Vec<(String, Role)>,
    /// Whether they run this Catalyst: they see every team, and the operators' page.
    pub operator: bool,
    /// The token that a program acts with; none where it is the person themselves. Memberships and
    /// `operator` are already cut down to what it is for.
    pub token: Option<ActingToken>,
}

/// What a program acts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActingToken {
    /// The token's id.
    pub id: String,
    /// What it lets the program do.
    pub scope: TokenScope,
}

impl Actor {
    /// The role in a team: an operator is an owner everywhere.
    #[must_use]
    pub fn role_in(&self, team: &str) -> Option<Role> {
        if self.operator {
            return Some(Role::Owner);
        }
        self.memberships
            .iter()
            .find(|(name, _)| name == team)
            .map(|(_, role)| *role)
    }

    /// The teams whose things the actor sees; none means all.
    pub(crate) fn teams(&self) -> Option<Vec<String>> {
        let names = self.memberships.iter().map(|(team, _)| team.clone());
        (!self.operator).then(|| names.collect())
    }

    /// Whether the role in a team is at least this one.
    pub(crate) fn has(&self, role: Role, team: &str) -> bool {
        self.role_in(team) >= Some(role)
    }

    /// Refuses a change that takes a role that the actor does not have, or that a token does not
    /// allow. Every use case that changes something asks it, or [`Actor::needs_to_write`].
    pub(crate) fn needs(
        &self,
        role: Role,
        team: &str,
        action: impl Fn() -> String,
    ) -> Result<(), Error> {
        self.needs_to_write(&action)?;
        if self.has(role, team) {
            return Ok(());
        }
        let role = match role {
            Role::Member => "membership",
            Role::Admin => "the role admin or owner",
            Role::Owner => "the role owner",
        };
        Err(Error::Forbidden {
            action: action(),
            needs: format!("{role} in team {team}"),
        })
    }

    /// Whether they may change anything at all: a token may be for reading only.
    #[must_use]
    pub fn may_write(&self) -> bool {
        let scope = self.token.as_ref().map(|token| token.scope);
        scope != Some(TokenScope::Read)
    }

    /// Refuses a change to those whose token only reads.
    pub(crate) fn needs_to_write(&self, action: impl Fn() -> String) -> Result<(), Error> {
        if self.may_write() {
            return Ok(());
        }
        Err(Error::Forbidden {
            action: action(),
            needs: "a token with the scope write; this one has the scope read".to_owned(),
        })
    }

    /// Refuses what only the person themselves may do, and no program in their name.
    pub(crate) fn needs_person(&self, action: impl Fn() -> String) -> Result<(), Error> {
        match &self.token {
            Some(_) => Err(Error::Forbidden {
                action: action(),
                needs: "the person themselves, signed in to the dashboard".to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// Refuses what only those who run Catalyst may do.
    pub(crate) fn needs_operator(&self, action: &str) -> Result<(), Error> {
        if self.operator {
            return Ok(());
        }
        Err(Error::Forbidden {
            action: action.to_owned(),
            needs: "an operator of this Catalyst".to_owned(),
        })
    }
}

/// The store's word for [`Actor::teams`].
pub(crate) fn scope(teams: &Option<Vec<String>>) -> Scope<'_> {
    match teams {
        None => Scope::All,
        Some(names) => Scope::Teams(names),
    }
}

impl Previews {
    /// The actor behind a user, with their present memberships; none for an unknown user.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    pub async fn actor(&self, user_id: Uuid) -> Result<Option<Actor>, Error> {
        let Some(user) = self.inner.store.user(user_id).await? else {
            return Ok(None);
        };
        Ok(Some(self.actor_of(user).await?))
    }

    /// The one user of local mode, an operator; made at the first call.
    ///
    /// # Errors
    /// `Unavailable` when the store does not answer.
    pub async fn local_operator(&self) -> Result<Actor, Error> {
        let user = self.inner.store.local_user(LOCAL_LOGIN).await?;
        self.actor_of(user).await
    }

    pub(crate) async fn actor_of(&self, user: User) -> Result<Actor, Error> {
        let memberships = self.inner.store.memberships(user.id).await?;
        // Only GitHub vouches for a login that the settings name.
        let named = user.github_id.is_some() && self.inner.settings.names_operator(&user.login);
        Ok(Actor {
            user_id: user.id,
            login: user.login,
            memberships: memberships
                .into_iter()
                .map(|it| (it.team, it.role))
                .collect(),
            operator: user.operator || named,
            token: None,
        })
    }

    /// Writes down what a person did.
    pub(crate) async fn audit(
        &self,
        actor: &Actor,
        action: &str,
        object: &str,
        mut details: Value,
    ) -> Result<(), Error> {
        if let Some(token) = &actor.token {
            details["token"] = json!(token.id);
        }
        let entry = catalyst_store::NewAuditEntry {
            user_id: Some(actor.user_id),
            actor: actor.login.clone(),
            action: action.to_owned(),
            object: object.to_owned(),
            details,
        };
        Ok(self.inner.store.append_audit(&entry).await?)
    }
}
