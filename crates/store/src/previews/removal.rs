//! Removing a preview, which stays as history.

use super::{END_DEPLOYMENTS, LOCK, Preview, WORK_NOW, current_of};
use crate::Store;
use crate::error::StoreError;
use crate::values::now;

impl Store {
    /// Begins to remove a preview: its row is deleting, what was under way is cancelled, and work
    /// is due at once. None where there is none, or it is removed already; where its removal has
    /// begun, this begins it anew.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn start_removal(&self, id: &str) -> Result<Option<Preview>, StoreError> {
        let now = now();
        let current = current_of("v.id = $1");
        transaction!(self, "remove the preview", id, |tx| {
            sqlx::query(LOCK)
                .bind(id)
                .bind(now)
                .execute(&mut *tx)
                .await?;
            let begun = sqlx::query(
                "UPDATE pull_request_pods SET status = 'deleting', blocked = NULL,
                     error_message = NULL, updated_at = $2
                 WHERE preview_id = $1 AND is_current AND deleted_at IS NULL",
            )
            .bind(id)
            .bind(now)
            .execute(&mut *tx)
            .await?;
            if begun.rows_affected() == 0 {
                return Ok(None);
            }
            sqlx::query(END_DEPLOYMENTS)
                .bind(id)
                .bind("cancelled")
                .bind("the preview was removed")
                .bind(now)
                .execute(&mut *tx)
                .await?;
            sqlx::query(WORK_NOW)
                .bind(id)
                .bind(now)
                .execute(&mut *tx)
                .await?;
            Ok(sqlx::query_as(&current)
                .bind(id)
                .fetch_optional(&mut *tx)
                .await?)
        })
    }

    /// Notes that nothing of the preview is left in the cluster; its rows stay as history. None
    /// where it is not being removed (any more): it was asked for again meanwhile.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn finish_removal(&self, id: &str) -> Result<Option<Preview>, StoreError> {
        let now = now();
        let current = current_of("v.id = $1");
        transaction!(self, "end the removal of the preview", id, |tx| {
            sqlx::query(LOCK)
                .bind(id)
                .bind(now)
                .execute(&mut *tx)
                .await?;
            let ended = sqlx::query(
                "UPDATE pull_request_pods SET deleted_at = $2, updated_at = $2, phase = NULL,
                     serving_commit = NULL, error_message = NULL
                 WHERE preview_id = $1 AND is_current AND status = 'deleting'
                   AND deleted_at IS NULL",
            )
            .bind(id)
            .bind(now)
            .execute(&mut *tx)
            .await?;
            if ended.rows_affected() == 0 {
                return Ok(None);
            }
            sqlx::query(
                "UPDATE pull_request_pods SET deleted_at = $2,
                     status = CASE status WHEN 'running' THEN 'deleting' ELSE status END
                 WHERE preview_id = $1 AND NOT is_current AND deleted_at IS NULL",
            )
            .bind(id)
            .bind(now)
            .execute(&mut *tx)
            .await?;
            Ok(sqlx::query_as(&current)
                .bind(id)
                .fetch_optional(&mut *tx)
                .await?)
        })
    }
}
