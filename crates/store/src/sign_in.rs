//! Links that sign one in once.

use std::time::Duration;

use rand::Rng;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::Store;
use crate::error::StoreError;
use crate::users::User;
use crate::values::now;

/// Bytes of a token: 256 bits, far beyond guessing.
const TOKEN_BYTES: usize = 32;

impl Store {
    /// A new token that signs this user in once, within `valid_for`: 64 hexadecimal digits. The
    /// store keeps its SHA-256 only. Tokens that have expired are removed on the way.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown user.
    pub async fn issue_sign_in_token(
        &self,
        user: Uuid,
        valid_for: Duration,
    ) -> Result<String, StoreError> {
        let token = hex::encode(rand::rng().random::<[u8; TOKEN_BYTES]>());
        let now = now();
        transaction!(self, "make a sign-in link for the user", user, |tx| {
            sqlx::query("DELETE FROM sign_in_tokens WHERE expires_at <= $1")
                .bind(now)
                .execute(&mut *tx)
                .await?;
            sqlx::query(
                "INSERT INTO sign_in_tokens (hash, user_id, expires_at) VALUES ($1, $2, $3)",
            )
            .bind(hash(&token))
            .bind(user.to_string())
            .bind(now + valid_for)
            .execute(&mut *tx)
            .await?;
            Ok(())
        })?;
        Ok(token)
    }

    /// The user whom this token signs in; of any number of calls with it, at most one gets an answer.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn redeem_sign_in_token(&self, token: &str) -> Result<Option<User>, StoreError> {
        transaction!(self, "redeem", "a sign-in link", |tx| {
            let user: Option<String> = sqlx::query_scalar(
                "DELETE FROM sign_in_tokens WHERE hash = $1 AND expires_at > $2 RETURNING user_id",
            )
            .bind(hash(token))
            .bind(now())
            .fetch_optional(&mut *tx)
            .await?;
            let Some(user) = user else { return Ok(None) };
            let user =
                sqlx::query_as("SELECT id, github_id, login, operator FROM users WHERE id = $1")
                    .bind(user)
                    .fetch_optional(&mut *tx)
                    .await?;
            Ok(user)
        })
    }
}

fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}
