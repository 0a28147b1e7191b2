//! Asking for a preview, and letting it start.

use catalyst_model::ids::CommitSha;
use catalyst_model::state::PreviewStatus;
use chrono::{DateTime, Utc};

use super::{END_DEPLOYMENTS, LOCK, Preview, START_DEPLOYMENT, WORK_NOW, current_of};
use crate::Store;
use crate::error::{StoreError, Trouble};
use crate::values::{Word, new_id, now, text};

/// The wish for a preview of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewRequest {
    /// The pull request's id in the store.
    pub pull_request_id: String,
    /// The commit.
    pub commit: CommitSha,
    /// The head branch.
    pub branch: String,
    /// Where its workloads are to run.
    pub namespace: String,
    /// The Environment's name.
    pub environment: String,
    /// Why it must not run yet; none lets it run.
    pub blocked: Option<String>,
    /// Where it will answer, where that is known.
    pub url: Option<String>,
    /// When it was asked for: when the delivery arrived.
    pub requested_at: DateTime<Utc>,
    /// The id of the HTTP request that asks for it, where one does.
    pub request_id: Option<String>,
}

/// What a request led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requested {
    /// The commit is new to the pull request.
    Created,
    /// The commit was known, but removed, blocked, or replaced by another: it starts anew.
    Revived,
    /// The commit is the current one already. Nothing was started.
    Existing,
}

/// What a request led to, and the preview as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Whether something was started.
    pub outcome: Requested,
    /// The preview.
    pub preview: Preview,
}

/// What the rows of older commits say.
const SUPERSEDED: &str = "superseded by newer commit";

/// What [`Store::request_preview`] needs to know of a row that is there.
#[derive(sqlx::FromRow)]
struct KnownRow {
    id: String,
    is_current: bool,
    #[sqlx(try_from = "Word")]
    status: PreviewStatus,
    blocked: Option<String>,
    #[sqlx(try_from = "i64")]
    attempt: u32,
}

/// The row that was the current one.
#[derive(sqlx::FromRow)]
struct RowBefore {
    serving_commit: Option<String>,
    cluster: Option<String>,
    deleted_at: Option<DateTime<Utc>>,
}

impl Store {
    /// Asks for a preview of a commit, in one transaction:
    ///
    /// - The current commit that is neither removed nor being removed stays as it is, unless it
    ///   was blocked and this request is not; a new reason for being blocked is kept.
    /// - Any other commit becomes the current one, pending. The pull request's pending and
    ///   deploying rows fail with "superseded by newer commit", their deployments are superseded,
    ///   and what is served goes on being served.
    /// - It lives in the cluster in which the pull request has a preview; where it has none, in
    ///   that of its project.
    /// - Unless it is blocked, a deployment begins.
    ///
    /// Where something was started, work in the cluster is due at once. Of any number of equal
    /// requests at a time, one starts something.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown pull request.
    pub async fn request_preview(&self, request: &PreviewRequest) -> Result<Request, StoreError> {
        let PreviewRequest {
            pull_request_id,
            commit,
            ..
        } = request;
        let now = now();
        let current = current_of("v.id = $1");
        transaction!(
            self,
            "request a preview of",
            format!("{commit} for {pull_request_id}"),
            |tx| {
                // As `LOCK`, where there is one already.
                let locked = sqlx::query(
                    "INSERT INTO previews (id, pull_request_id, repo_id, created_at, updated_at)
                     SELECT id, id, repo_id, created_at, $2 FROM pull_requests WHERE id = $1
                     ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at",
                )
                .bind(pull_request_id)
                .bind(now)
                .execute(&mut *tx)
                .await?;
                if locked.rows_affected() == 0 {
                    return Err(Trouble::NotFound);
                }
                let known: Option<KnownRow> = sqlx::query_as(
                    "SELECT id, is_current, status, blocked, attempt FROM pull_request_pods
                 WHERE pull_request_id = $1 AND commit_sha = $2",
                )
                .bind(pull_request_id)
                .bind(commit.as_str())
                .fetch_optional(&mut *tx)
                .await?;

                let stands = known.as_ref().is_some_and(|row| {
                    row.is_current
                        && row.status != PreviewStatus::Deleting
                        && (row.blocked.is_none() || request.blocked.is_some())
                });
                if let (Some(row), true) = (&known, stands) {
                    if row.blocked.is_some() && row.blocked != request.blocked {
                        sqlx::query(
                        "UPDATE pull_request_pods SET blocked = $2, updated_at = $3 WHERE id = $1",
                    )
                    .bind(&row.id)
                    .bind(request.blocked.as_deref().map(text))
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
                    }
                    let preview = sqlx::query_as(&current)
                        .bind(pull_request_id)
                        .fetch_one(&mut *tx)
                        .await?;
                    return Ok(Request {
                        outcome: Requested::Existing,
                        preview,
                    });
                }

                sqlx::query(
                    "UPDATE pull_request_pods SET status = 'failed', error_message = $2,
                     blocked = NULL, updated_at = $3
                 WHERE pull_request_id = $1 AND status IN ('pending', 'deploying')
                   AND commit_sha <> $4",
                )
                .bind(pull_request_id)
                .bind(SUPERSEDED)
                .bind(now)
                .bind(commit.as_str())
                .execute(&mut *tx)
                .await?;
                sqlx::query(END_DEPLOYMENTS)
                    .bind(pull_request_id)
                    .bind("superseded")
                    .bind(SUPERSEDED)
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
                // What is there stays in its cluster, whatever its project says by now.
                let before: Option<RowBefore> = sqlx::query_as(
                    "UPDATE pull_request_pods SET is_current = FALSE
                 WHERE pull_request_id = $1 AND is_current
                 RETURNING serving_commit, cluster, deleted_at",
                )
                .bind(pull_request_id)
                .fetch_optional(&mut *tx)
                .await?;

                let present = before.as_ref().filter(|row| row.deleted_at.is_none());
                let begins = request.blocked.is_none();
                let attempt = known.as_ref().map_or(0, |row| row.attempt) + u32::from(begins);
                // On a revival everything but the id, the source and the commit is written anew.
                let row_id: String = sqlx::query_scalar(
                    "INSERT INTO pull_request_pods (id, pull_request_id, commit_sha, namespace,
                     deployment_name, status, branch, public_url, blocked, serving_commit, attempt,
                     created_at, updated_at, request_id, preview_id, team_id,
                     cluster)
                 SELECT $1, $2, $3, $4, $5, 'pending', $6, $7, $8, $9, $10, $11, $11, $12, $2,
                     r.team_id, CASE WHEN $13 THEN $14 ELSE j.cluster END
                 FROM pull_requests q JOIN repositories r ON r.id = q.repo_id
                 JOIN projects j ON j.id = r.project_id WHERE q.id = $2
                 ON CONFLICT (pull_request_id, commit_sha) DO UPDATE
                 SET namespace = excluded.namespace, deployment_name = excluded.deployment_name,
                     status = 'pending', branch = excluded.branch,
                     public_url = excluded.public_url, blocked = excluded.blocked,
                     serving_commit = excluded.serving_commit, attempt = excluded.attempt,
                     created_at = excluded.created_at, updated_at = excluded.updated_at,
                     request_id = excluded.request_id, preview_id = excluded.preview_id,
                     team_id = excluded.team_id,
                     cluster = excluded.cluster, is_current = TRUE, phase = NULL,
                     error_message = NULL, deleted_at = NULL, expires_at = NULL
                 RETURNING id",
                )
                .bind(new_id())
                .bind(pull_request_id)
                .bind(commit.as_str())
                .bind(&request.namespace)
                .bind(&request.environment)
                .bind(text(&request.branch))
                .bind(&request.url)
                .bind(request.blocked.as_deref().map(text))
                .bind(before.as_ref().and_then(|row| row.serving_commit.clone()))
                .bind(i64::from(attempt))
                .bind(now)
                .bind(request.request_id.as_deref().map(text))
                .bind(present.is_some())
                .bind(present.and_then(|row| row.cluster.clone()))
                .fetch_one(&mut *tx)
                .await?;
                if begins {
                    sqlx::query(START_DEPLOYMENT)
                        .bind(new_id())
                        .bind(&row_id)
                        .bind(i64::from(attempt))
                        .bind(request.requested_at)
                        .execute(&mut *tx)
                        .await?;
                }
                sqlx::query(WORK_NOW)
                    .bind(pull_request_id)
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
                let preview = sqlx::query_as(&current)
                    .bind(pull_request_id)
                    .fetch_one(&mut *tx)
                    .await?;
                Ok(Request {
                    outcome: match known {
                        Some(_) => Requested::Revived,
                        None => Requested::Created,
                    },
                    preview,
                })
            }
        )
    }

    /// Starts a failed preview anew at the same commit: a new attempt, a new deployment, and work
    /// due at once. `request_id` is that of the HTTP request that asks for it, where one does.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such preview, [`StoreError::Conflict`] where it
    /// has not failed.
    pub async fn retry_preview(
        &self,
        id: &str,
        request_id: Option<&str>,
    ) -> Result<Preview, StoreError> {
        let now = now();
        let current = current_of("v.id = $1");
        transaction!(self, "retry the preview", id, |tx| {
            sqlx::query(LOCK)
                .bind(id)
                .bind(now)
                .execute(&mut *tx)
                .await?;
            let before: Preview = sqlx::query_as(&current)
                .bind(id)
                .fetch_one(&mut *tx)
                .await?;
            if before.status != PreviewStatus::Failed {
                return Err(Trouble::Conflict(format!(
                    "it is {}; only a failed preview can be retried",
                    before.status
                )));
            }
            sqlx::query(
                "UPDATE pull_request_pods SET status = 'pending', phase = NULL,
                     error_message = NULL, attempt = attempt + 1, updated_at = $2,
                     request_id = COALESCE($3, request_id)
                 WHERE id = $1",
            )
            .bind(&before.row_id)
            .bind(now)
            .bind(request_id.map(text))
            .execute(&mut *tx)
            .await?;
            sqlx::query(START_DEPLOYMENT)
                .bind(new_id())
                .bind(&before.row_id)
                .bind(i64::from(before.attempt) + 1)
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
                .fetch_one(&mut *tx)
                .await?)
        })
    }

    /// Lets the newest commit of a fork's pull request run. It is for the caller to request its
    /// preview then.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where that commit is no longer the newest: someone pushed after
    /// the approver looked. [`StoreError::NotFound`] for an unknown pull request.
    pub async fn approve_commit(&self, id: &str, commit: &CommitSha) -> Result<(), StoreError> {
        transaction!(self, "approve the pull request", id, |tx| {
            let head: String = sqlx::query_scalar(
                "UPDATE pull_requests
                 SET approved_sha = CASE WHEN head_sha = $2 THEN $2 ELSE approved_sha END
                 WHERE id = $1 RETURNING head_sha",
            )
            .bind(id)
            .bind(commit.as_str())
            .fetch_one(&mut *tx)
            .await?;
            if head != commit.as_str() {
                return Err(Trouble::Conflict(format!(
                    "its newest commit is {head}, not {commit}; look at that one and approve it"
                )));
            }
            Ok(())
        })
    }
}
