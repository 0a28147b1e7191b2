//! What Catalyst has yet to do in the cluster: one thing a preview at a time.
//!
//! Each preview has at most one piece of work: to bring the cluster in step with its current
//! preview. What that is (apply the Environment, or remove it) the worker reads off the preview's
//! status. A request for work that comes while the work is in hand is kept, and is claimed once
//! that one ends.

use std::time::Duration;

use catalyst_model::views::FailedCleanup;
use chrono::{DateTime, Utc};

use crate::Store;
use crate::error::{StoreError, Trouble};
use crate::previews::{PREVIEW, PREVIEW_TABLES, Preview};
use crate::values::{now, text};

/// A piece of work that one worker has claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The preview to bring the cluster in step with.
    pub preview: Preview,
    /// How often it was tried since it was asked for, this time included.
    pub tries: u32,
}

impl Store {
    /// Asks for work on a preview at that time, as if for the first time: tries and errors of
    /// before are forgotten.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where no preview of it was ever requested.
    pub async fn schedule_work(&self, id: &str, at: DateTime<Utc>) -> Result<(), StoreError> {
        transaction!(self, "schedule work on the preview", id, |tx| {
            let scheduled = sqlx::query(
                "UPDATE previews SET work_due_at = $2, work_tries = 0, work_error = NULL,
                     work_given_up_at = NULL
                 WHERE id = $1 AND EXISTS (SELECT 1 FROM pull_request_pods
                     WHERE preview_id = $1 AND is_current)",
            )
            .bind(id)
            .bind(at)
            .execute(&mut *tx)
            .await?;
            match scheduled.rows_affected() {
                0 => Err(Trouble::NotFound),
                _ => Ok(()),
            }
        })
    }

    /// How many previews wait for work or have it in hand.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn count_due_work(&self) -> Result<u32, StoreError> {
        let count: i64 = read!(self, "count", "the work", |db| {
            // What is only looked at again later, or was given up, does not wait.
            sqlx::query_scalar(
                "SELECT COUNT(*) FROM previews v
                 WHERE COALESCE(v.work_due_at, v.work_locked_until) IS NOT NULL
                   AND (v.work_locked_until > $1 OR v.work_due_at <= $1)",
            )
            .bind(now())
            .fetch_one(db)
            .await
        })?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Claims the work that has been due for longest, for `lease`. One piece a preview is in hand
    /// at a time; a claim that was neither ended nor renewed within its lease can be claimed anew.
    ///
    /// `holder` names the worker; no two workers may share a name.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn claim_work(
        &self,
        holder: &str,
        lease: Duration,
    ) -> Result<Option<Work>, StoreError> {
        self.claim_work_except(holder, lease, &[]).await
    }

    /// The same, leaving aside the work in these clusters; the empty name stands for the cluster of
    /// previews that name none.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn claim_work_except(
        &self,
        holder: &str,
        lease: Duration,
        clusters: &[&str],
    ) -> Result<Option<Work>, StoreError> {
        // Looking first keeps idle workers from queueing for SQLite's one writer.
        let look = claimable(clusters.len(), 2);
        let due: Option<String> = read!(self, "look for", "work", |db| {
            let mut query = sqlx::query_scalar(&look).bind(now());
            for cluster in clusters {
                query = query.bind(*cluster);
            }
            query.fetch_optional(db).await
        })?;
        if due.is_none() {
            return Ok(None);
        }
        let now = now();
        let claim = format!(
            "UPDATE previews SET work_due_at = NULL, work_locked_by = $2,
                 work_locked_until = $3, work_tries = work_tries + 1
             WHERE id = ({} {}) RETURNING id, work_tries",
            claimable(clusters.len(), 4),
            self.database.skip_locked("v")
        );
        let current = format!("{PREVIEW} {PREVIEW_TABLES} WHERE p.is_current AND v.id = $1");
        transaction!(self, "claim", "work", |tx| {
            let mut query = sqlx::query_as(&claim)
                .bind(now)
                .bind(holder)
                .bind(now + lease);
            for cluster in clusters {
                query = query.bind(*cluster);
            }
            let claimed: Option<(String, i64)> = query.fetch_optional(&mut *tx).await?;
            let Some((id, tries)) = claimed else {
                return Ok(None);
            };
            let preview = sqlx::query_as(&current)
                .bind(id)
                .fetch_one(&mut *tx)
                .await?;
            Ok(Some(Work {
                preview,
                tries: u32::try_from(tries).unwrap_or(u32::MAX),
            }))
        })
    }

    /// Prolongs a claim; `false` where it was lost, and the work on it must stop.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn renew_work(
        &self,
        id: &str,
        holder: &str,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        transaction!(self, "renew the claim on the preview", id, |tx| {
            let renewed = sqlx::query(
                "UPDATE previews SET work_locked_until = $3
                 WHERE id = $1 AND work_locked_by = $2",
            )
            .bind(id)
            .bind(holder)
            .bind(now() + lease)
            .execute(&mut *tx)
            .await?;
            Ok(renewed.rows_affected() == 1)
        })
    }

    /// Notes that the work is done or, with `again_at`, that all goes well but a look is due then.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the claim was lost to another worker.
    pub async fn finish_work(
        &self,
        id: &str,
        holder: &str,
        again_at: Option<DateTime<Utc>>,
    ) -> Result<(), StoreError> {
        transaction!(self, "finish the work on the preview", id, |tx| {
            let finished = sqlx::query(
                "UPDATE previews SET work_due_at = COALESCE(work_due_at, $3), work_tries = 0,
                     work_error = NULL, work_locked_by = NULL, work_locked_until = NULL
                 WHERE id = $1 AND work_locked_by = $2",
            )
            .bind(id)
            .bind(holder)
            .bind(again_at)
            .execute(&mut *tx)
            .await?;
            still_held(finished.rows_affected())
        })
    }

    /// Notes that the work failed; it is due again at `retry_at`, or at once where it was asked
    /// for anew meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the claim was lost to another worker.
    pub async fn fail_work(
        &self,
        id: &str,
        holder: &str,
        error: &str,
        retry_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        transaction!(self, "put back the work on the preview", id, |tx| {
            let failed = sqlx::query(
                "UPDATE previews SET work_due_at = COALESCE(work_due_at, $3),
                     work_error = $4, work_locked_by = NULL, work_locked_until = NULL
                 WHERE id = $1 AND work_locked_by = $2",
            )
            .bind(id)
            .bind(holder)
            .bind(retry_at)
            .bind(text(error))
            .execute(&mut *tx)
            .await?;
            still_held(failed.rows_affected())
        })
    }

    /// Notes that the work failed for good: it rests until it is asked for again. Where it was
    /// asked for anew meanwhile, that stands.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the claim was lost to another worker.
    pub async fn give_up_work(
        &self,
        id: &str,
        holder: &str,
        error: &str,
    ) -> Result<(), StoreError> {
        transaction!(self, "give up the work on the preview", id, |tx| {
            let given_up = sqlx::query(
                "UPDATE previews SET work_error = $4,
                     work_given_up_at = CASE WHEN work_due_at IS NULL THEN $3 ELSE NULL END,
                     work_locked_by = NULL, work_locked_until = NULL
                 WHERE id = $1 AND work_locked_by = $2",
            )
            .bind(id)
            .bind(holder)
            .bind(now())
            .bind(text(error))
            .execute(&mut *tx)
            .await?;
            still_held(given_up.rows_affected())
        })
    }

    /// Puts back whatever `holder` has claimed, due at once: for an orderly shutdown.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn release_work(&self, holder: &str) -> Result<(), StoreError> {
        transaction!(self, "release the work of", holder, |tx| {
            sqlx::query(
                "UPDATE previews SET work_due_at = COALESCE(work_due_at, $2),
                     work_tries = CASE WHEN work_tries > 0 THEN work_tries - 1 ELSE 0 END,
                     work_locked_by = NULL, work_locked_until = NULL
                 WHERE work_locked_by = $1",
            )
            .bind(holder)
            .bind(now())
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// Removals that were given up, the latest first.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn failed_cleanups(&self) -> Result<Vec<FailedCleanup>, StoreError> {
        let rows: Vec<FailedCleanupRow> = read!(self, "list", "the failed removals", |db| {
            sqlx::query_as(
                "SELECT v.id, p.namespace, r.full_name, q.number, v.work_error, v.work_tries,
                     v.work_given_up_at
                 FROM previews v
                 JOIN pull_request_pods p ON p.preview_id = v.id AND p.is_current
                 JOIN repositories r ON r.id = v.repo_id
                 LEFT JOIN pull_requests q ON q.id = v.pull_request_id
                 WHERE v.work_given_up_at IS NOT NULL
                   AND p.status = 'deleting' AND p.deleted_at IS NULL
                 ORDER BY v.work_given_up_at DESC",
            )
            .fetch_all(db)
            .await
        })?;
        Ok(rows.into_iter().map(Into::into).collect())
    }
}

/// The work that has been due for longest and is not in hand. `$1` is the time. Work whose
/// holder died is due when its claim ends.
pub(crate) const CLAIMABLE: &str = "SELECT v.id FROM previews v
    WHERE COALESCE(v.work_due_at, v.work_locked_until) IS NOT NULL
      AND COALESCE(v.work_due_at, v.work_locked_until) <= $1
      AND (v.work_locked_until IS NULL OR v.work_locked_until <= $1)
    ORDER BY COALESCE(v.work_due_at, v.work_locked_until) LIMIT 1";

/// [`CLAIMABLE`] without the work in so many clusters, whose names are bound from `$first` on.
fn claimable(clusters: usize, first: usize) -> String {
    if clusters == 0 {
        return CLAIMABLE.to_owned();
    }
    let names: Vec<String> = (first..first + clusters).map(|n| format!("${n}")).collect();
    let elsewhere = format!(
        "AND NOT EXISTS (SELECT 1 FROM pull_request_pods p WHERE p.preview_id = v.id
             AND p.is_current AND COALESCE(p.cluster, '') IN ({})) ORDER BY",
        names.join(", ")
    );
    CLAIMABLE.replace("ORDER BY", &elsewhere)
}

#[derive(sqlx::FromRow)]
struct FailedCleanupRow {
    id: String,
    namespace: String,
    full_name: String,
    number: Option<i64>,
    work_error: Option<String>,
    #[sqlx(try_from = "i64")]
    work_tries: u32,
    work_given_up_at: DateTime<Utc>,
}

impl From<FailedCleanupRow> for FailedCleanup {
    fn from(row: FailedCleanupRow) -> Self {
        Self {
            pull_request: match row.number {
                Some(number) => format!("{}#{number}", row.full_name),
                None => row.full_name,
            },
            id: row.id,
            namespace: row.namespace,
            error: row.work_error.unwrap_or_default(),
            attempts: row.work_tries,
            at: row.work_given_up_at,
        }
    }
}

fn still_held(rows: u64) -> Result<(), Trouble> {
    match rows {
        0 => Err(Trouble::Conflict(
            "the claim on it was lost; another worker has it or has ended it".to_owned(),
        )),
        _ => Ok(()),
    }
}
