//! The people who sign in, and what they belong to.

use catalyst_model::state::Role;
use uuid::Uuid;

use crate::Store;
use crate::error::{StoreError, Trouble};
use crate::values::{Word, int, new_id, now, text};

/// A person who can sign in.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct User {
    /// Catalyst's id.
    #[sqlx(try_from = "Word")]
    pub id: Uuid,
    /// The login on GitHub, or the local user's name.
    pub login: String,
    /// Whether they see all teams and the operators' page.
    pub operator: bool,
}

/// What a user is in a team.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Membership {
    /// The team's name.
    pub team: String,
    /// The role in it.
    #[sqlx(try_from = "Word")]
    pub role: Role,
}

impl Store {
    /// The user who runs Catalyst on their own machine, made at the first call: an operator.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn local_user(&self, login: &str) -> Result<User, StoreError> {
        transaction!(self, "sign in", login, |tx| {
            let user = sqlx::query_as(
                "INSERT INTO users (id, login, operator, created_at, updated_at)
                 VALUES ($1, $2, TRUE, $3, $3)
                 ON CONFLICT (login) WHERE github_id IS NULL DO UPDATE SET updated_at = $3
                 RETURNING id, login, operator",
            )
            .bind(new_id())
            .bind(text(login))
            .bind(now())
            .fetch_one(&mut *tx)
            .await?;
            Ok(user)
        })
    }

    /// The user with this id on GitHub, made at the first call; the login follows GitHub's.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn github_user(&self, github_id: u64, login: &str) -> Result<User, StoreError> {
        transaction!(self, "sign in", login, |tx| {
            let user = sqlx::query_as(
                "INSERT INTO users (id, github_id, login, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $4)
                 ON CONFLICT (github_id) DO UPDATE SET login = $3, updated_at = $4
                 RETURNING id, login, operator",
            )
            .bind(new_id())
            .bind(int(github_id))
            .bind(text(login))
            .bind(now())
            .fetch_one(&mut *tx)
            .await?;
            Ok(user)
        })
    }

    /// The user with this id.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn user(&self, id: Uuid) -> Result<Option<User>, StoreError> {
        read!(self, "find the user", id, |db| {
            sqlx::query_as("SELECT id, login, operator FROM users WHERE id = $1")
                .bind(id.to_string())
                .fetch_optional(db)
                .await
        })
    }

    /// The teams that the user belongs to, by name.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn memberships(&self, user: Uuid) -> Result<Vec<Membership>, StoreError> {
        read!(self, "find the teams of the user", user, |db| {
            sqlx::query_as(
                "SELECT t.name AS team, m.role FROM memberships m
                 JOIN teams t ON t.id = m.team_id
                 WHERE m.user_id = $1 ORDER BY t.name",
            )
            .bind(user.to_string())
            .fetch_all(db)
            .await
        })
    }

    /// Makes the user a member of the team in this role, or changes the role. The team is made
    /// where it is new.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown user.
    pub async fn set_membership(
        &self,
        user: Uuid,
        team: &str,
        role: Role,
    ) -> Result<(), StoreError> {
        transaction!(self, "change the membership of the user", user, |tx| {
            let team_id: String = sqlx::query_scalar(crate::projects::ENSURE_TEAM)
                .bind(new_id())
                .bind(text(team))
                .bind(now())
                .fetch_one(&mut *tx)
                .await?;
            sqlx::query(
                "INSERT INTO memberships (team_id, user_id, role) VALUES ($1, $2, $3)
                 ON CONFLICT (user_id, team_id) DO UPDATE SET role = excluded.role",
            )
            .bind(team_id)
            .bind(user.to_string())
            .bind(role.as_str())
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// Ends the user's membership of the team.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub async fn remove_membership(&self, user: Uuid, team: &str) -> Result<(), StoreError> {
        transaction!(
            self,
            "end the membership",
            format!("membership of {user} in {team}"),
            |tx| {
                let ended = sqlx::query(
                    "DELETE FROM memberships WHERE user_id = $1
                 AND team_id = (SELECT id FROM teams WHERE name = $2)",
                )
                .bind(user.to_string())
                .bind(team)
                .execute(&mut *tx)
                .await?;
                match ended.rows_affected() {
                    0 => Err(Trouble::NotFound),
                    _ => Ok(()),
                }
            }
        )
    }
}
