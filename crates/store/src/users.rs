//! The people who sign in, and what they belong to.

use catalyst_model::state::Role;
use uuid::Uuid;

use crate::Store;
use crate::error::StoreError;
use crate::values::{MaybeNumber, Word, int, new_id, now, text};

/// A person who can sign in.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct User {
    /// Catalyst's id.
    #[sqlx(try_from = "Word")]
    pub id: Uuid,
    /// GitHub's id; none for the local user.
    #[sqlx(try_from = "MaybeNumber")]
    pub github_id: Option<u64>,
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
                 RETURNING id, github_id, login, operator",
            )
            .bind(new_id())
            .bind(text(login))
            .bind(now())
            .fetch_one(&mut *tx)
            .await?;
            Ok(user)
        })
    }

    /// The user with this id on GitHub, made at the first call; the login follows GitHub's. Who had
    /// that login before has another one by now, which is not known before they sign in again.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn github_user(&self, github_id: u64, login: &str) -> Result<User, StoreError> {
        transaction!(self, "sign in", login, |tx| {
            // GitHub allows no brackets in a login, so nobody can have this one.
            sqlx::query(
                "UPDATE users SET login = login || ' (formerly)', updated_at = $3
                 WHERE lower(login) = lower($2) AND github_id <> $1",
            )
            .bind(int(github_id))
            .bind(text(login))
            .bind(now())
            .execute(&mut *tx)
            .await?;
            let user = sqlx::query_as(
                "INSERT INTO users (id, github_id, login, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $4)
                 ON CONFLICT (github_id) DO UPDATE SET login = $3, updated_at = $4
                 RETURNING id, github_id, login, operator",
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
            sqlx::query_as("SELECT id, github_id, login, operator FROM users WHERE id = $1")
                .bind(id.to_string())
                .fetch_optional(db)
                .await
        })
    }

    /// The user of GitHub who has this login, in whatever case.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn user_by_login(&self, login: &str) -> Result<Option<User>, StoreError> {
        read!(self, "find the user", login, |db| {
            sqlx::query_as(
                "SELECT id, github_id, login, operator FROM users
                 WHERE lower(login) = lower($1) AND github_id IS NOT NULL",
            )
            .bind(text(login))
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
}
