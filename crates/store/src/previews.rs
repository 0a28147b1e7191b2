//! Previews: one row a pull request and commit, of which the current one is the preview.

use catalyst_model::ids::{CommitSha, RepositoryName};
use catalyst_model::state::{Phase, PreviewStatus};
use catalyst_model::views::PreviewSummary;
use chrono::{DateTime, Utc};

use crate::Store;
use crate::error::{StoreError, Trouble};
use crate::values::{MaybeWord, Word, new_id, now, text};

/// A preview: the current commit of a pull request, with the names around it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Preview {
    /// The pull request's id in the store, and so the preview's: stable over pushes.
    pub id: String,
    /// The row of this commit.
    pub row_id: String,
    /// The team's name.
    pub team: String,
    /// The project's name.
    pub project: String,
    /// The repository's id in the store.
    pub repository_id: String,
    /// `owner/name`.
    #[sqlx(try_from = "Word")]
    pub repository: RepositoryName,
    /// Whether the project no longer has the repository, or the project itself is gone.
    pub repository_removed: bool,
    /// The pull request's number.
    #[sqlx(try_from = "i64")]
    pub number: u64,
    /// The pull request's title.
    pub title: String,
    /// The login of the one who opened it.
    pub author: String,
    /// The pull request's page on GitHub.
    pub pull_request_url: String,
    /// The head branch.
    pub branch: String,
    /// The newest commit asked for.
    #[sqlx(rename = "commit_sha", try_from = "Word")]
    pub commit: CommitSha,
    /// The commit that the URL answers with now, where one does.
    #[sqlx(try_from = "MaybeWord")]
    pub serving_commit: Option<CommitSha>,
    /// Where its workloads run.
    pub namespace: String,
    /// The Environment's name, in the namespace of the project.
    pub environment: String,
    /// How far it is.
    #[sqlx(try_from = "Word")]
    pub status: PreviewStatus,
    /// The cluster's phase, as far as it is known.
    #[sqlx(try_from = "MaybeWord")]
    pub phase: Option<Phase>,
    /// Why nothing runs yet although nothing is wrong.
    pub blocked: Option<String>,
    /// What happens at the moment, or went wrong.
    pub message: Option<String>,
    /// Where it answers, once that is known.
    pub url: Option<String>,
    /// Counted up from 1 by each retry of this commit; 0 while it has only ever been blocked.
    #[sqlx(try_from = "i64")]
    pub attempt: u32,
    /// When the pull request was first seen.
    pub pull_request_created_at: DateTime<Utc>,
    /// When this commit was first asked for.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
    /// When this commit last became ready.
    pub last_deployed_at: Option<DateTime<Utc>>,
    /// When the preview was removed; its status is `Deleting` from then on.
    pub deleted_at: Option<DateTime<Utc>>,
}

impl Preview {
    /// The row of the list.
    #[must_use]
    pub fn summary(&self) -> PreviewSummary {
        let this = self.clone();
        PreviewSummary {
            id: this.id,
            team: this.team,
            project: this.project,
            repository: this.repository.into(),
            number: Some(this.number),
            title: this.title,
            pull_request_url: Some(this.pull_request_url),
            author: Some(this.author),
            branch: this.branch,
            commit: this.commit.into(),
            serving_commit: this.serving_commit.map(Into::into),
            namespace: this.namespace,
            status: this.status,
            phase: this.phase,
            blocked: this.blocked,
            message: this.message,
            url: this.url,
            created_at: this.pull_request_created_at,
            updated_at: this.updated_at,
            deleted_at: this.deleted_at,
        }
    }
}

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

/// What the rows of older commits say.
const SUPERSEDED: &str = "superseded by newer commit";

/// Selects [`Preview`]s; a condition follows.
pub(crate) const PREVIEW: &str = "SELECT q.id, p.id AS row_id, t.name AS team, j.name AS project,
        r.id AS repository_id, r.full_name AS repository,
        (r.removed_at IS NOT NULL) AS repository_removed, q.number, q.title, q.author,
        q.url AS pull_request_url, p.branch, p.commit_sha, p.serving_commit,
        p.namespace, p.deployment_name AS environment, p.status, p.phase, p.blocked,
        p.error_message AS message, p.public_url AS url, p.attempt,
        q.created_at AS pull_request_created_at, p.created_at, p.updated_at, p.last_deployed_at,
        p.deleted_at";

/// The tables that [`PREVIEW`] reads.
pub(crate) const PREVIEW_TABLES: &str = "FROM pull_request_pods p
    JOIN pull_requests q ON q.id = p.pull_request_id
    JOIN repositories r ON r.id = q.repo_id
    JOIN projects j ON j.id = r.project_id
    JOIN teams t ON t.id = p.team_id";

/// Makes everything else that changes this pull request's previews wait for the transaction.
const LOCK: &str = "UPDATE pull_requests SET updated_at = $2 WHERE id = $1";

/// Asks for work in the cluster, at once and as if for the first time.
const WORK_NOW: &str = "UPDATE pull_requests SET work_due_at = $2, work_tries = 0,
    work_error = NULL, work_given_up_at = NULL WHERE id = $1";

const START_DEPLOYMENT: &str = "INSERT INTO deployments (id, pod_id, attempt, result, started_at)
     VALUES ($1, $2, $3, 'deploying', $4)";

/// Ends whatever is under way of a pull request: `$1` its id, `$2` the result, `$3` the message,
/// `$4` the time.
const END_DEPLOYMENTS: &str = "UPDATE deployments SET result = $2, message = $3, finished_at = $4
     WHERE result = 'deploying'
       AND pod_id IN (SELECT id FROM pull_request_pods WHERE pull_request_id = $1)";

fn current_of(condition: &str) -> String {
    format!("{PREVIEW} {PREVIEW_TABLES} WHERE p.is_current AND {condition}")
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

impl Store {
    /// Asks for a preview of a commit, in one transaction:
    ///
    /// - The current commit that is neither removed nor being removed stays as it is, unless it
    ///   was blocked and this request is not; a new reason for being blocked is kept.
    /// - Any other commit becomes the current one, pending. The pull request's pending and
    ///   deploying rows fail with "superseded by newer commit", their deployments are superseded,
    ///   and what is served goes on being served.
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
        let current = current_of("q.id = $1");
        transaction!(
            self,
            "request a preview of",
            format!("{commit} for {pull_request_id}"),
            |tx| {
                let locked = sqlx::query(LOCK)
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
                let served: Option<Option<String>> = sqlx::query_scalar(
                    "UPDATE pull_request_pods SET is_current = FALSE
                 WHERE pull_request_id = $1 AND is_current RETURNING serving_commit",
                )
                .bind(pull_request_id)
                .fetch_optional(&mut *tx)
                .await?;

                let begins = request.blocked.is_none();
                let attempt = known.as_ref().map_or(0, |row| row.attempt) + u32::from(begins);
                // On a revival everything but the id, the source and the commit is written anew.
                let row_id: String = sqlx::query_scalar(
                    "INSERT INTO pull_request_pods (id, pull_request_id, commit_sha, namespace,
                     deployment_name, status, branch, public_url, blocked, serving_commit, attempt,
                     created_at, updated_at, team_id)
                 VALUES ($1, $2, $3, $4, $5, 'pending', $6, $7, $8, $9, $10, $11, $11,
                     (SELECT r.team_id FROM pull_requests q
                      JOIN repositories r ON r.id = q.repo_id WHERE q.id = $2))
                 ON CONFLICT (pull_request_id, commit_sha) DO UPDATE
                 SET namespace = excluded.namespace, deployment_name = excluded.deployment_name,
                     status = 'pending', branch = excluded.branch,
                     public_url = excluded.public_url, blocked = excluded.blocked,
                     serving_commit = excluded.serving_commit, attempt = excluded.attempt,
                     created_at = excluded.created_at, updated_at = excluded.updated_at,
                     team_id = excluded.team_id, is_current = TRUE, phase = NULL,
                     error_message = NULL, deleted_at = NULL
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
                .bind(served.flatten())
                .bind(i64::from(attempt))
                .bind(now)
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
                "UPDATE pull_requests SET updated_at = $2
                 WHERE id = (SELECT pull_request_id FROM pull_request_pods WHERE id = $1)",
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
                     WHERE pull_request_id = $1 AND NOT is_current AND deleted_at IS NULL",
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

    /// Starts a failed preview anew at the same commit: a new attempt, a new deployment, and work
    /// due at once.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such preview, [`StoreError::Conflict`] where it
    /// has not failed.
    pub async fn retry_preview(&self, id: &str) -> Result<Preview, StoreError> {
        let now = now();
        let current = current_of("q.id = $1");
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
                     error_message = NULL, attempt = attempt + 1, updated_at = $2
                 WHERE id = $1",
            )
            .bind(&before.row_id)
            .bind(now)
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

    /// Begins to remove a preview: its row is deleting, what was under way is cancelled, and work
    /// is due at once. None where there is none, or it is removed already; where its removal has
    /// begun, this begins it anew.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn start_removal(&self, id: &str) -> Result<Option<Preview>, StoreError> {
        let now = now();
        let current = current_of("q.id = $1");
        transaction!(self, "remove the preview", id, |tx| {
            sqlx::query(LOCK)
                .bind(id)
                .bind(now)
                .execute(&mut *tx)
                .await?;
            let begun = sqlx::query(
                "UPDATE pull_request_pods SET status = 'deleting', blocked = NULL,
                     error_message = NULL, updated_at = $2
                 WHERE pull_request_id = $1 AND is_current AND deleted_at IS NULL",
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
        let current = current_of("q.id = $1");
        transaction!(self, "end the removal of the preview", id, |tx| {
            sqlx::query(LOCK)
                .bind(id)
                .bind(now)
                .execute(&mut *tx)
                .await?;
            let ended = sqlx::query(
                "UPDATE pull_request_pods SET deleted_at = $2, updated_at = $2, phase = NULL,
                     serving_commit = NULL, error_message = NULL
                 WHERE pull_request_id = $1 AND is_current AND status = 'deleting'
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
                 WHERE pull_request_id = $1 AND NOT is_current AND deleted_at IS NULL",
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

    /// The preview with this id, removed or not. The id of any of its rows finds it too.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn preview(&self, id: &str) -> Result<Option<Preview>, StoreError> {
        let sql = current_of(
            "q.id = COALESCE((SELECT pull_request_id FROM pull_request_pods WHERE id = $1), $1)",
        );
        read!(self, "find the preview", id, |db| {
            sqlx::query_as(&sql).bind(id).fetch_optional(db).await
        })
    }

    /// The preview in this namespace; of several, one that is not removed, then the newest.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn preview_in_namespace(
        &self,
        namespace: &str,
    ) -> Result<Option<Preview>, StoreError> {
        let sql = format!(
            "{} ORDER BY (p.deleted_at IS NULL) DESC, p.updated_at DESC LIMIT 1",
            current_of("p.namespace = $1")
        );
        read!(self, "find the preview in", namespace, |db| {
            sqlx::query_as(&sql)
                .bind(namespace)
                .fetch_optional(db)
                .await
        })
    }

    /// Every preview that is not removed, those being removed included: for a start and the sweep.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn present_previews(&self) -> Result<Vec<Preview>, StoreError> {
        let sql = current_of("p.deleted_at IS NULL ORDER BY p.updated_at DESC, p.id");
        read!(self, "list", "the previews", |db| {
            sqlx::query_as(&sql).fetch_all(db).await
        })
    }
}

fn says(preview: &Preview, report: &PreviewReport) -> bool {
    preview.attempt == report.attempt
        && preview.status == report.status
        && preview.phase == report.phase
        && preview.message == report.message
        && preview.url == report.url
        && preview.serving_commit == report.serving_commit
}
