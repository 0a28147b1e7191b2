//! Who did what, when.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use crate::Store;
use crate::error::StoreError;
use crate::values::{new_id, now, text};

/// Something that a person or an agent did.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAuditEntry {
    /// The user, where it was one.
    pub user_id: Option<uuid::Uuid>,
    /// The login, as it was then.
    pub actor: String,
    /// What was done: `preview.delete`, say.
    pub action: String,
    /// The id of what it was done to.
    pub object: String,
    /// Whatever else tells what happened, free of secrets.
    pub details: serde_json::Value,
}

/// A line of the audit log.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct AuditEntry {
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub object: String,
    /// The rest.
    #[sqlx(json)]
    pub details: serde_json::Value,
}

impl Store {
    /// Appends to the audit log; nothing ever changes or removes a line.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn append_audit(&self, entry: &NewAuditEntry) -> Result<(), StoreError> {
        transaction!(self, "write to the audit log", &entry.action, |tx| {
            sqlx::query(
                "INSERT INTO audit (id, at, user_id, actor, action, object, details)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(new_id())
            .bind(now())
            .bind(entry.user_id.map(|id| id.to_string()))
            .bind(text(&entry.actor))
            .bind(text(&entry.action))
            .bind(text(&entry.object))
            .bind(Json(&entry.details))
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// The newest lines, about one object or about all.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn audit(
        &self,
        object: Option<&str>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let about = if object.is_some() {
            "WHERE object = $2"
        } else {
            ""
        };
        let sql = format!(
            "SELECT at, actor, action, object, details FROM audit {about} ORDER BY at DESC LIMIT $1"
        );
        read!(self, "read", "the audit log", |db| {
            let query = sqlx::query_as(&sql).bind(i64::from(limit));
            match object {
                Some(object) => query.bind(object),
                None => query,
            }
            .fetch_all(db)
            .await
        })
    }
}
