//! What the cluster says of a preview.

use catalyst_model::ids::CommitSha;
use catalyst_model::state::{Phase, PreviewStatus};

use super::{END_DEPLOYMENTS, Preview, current_of};
use crate::Store;
use crate::error::StoreError;
use crate::values::{now, text};

/// What the cluster says of a commit. The row shows exactly this afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewReport {
    /// The [`Preview::attempt`] that it speaks of: news of an earlier one are refused.
    pub attempt: u32,
    /// How far it is; never `Deleting`.
    pub status: PreviewStatus,
    /// The cluster's phase.
    pub phase: Option<Phase>,
    /// What happens at the moment, or went wrong.
    pub message: Option<String>,
    /// Where it answers, once that is known.
    pub url: Option<String>,
    /// The commit that the URL answers with.
    pub serving_commit: Option<CommitSha>,
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    /// It was written.
    Changed(Box<Preview>),
    /// The row said so already.
    Unchanged,
    /// It does not apply (any more): the row is not current, is being removed, is at another
    /// attempt, or may not go from its status to this one.
    Refused,
}

impl Store {
    /// Writes what the cluster says of the commit in this row. The first `Running` ends its
    /// deployment as ready and closes off the rows of older commits; `Failed` ends a deployment
    /// that is under way as failed.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn report_preview(
        &self,
        row_id: &str,
        report: &PreviewReport,
    ) -> Result<Reported, StoreError> {
        let by_row = current_of("p.id = $1");
        let present: Option<Preview> = read!(self, "find the preview's row", row_id, |db| {
            sqlx::query_as(&by_row)
                .bind(row_id)
                .fetch_optional(db)
                .await
        })?;
        match present {
            None => return Ok(Reported::Refused),
            Some(present) if says(&present, report) => return Ok(Reported::Unchanged),
            Some(_) => {}
        }

        let now = now();
        transaction!(self, "update the preview's row", row_id, |tx| {
            sqlx::query(
                "UPDATE previews SET updated_at = $2
                 WHERE id = (SELECT preview_id FROM pull_request_pods WHERE id = $1)",
            )
            .bind(row_id)
            .bind(now)
            .execute(&mut *tx)
            .await?;
            let before: Option<Preview> = sqlx::query_as(&by_row)
                .bind(row_id)
                .fetch_optional(&mut *tx)
                .await?;
            let Some(before) = before else {
                return Ok(Reported::Refused);
            };
            if before.attempt != report.attempt || !may_become(before.status, report.status) {
                return Ok(Reported::Refused);
            }

            let turned_running =
                report.status == PreviewStatus::Running && before.status != PreviewStatus::Running;
            sqlx::query(
                "UPDATE pull_request_pods SET status = $2, phase = $3, error_message = $4,
                     public_url = $5, serving_commit = $6, updated_at = $7, last_deployed_at = $8
                 WHERE id = $1",
            )
            .bind(row_id)
            .bind(report.status.as_str())
            .bind(report.phase.map(Phase::as_str))
            .bind(report.message.as_deref().map(text))
            .bind(report.url.as_deref())
            .bind(report.serving_commit.as_ref().map(CommitSha::as_str))
            .bind(now)
            .bind(if turned_running {
                Some(now)
            } else {
                before.last_deployed_at
            })
            .execute(&mut *tx)
            .await?;
            if turned_running {
                sqlx::query(
                    "UPDATE deployments SET result = 'ready', message = NULL, finished_at = $3
                     WHERE pod_id = $1 AND attempt = $2 AND result IN ('deploying', 'failed')",
                )
                .bind(row_id)
                .bind(i64::from(before.attempt))
                .bind(now)
                .execute(&mut *tx)
                .await?;
                sqlx::query(
                    "UPDATE pull_request_pods SET deleted_at = $2, updated_at = $2,
                         status = CASE status WHEN 'running' THEN 'deleting' ELSE status END
                     WHERE preview_id = $1 AND NOT is_current AND deleted_at IS NULL",
                )
                .bind(&before.id)
                .bind(now)
                .execute(&mut *tx)
                .await?;
            }
            if report.status == PreviewStatus::Failed {
                sqlx::query(END_DEPLOYMENTS)
                    .bind(&before.id)
                    .bind("failed")
                    .bind(report.message.as_deref().map(text))
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
            }
            let preview = sqlx::query_as(&by_row)
                .bind(row_id)
                .fetch_one(&mut *tx)
                .await?;
            Ok(Reported::Changed(Box::new(preview)))
        })
    }
}

/// Whether the cluster's news may take a row from one status to the other.
///
/// Back to `pending` leads a person's retry alone, and to and from `deleting` the removal.
fn may_become(from: PreviewStatus, to: PreviewStatus) -> bool {
    use PreviewStatus::{Deleting, Deploying, Failed, Pending, Running};
    match (from, to) {
        (Deleting, _) | (_, Deleting) => false,
        (Pending, _) => true,
        (Deploying | Running | Failed, Pending) => false,
        (Deploying | Running | Failed, Deploying | Running | Failed) => true,
    }
}

fn says(preview: &Preview, report: &PreviewReport) -> bool {
    preview.attempt == report.attempt
        && preview.status == report.status
        && preview.phase == report.phase
        && preview.message == report.message.as_deref().map(text)
        && preview.url == report.url
        && preview.serving_commit == report.serving_commit
}
