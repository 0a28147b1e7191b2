//! The inbox: what GitHub told, kept until it is worked off, in order within a lane.

use std::time::Duration;

use catalyst_model::views::DeliveryView;
use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;

use crate::Store;
use crate::error::{StoreError, Trouble};
use crate::listing::{Scope, push_names};
use crate::values::{MaybeNumber, int, now, text};

/// A delivery as it arrived, its signature verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// `X-GitHub-Delivery`, unique for ever.
    pub id: String,
    /// `X-GitHub-Event`.
    pub event: String,
    /// The event's action, where it has one.
    pub action: Option<String>,
    /// The repository's full name, where it is about one.
    pub repository: Option<String>,
    /// GitHub's id of the repository.
    pub repository_github_id: Option<u64>,
    /// The pull request's number, where it is about one.
    pub number: Option<u64>,
    /// Deliveries of one lane are worked off one after the other, in the order in which they
    /// arrived. None: on its own.
    pub lane: Option<String>,
    /// The body as it arrived.
    pub body: Vec<u8>,
    /// The id of the HTTP request that brought it, where one did.
    pub request_id: Option<String>,
}

/// A delivery that one worker has claimed.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Delivery {
    /// `X-GitHub-Delivery`.
    pub id: String,
    /// `X-GitHub-Event`.
    pub event: String,
    /// The event's action, where it has one.
    pub action: Option<String>,
    /// The lane; its own id where it is on its own.
    pub lane: String,
    /// The body as it arrived.
    pub body: Vec<u8>,
    /// The id of the HTTP request that brought it, where one did.
    pub request_id: Option<String>,
    /// When it arrived.
    pub received_at: DateTime<Utc>,
    /// How often it was claimed, this time included.
    #[sqlx(try_from = "i64")]
    pub attempts: u32,
}

impl Store {
    /// Keeps a delivery; `false` where its id is known already, which changes nothing. When this
    /// returns, the delivery outlives a crash.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn receive_delivery(&self, delivery: &NewDelivery) -> Result<bool, StoreError> {
        let now = now();
        transaction!(self, "keep the delivery", &delivery.id, |tx| {
            let kept = sqlx::query(
                "INSERT INTO deliveries (id, event, action, repository, repository_key,
                     repository_github_id, number, lane, body, received_at, next_attempt_at,
                     request_id)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11)
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(&delivery.id)
            .bind(&delivery.event)
            .bind(delivery.action.as_deref().map(text))
            .bind(delivery.repository.as_deref().map(text))
            .bind(
                delivery
                    .repository
                    .as_deref()
                    .map(|name| text(name).to_ascii_lowercase()),
            )
            .bind(delivery.repository_github_id.map(int))
            .bind(delivery.number.map(int))
            .bind(text(delivery.lane.as_ref().unwrap_or(&delivery.id)))
            .bind(&delivery.body)
            .bind(now)
            .bind(delivery.request_id.as_deref().map(text))
            .execute(&mut *tx)
            .await?;
            Ok(kept.rows_affected() == 1)
        })
    }

    /// Claims the delivery that has been due for longest, for `lease`. One of a lane is in hand at
    /// a time: while the first that is not processed is claimed or waits for its next try, those
    /// behind it wait too. A claim that was neither finished nor renewed within its lease can be
    /// claimed anew.
    ///
    /// `holder` names the worker; no two workers may share a name.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn claim_delivery(
        &self,
        holder: &str,
        lease: Duration,
    ) -> Result<Option<Delivery>, StoreError> {
        // Looking first keeps idle workers from queueing for SQLite's one writer.
        if self.next_claimable_delivery().await?.is_none() {
            return Ok(None);
        }
        let now = now();
        let sql = format!(
            "UPDATE deliveries SET locked_by = $2, locked_until = $3, attempts = attempts + 1
             WHERE id = ({CLAIMABLE} {})
             RETURNING id, event, action, lane, body, received_at, attempts, request_id",
            self.database.skip_locked("d")
        );
        transaction!(self, "claim", "a delivery", |tx| {
            let delivery = sqlx::query_as(&sql)
                .bind(now)
                .bind(holder)
                .bind(now + lease)
                .fetch_optional(&mut *tx)
                .await?;
            Ok(delivery)
        })
    }

    async fn next_claimable_delivery(&self) -> Result<Option<String>, StoreError> {
        read!(self, "look for", "a delivery", |db| {
            sqlx::query_scalar(CLAIMABLE)
                .bind(now())
                .fetch_optional(db)
                .await
        })
    }

    /// Prolongs a claim; `false` where it was lost, and the work on it must stop.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn renew_delivery(
        &self,
        id: &str,
        holder: &str,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        transaction!(self, "renew the claim on the delivery", id, |tx| {
            let renewed = sqlx::query(
                "UPDATE deliveries SET locked_until = $3
                 WHERE id = $1 AND locked_by = $2 AND processed_at IS NULL",
            )
            .bind(id)
            .bind(holder)
            .bind(now() + lease)
            .execute(&mut *tx)
            .await?;
            Ok(renewed.rows_affected() == 1)
        })
    }

    /// Notes that a delivery is worked off. Its body is dropped.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the claim was lost to another worker.
    pub async fn finish_delivery(
        &self,
        id: &str,
        holder: &str,
        decision: &str,
        reason: &str,
    ) -> Result<(), StoreError> {
        transaction!(self, "finish the delivery", id, |tx| {
            let finished = sqlx::query(
                "UPDATE deliveries SET processed_at = $3, decision = $4, reason = $5, body = NULL,
                     error = NULL, locked_by = NULL, locked_until = NULL
                 WHERE id = $1 AND locked_by = $2 AND processed_at IS NULL",
            )
            .bind(id)
            .bind(holder)
            .bind(now())
            .bind(decision)
            .bind(text(reason))
            .execute(&mut *tx)
            .await?;
            still_held(finished.rows_affected())
        })
    }

    /// Notes that working a delivery off failed; it is due again at `next_attempt_at`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the claim was lost to another worker.
    pub async fn fail_delivery(
        &self,
        id: &str,
        holder: &str,
        error: &str,
        next_attempt_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        transaction!(self, "put back the delivery", id, |tx| {
            let failed = sqlx::query(
                "UPDATE deliveries SET error = $3, next_attempt_at = $4,
                     locked_by = NULL, locked_until = NULL
                 WHERE id = $1 AND locked_by = $2 AND processed_at IS NULL",
            )
            .bind(id)
            .bind(holder)
            .bind(text(error))
            .bind(next_attempt_at)
            .execute(&mut *tx)
            .await?;
            still_held(failed.rows_affected())
        })
    }

    /// Notes that a delivery cannot be worked off; it is not tried again, frees its lane, and
    /// keeps its body.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the claim was lost to another worker.
    pub async fn give_up_delivery(
        &self,
        id: &str,
        holder: &str,
        error: &str,
    ) -> Result<(), StoreError> {
        transaction!(self, "give up the delivery", id, |tx| {
            let given_up = sqlx::query(
                "UPDATE deliveries SET processed_at = $3, given_up = TRUE, error = $4,
                     locked_by = NULL, locked_until = NULL
                 WHERE id = $1 AND locked_by = $2 AND processed_at IS NULL",
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

    /// Puts back whatever `holder` has claimed, as if it had not been: for an orderly shutdown.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn release_deliveries(&self, holder: &str) -> Result<(), StoreError> {
        transaction!(self, "release the deliveries of", holder, |tx| {
            sqlx::query(
                "UPDATE deliveries SET locked_by = NULL, locked_until = NULL,
                     attempts = attempts - 1
                 WHERE locked_by = $1 AND processed_at IS NULL",
            )
            .bind(holder)
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// How many deliveries wait to be worked off, those in hand included.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn count_queued_deliveries(&self) -> Result<u32, StoreError> {
        let count: i64 = read!(self, "count", "the deliveries", |db| {
            sqlx::query_scalar("SELECT COUNT(*) FROM deliveries WHERE processed_at IS NULL")
                .fetch_one(db)
                .await
        })?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// The newest deliveries about the repositories of these teams, newest first; all with
    /// [`Scope::All`], those about no repository included.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn list_deliveries(
        &self,
        scope: Scope<'_>,
        limit: u32,
    ) -> Result<Vec<DeliveryView>, StoreError> {
        let rows: Vec<DeliveryRow> = read!(self, "list", "the deliveries", |db| {
            let mut query = QueryBuilder::new(DELIVERY_ROW);
            if let Scope::Teams(names) = scope {
                query.push(
                    " WHERE EXISTS (SELECT 1 FROM repositories r JOIN teams t ON t.id = r.team_id
                      WHERE (r.github_id = d.repository_github_id
                             OR (r.github_id IS NULL AND r.full_name_key = d.repository_key))
                      AND t.name IN ",
                );
                push_names(&mut query, names);
                query.push(")");
            }
            query
                .push(" ORDER BY d.received_at DESC LIMIT ")
                .push_bind(i64::from(limit))
                .build_query_as()
                .fetch_all(db)
                .await
        })?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Deliveries that were given up, newest first.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn given_up_deliveries(&self, limit: u32) -> Result<Vec<DeliveryView>, StoreError> {
        let sql = format!("{DELIVERY_ROW} WHERE d.given_up ORDER BY d.received_at DESC LIMIT $1");
        let rows: Vec<DeliveryRow> = read!(self, "list", "the deliveries given up", |db| {
            sqlx::query_as(&sql)
                .bind(i64::from(limit))
                .fetch_all(db)
                .await
        })?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Forgets processed deliveries that arrived before `received_before`, and says how many.
    /// GitHub redelivers for three days: forget none younger.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn forget_deliveries(
        &self,
        received_before: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        transaction!(self, "forget", "old deliveries", |tx| {
            let forgotten = sqlx::query(
                "DELETE FROM deliveries WHERE received_at < $1 AND processed_at IS NOT NULL",
            )
            .bind(received_before)
            .execute(&mut *tx)
            .await?;
            Ok(forgotten.rows_affected())
        })
    }
}

/// The one that has been due for longest, of those that are first in their lane and not in hand.
/// `$1` is the time.
pub(crate) const CLAIMABLE: &str = "SELECT d.id FROM deliveries d
    WHERE d.processed_at IS NULL AND d.next_attempt_at <= $1
      AND (d.locked_until IS NULL OR d.locked_until <= $1)
      AND NOT EXISTS (SELECT 1 FROM deliveries e
          WHERE e.lane = d.lane AND e.processed_at IS NULL
            AND (e.received_at, e.id) < (d.received_at, d.id))
    ORDER BY d.next_attempt_at, d.received_at LIMIT 1";

const DELIVERY_ROW: &str = "SELECT d.id, d.event, d.action, d.repository, d.number, d.received_at,
    d.processed_at, d.decision, d.reason, d.error, d.attempts FROM deliveries d";

#[derive(sqlx::FromRow)]
struct DeliveryRow {
    id: String,
    event: String,
    action: Option<String>,
    repository: Option<String>,
    #[sqlx(try_from = "MaybeNumber")]
    number: Option<u64>,
    received_at: DateTime<Utc>,
    processed_at: Option<DateTime<Utc>>,
    decision: Option<String>,
    reason: Option<String>,
    error: Option<String>,
    #[sqlx(try_from = "i64")]
    attempts: u32,
}

impl From<DeliveryRow> for DeliveryView {
    fn from(row: DeliveryRow) -> Self {
        Self {
            id: row.id,
            event: row.event,
            action: row.action,
            repository: row.repository,
            number: row.number,
            received_at: row.received_at,
            processed_at: row.processed_at,
            decision: row.decision,
            reason: row.reason,
            error: row.error,
            attempts: row.attempts,
        }
    }
}

fn still_held(rows: u64) -> Result<(), Trouble> {
    match rows {
        0 => Err(Trouble::Conflict(
            "the claim on it was lost; another worker has it or has finished it".to_owned(),
        )),
        _ => Ok(()),
    }
}
