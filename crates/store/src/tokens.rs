//! What programs prove with whom they act for.

use std::time::Duration;

use catalyst_model::access::TokenScope;
use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::Store;
use crate::error::{StoreError, Trouble};
use crate::values::{Word, new_id, now, text};

/// What every token begins with, so that people and scanners of leaked secrets know it.
const PREFIX: &str = "catalyst_";

/// Bytes of a token: 256 bits, far beyond guessing, so that a plain hash keeps it.
const TOKEN_BYTES: usize = 32;

/// How exact the time of the last use is: each step is a write.
const USE_KEPT_TO: TimeDelta = TimeDelta::minutes(1);

/// A token to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken<'a> {
    /// Whom programs with it act for.
    pub user: Uuid,
    /// What its owner calls it.
    pub name: &'a str,
    /// What it lets them do.
    pub scope: TokenScope,
    /// The one team it is for; none: all of the user's.
    pub team: Option<&'a str>,
    /// For how long it is good.
    pub valid_for: Duration,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Token {
    /// Its id, which is no secret.
    pub id: String,
    /// Whom programs with it act for.
    #[sqlx(try_from = "Word")]
    pub user_id: Uuid,
    /// What its owner calls it.
    pub name: String,
    /// What it lets them do.
    #[sqlx(try_from = "Word")]
    pub scope: TokenScope,
    /// The one team it is for; none: all of the user's.
    pub team: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

const COLUMNS: &str = "k.id, k.user_id, k.name, k.scope, t.name AS team, k.created_at,
    k.expires_at, k.last_used_at FROM api_tokens k LEFT JOIN teams t ON t.id = k.team_id";

impl Store {
    /// Makes a token, and returns it with its secret, of which only the SHA-256 is kept.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown user or team.
    pub async fn create_token(&self, new: &NewToken<'_>) -> Result<(Token, String), StoreError> {
        let secret = format!(
            "{PREFIX}{}",
            hex::encode(rand::rng().random::<[u8; TOKEN_BYTES]>())
        );
        let created_at = now();
        let token = Token {
            id: new_id(),
            user_id: new.user,
            name: text(new.name),
            scope: new.scope,
            team: new.team.map(text),
            created_at,
            expires_at: created_at + new.valid_for,
            last_used_at: None,
        };
        transaction!(self, "make a token for the user", new.user, |tx| {
            let team_id: Option<String> = match &token.team {
                None => None,
                Some(team) => Some(
                    sqlx::query_scalar("SELECT id FROM teams WHERE name = $1")
                        .bind(team)
                        .fetch_one(&mut *tx)
                        .await?,
                ),
            };
            sqlx::query(
                "INSERT INTO api_tokens
                     (id, user_id, name, hash, scope, team_id, created_at, expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(&token.id)
            .bind(token.user_id.to_string())
            .bind(&token.name)
            .bind(hash(&secret))
            .bind(token.scope.as_str())
            .bind(team_id)
            .bind(token.created_at)
            .bind(token.expires_at)
            .execute(&mut *tx)
            .await?;
            Ok(())
        })?;
        Ok((token, secret))
    }

    /// The user's tokens, expired ones included, newest first.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn tokens(&self, user: Uuid) -> Result<Vec<Token>, StoreError> {
        let sql = format!("SELECT {COLUMNS} WHERE k.user_id = $1 ORDER BY k.created_at DESC, k.id");
        read!(self, "list the tokens of the user", user, |db| {
            sqlx::query_as(&sql)
                .bind(user.to_string())
                .fetch_all(db)
                .await
        })
    }

    /// Revokes a token of the user's, at once, and returns what it was called.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where the user has no such token.
    pub async fn revoke_token(&self, user: Uuid, id: &str) -> Result<String, StoreError> {
        transaction!(self, "revoke the token", id, |tx| {
            sqlx::query_scalar(
                "DELETE FROM api_tokens WHERE id = $1 AND user_id = $2 RETURNING name",
            )
            .bind(text(id))
            .bind(user.to_string())
            .fetch_optional(&mut *tx)
            .await?
            .ok_or(Trouble::NotFound)
        })
    }

    /// The token with this secret, where it is good; notes that it was used.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn use_token(&self, secret: &str) -> Result<Option<Token>, StoreError> {
        let sql = format!("SELECT {COLUMNS} WHERE k.hash = $1 AND k.expires_at > $2");
        let now = now();
        let found: Option<Token> = read!(self, "find", "the token of a request", |db| {
            sqlx::query_as(&sql)
                .bind(hash(secret))
                .bind(now)
                .fetch_optional(db)
                .await
        })?;
        let Some(mut token) = found else {
            return Ok(None);
        };
        if token.last_used_at.is_none_or(|at| now - at >= USE_KEPT_TO) {
            transaction!(self, "note the use of the token", &token.id, |tx| {
                sqlx::query("UPDATE api_tokens SET last_used_at = $2 WHERE id = $1")
                    .bind(&token.id)
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
                Ok(())
            })?;
            token.last_used_at = Some(now);
        }
        Ok(Some(token))
    }
}

fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}
