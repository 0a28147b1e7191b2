//! Logs of containers whose pods are gone.

use chrono::{DateTime, Utc};

use crate::Store;
use crate::error::StoreError;
use crate::values::{int, new_id, now, text};

/// The end of a container's log, to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKeptLog {
    /// The preview that it belongs to.
    pub preview_id: String,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// Whether the container ran before the others, to its end.
    pub init: bool,
    /// What the pod did for Catalyst itself; none for the project's own.
    pub job: Option<String>,
    /// The commit that it ran, where its label told.
    pub commit: Option<String>,
    /// Bytes of the text.
    pub size: u64,
    /// Whether there was more before it.
    pub cut: bool,
    /// The text, compressed by the caller.
    pub content: Vec<u8>,
}

/// A kept log without its text.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct KeptLog {
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// Whether the container ran before the others, to its end.
    pub init: bool,
    /// What the pod did for Catalyst itself; none for the project's own.
    pub job: Option<String>,
    /// The commit that it ran.
    #[sqlx(rename = "commit_sha")]
    pub commit: Option<String>,
    /// When it was kept.
    pub kept_at: DateTime<Utc>,
    /// Bytes of the text.
    #[sqlx(try_from = "i64")]
    pub size: u64,
    /// Whether there was more before it.
    pub cut: bool,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptLogBounds {
    /// Logs of one preview.
    pub per_preview: u32,
    /// Bytes of all, compressed.
    pub bytes: u64,
    /// Since when.
    pub since: DateTime<Utc>,
}

impl Store {
    /// Keeps a log, in the place of a shorter one of the same container; forgets the oldest ones
    /// beyond the bounds.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn keep_log(
        &self,
        log: &NewKeptLog,
        bounds: KeptLogBounds,
    ) -> Result<(), StoreError> {
        transaction!(self, "keep the log of", &log.pod, |tx| {
            sqlx::query(
                "INSERT INTO kept_logs (id, preview_id, pod, container, init, job, commit_sha,
                                        kept_at, size, stored, cut, content)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
                 ON CONFLICT (preview_id, pod, container) DO UPDATE
                 SET kept_at = excluded.kept_at, size = excluded.size, stored = excluded.stored,
                     cut = excluded.cut, content = excluded.content
                 WHERE excluded.size >= kept_logs.size",
            )
            .bind(new_id())
            .bind(&log.preview_id)
            .bind(text(&log.pod))
            .bind(text(&log.container))
            .bind(log.init)
            .bind(log.job.as_deref().map(text))
            .bind(log.commit.as_deref().map(text))
            .bind(now())
            .bind(int(log.size))
            .bind(int(log.content.len() as u64))
            .bind(log.cut)
            .bind(&log.content)
            .execute(&mut *tx)
            .await?;
            sqlx::query(
                "DELETE FROM kept_logs WHERE preview_id = $1 AND id NOT IN
                 (SELECT id FROM kept_logs WHERE preview_id = $1
                  ORDER BY kept_at DESC, id LIMIT $2)",
            )
            .bind(&log.preview_id)
            .bind(i64::from(bounds.per_preview))
            .execute(&mut *tx)
            .await?;
            sqlx::query(
                "DELETE FROM kept_logs WHERE kept_at < $1 OR id IN
                 (SELECT id FROM
                  (SELECT id, SUM(stored) OVER (ORDER BY kept_at DESC, id) AS total
                   FROM kept_logs) AS running
                  WHERE total > $2)",
            )
            .bind(bounds.since)
            .bind(int(bounds.bytes))
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// The logs that are kept of a preview, newest first.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn kept_logs(&self, preview_id: &str) -> Result<Vec<KeptLog>, StoreError> {
        read!(self, "list the kept logs of", preview_id, |db| {
            sqlx::query_as(
                "SELECT pod, container, init, job, commit_sha, kept_at, size, cut FROM kept_logs
                 WHERE preview_id = $1 ORDER BY kept_at DESC, pod, init DESC, container",
            )
            .bind(preview_id)
            .fetch_all(db)
            .await
        })
    }

    /// The content of one of them, as it was given; none if it is not kept.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn kept_log(
        &self,
        preview_id: &str,
        pod: &str,
        container: &str,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let found: Option<(Vec<u8>,)> = read!(self, "read the kept log of", pod, |db| {
            sqlx::query_as(
                "SELECT content FROM kept_logs
                 WHERE preview_id = $1 AND pod = $2 AND container = $3",
            )
            .bind(preview_id)
            .bind(pod)
            .bind(container)
            .fetch_optional(db)
            .await
        })?;
        Ok(found.map(|(content,)| content))
    }
}
