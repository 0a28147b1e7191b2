//! What became of each attempt at each commit.

use catalyst_model::views::{DeploymentResult, DeploymentView};
use chrono::{DateTime, Utc};

use crate::Store;
use crate::error::StoreError;
use crate::values::Word;

#[derive(sqlx::FromRow)]
struct DeploymentRow {
    commit_sha: String,
    #[sqlx(try_from = "i64")]
    attempt: u32,
    #[sqlx(try_from = "Word")]
    result: DeploymentResult,
    message: Option<String>,
    started_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

impl From<DeploymentRow> for DeploymentView {
    fn from(row: DeploymentRow) -> Self {
        Self {
            commit: row.commit_sha,
            attempt: row.attempt,
            result: row.result,
            message: row.message,
            started_at: row.started_at,
            finished_at: row.finished_at,
        }
    }
}

impl Store {
    /// Every deployment of the preview, newest first.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn deployments(&self, preview_id: &str) -> Result<Vec<DeploymentView>, StoreError> {
        let rows: Vec<DeploymentRow> = read!(
            self,
            "list the deployments of the preview",
            preview_id,
            |db| {
                sqlx::query_as(
                    "SELECT COALESCE(NULLIF(p.commit_sha, ''), p.serving_commit, '') AS commit_sha, d.attempt, d.result, d.message, d.started_at, d.finished_at
                     FROM pull_request_pods p JOIN deployments d ON d.pod_id = p.id
                     WHERE p.preview_id = $1 ORDER BY d.started_at DESC, d.attempt DESC",
                )
                .bind(preview_id)
                .fetch_all(db)
                .await
            }
        )?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// The median of the seconds from request to ready, over the deployments that became ready
    /// since then; none where none did.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn median_seconds_to_ready(
        &self,
        since: DateTime<Utc>,
    ) -> Result<Option<f64>, StoreError> {
        let times: Vec<(DateTime<Utc>, DateTime<Utc>)> =
            read!(self, "read", "the times of deployments", |db| {
                sqlx::query_as(
                    "SELECT started_at, finished_at FROM deployments
                     WHERE result = 'ready' AND finished_at >= $1",
                )
                .bind(since)
                .fetch_all(db)
                .await
            })?;
        let mut seconds: Vec<f64> = times
            .into_iter()
            .map(|(started, finished)| (finished - started).as_seconds_f64())
            .collect();
        seconds.sort_by(f64::total_cmp);
        let middle = seconds.len() / 2;
        Ok(match seconds.len() {
            0 => None,
            odd if odd % 2 == 1 => Some(seconds[middle]),
            _ => Some(f64::midpoint(seconds[middle - 1], seconds[middle])),
        })
    }
}
