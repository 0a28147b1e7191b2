//! Pull requests as GitHub last told of them, and what people decided about them.

use catalyst_model::ids::{CommitSha, PullRequestNumber};
use chrono::{DateTime, Utc};

use crate::Store;
use crate::error::{StoreError, Trouble};
use crate::values::{MaybeNumber, MaybeWord, Word, int, new_id, now, text};

/// Whether a pull request is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PullRequestState {
    /// It can still change.
    Open,
    /// Closed without being merged.
    Closed,
    /// Merged.
    Merged,
}

impl PullRequestState {
    pub(crate) const ALL: [Self; 3] = [Self::Open, Self::Closed, Self::Merged];

    /// The word kept in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Merged => "merged",
        }
    }
}

/// Whether a pull request is ready for review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReviewStatus {
    /// Not yet.
    Draft,
    /// It is.
    Ready,
    /// It was reviewed, and changes were asked for.
    ChangesRequested,
}

impl ReviewStatus {
    pub(crate) const ALL: [Self; 3] = [Self::Draft, Self::Ready, Self::ChangesRequested];

    /// The word kept in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Ready => "ready",
            Self::ChangesRequested => "changes_requested",
        }
    }
}

/// A pull request as an event or GitHub's API tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPullRequest {
    /// The repository's id in the store.
    pub repository_id: String,
    /// GitHub's id of the pull request.
    pub github_id: u64,
    /// Its number in the repository.
    pub number: PullRequestNumber,
    /// Its title.
    pub title: String,
    /// The login of the one who opened it.
    pub author: String,
    /// Its page on GitHub.
    pub url: String,
    /// Open, closed or merged.
    pub state: PullRequestState,
    /// Draft, ready, or changes requested.
    pub status: ReviewStatus,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// The newest commit of its head.
    pub head_sha: CommitSha,
    /// The head's branch.
    pub head_ref: String,
    /// The head's repository, `owner/name`; none once a fork is deleted.
    pub head_repository: Option<String>,
    /// Whether the head is in another repository.
    pub is_fork: bool,
    /// GitHub's time of this state.
    pub updated_at: DateTime<Utc>,
}

/// A pull request, with what people decided about it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PullRequest {
    /// The store's id; also the id of its preview.
    pub id: String,
    /// The repository's id in the store.
    #[sqlx(rename = "repo_id")]
    pub repository_id: String,
    /// Its number in the repository.
    #[sqlx(try_from = "i64")]
    pub number: u64,
    /// Its title.
    pub title: String,
    /// The login of the one who opened it.
    pub author: String,
    /// Its page on GitHub.
    pub url: String,
    /// Open, closed or merged.
    #[sqlx(try_from = "Word")]
    pub state: PullRequestState,
    /// Draft, ready, or changes requested.
    #[sqlx(try_from = "Word")]
    pub status: ReviewStatus,
    /// The names of its labels.
    #[sqlx(try_from = "Labels")]
    pub labels: Vec<String>,
    /// The newest commit of its head.
    #[sqlx(try_from = "Word")]
    pub head_sha: CommitSha,
    /// The head's branch.
    pub head_ref: String,
    /// The head's repository, `owner/name`; none once a fork is deleted.
    pub head_repository: Option<String>,
    /// Whether the head is in another repository.
    pub is_fork: bool,
    /// The commit that a maintainer let run.
    #[sqlx(try_from = "MaybeWord")]
    pub approved_sha: Option<CommitSha>,
    /// The commit whose preview a person removed.
    #[sqlx(try_from = "MaybeWord")]
    pub removed_sha: Option<CommitSha>,
    /// GitHub's id of the sticky comment.
    #[sqlx(try_from = "MaybeNumber")]
    pub comment_id: Option<u64>,
    /// GitHub's time of this state.
    pub provider_updated_at: DateTime<Utc>,
    /// When it was first seen.
    pub created_at: DateTime<Utc>,
}

/// What became of a pull request's news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpsertedPullRequest {
    /// The pull request as the store has it now.
    pub pull_request: PullRequest,
    /// Whether the news were written; `false` where the store already had newer ones.
    pub applied: bool,
}

/// The labels column: a JSON list as text.
#[derive(Debug, sqlx::Type)]
#[sqlx(transparent)]
pub struct Labels(String);

impl TryFrom<Labels> for Vec<String> {
    type Error = serde_json::Error;
    fn try_from(labels: Labels) -> Result<Self, serde_json::Error> {
        serde_json::from_str(&labels.0)
    }
}

/// Columns that [`PullRequest`] is read from.
pub(crate) const PULL_REQUEST_COLUMNS: &str = "id, repo_id, number, title, author, url, state,
    status, labels, head_sha, head_ref, head_repository, is_fork, approved_sha, removed_sha,
    comment_id, provider_updated_at, created_at";

impl Store {
    /// Writes a pull request's state, unless the store has a newer one by GitHub's own time; what
    /// people decided about it stays.
    ///
    /// GitHub's times count whole seconds: of two states of one second the one that comes later
    /// is taken.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown repository.
    pub async fn upsert_pull_request(
        &self,
        new: &NewPullRequest,
    ) -> Result<UpsertedPullRequest, StoreError> {
        let object = format!("#{} of the repository {}", new.number, new.repository_id);
        let labels = serde_json::Value::from(new.labels.clone()).to_string();
        let upsert = format!(
            "INSERT INTO pull_requests (id, repo_id, provider_pr_id, number, title, author, url,
                 state, status, labels, head_sha, head_ref, head_repository, is_fork,
                 provider_updated_at, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16)
             ON CONFLICT (repo_id, provider, provider_pr_id) DO UPDATE
             SET number = excluded.number, title = excluded.title, author = excluded.author,
                 url = excluded.url, state = excluded.state, status = excluded.status,
                 labels = excluded.labels, head_sha = excluded.head_sha,
                 head_ref = excluded.head_ref, head_repository = excluded.head_repository,
                 is_fork = excluded.is_fork, provider_updated_at = excluded.provider_updated_at,
                 updated_at = excluded.updated_at
             WHERE pull_requests.provider_updated_at <= excluded.provider_updated_at
             RETURNING {PULL_REQUEST_COLUMNS}"
        );
        let present = format!(
            "SELECT {PULL_REQUEST_COLUMNS} FROM pull_requests
             WHERE repo_id = $1 AND provider = 'github' AND provider_pr_id = $2"
        );
        transaction!(self, "keep the pull request", object, |tx| {
            let written: Option<PullRequest> = sqlx::query_as(&upsert)
                .bind(new_id())
                .bind(&new.repository_id)
                .bind(new.github_id.to_string())
                .bind(int(new.number.get()))
                .bind(text(&new.title))
                .bind(text(&new.author))
                .bind(text(&new.url))
                .bind(new.state.as_str())
                .bind(new.status.as_str())
                .bind(&labels)
                .bind(new.head_sha.as_str())
                .bind(text(&new.head_ref))
                .bind(new.head_repository.as_deref().map(text))
                .bind(new.is_fork)
                .bind(new.updated_at)
                .bind(now())
                .fetch_optional(&mut *tx)
                .await?;
            let applied = written.is_some();
            let pull_request = match written {
                Some(pull_request) => pull_request,
                None => {
                    sqlx::query_as(&present)
                        .bind(&new.repository_id)
                        .bind(new.github_id.to_string())
                        .fetch_one(&mut *tx)
                        .await?
                }
            };
            Ok(UpsertedPullRequest {
                pull_request,
                applied,
            })
        })
    }

    /// The pull request with this id.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn pull_request(&self, id: &str) -> Result<Option<PullRequest>, StoreError> {
        let sql = format!("SELECT {PULL_REQUEST_COLUMNS} FROM pull_requests WHERE id = $1");
        read!(self, "find the pull request", id, |db| {
            sqlx::query_as(&sql).bind(id).fetch_optional(db).await
        })
    }

    /// The pull request with this number in a repository of the store.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn find_pull_request(
        &self,
        repository_id: &str,
        number: PullRequestNumber,
    ) -> Result<Option<PullRequest>, StoreError> {
        let sql = format!(
            "SELECT {PULL_REQUEST_COLUMNS} FROM pull_requests WHERE repo_id = $1 AND number = $2
             ORDER BY provider_updated_at DESC LIMIT 1"
        );
        read!(self, "find the pull request", number, |db| {
            sqlx::query_as(&sql)
                .bind(repository_id)
                .bind(int(number.get()))
                .fetch_optional(db)
                .await
        })
    }

    /// Keeps GitHub's id of the sticky comment; none forgets it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown pull request.
    pub async fn set_comment(&self, id: &str, comment_id: Option<u64>) -> Result<(), StoreError> {
        transaction!(self, "keep the comment of the pull request", id, |tx| {
            let kept = sqlx::query("UPDATE pull_requests SET comment_id = $2 WHERE id = $1")
                .bind(id)
                .bind(comment_id.map(int))
                .execute(&mut *tx)
                .await?;
            match kept.rows_affected() {
                0 => Err(Trouble::NotFound),
                _ => Ok(()),
            }
        })
    }

    /// Notes that a person removed the preview of this commit (another commit brings the preview
    /// back), or with none that it may come back.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown pull request.
    pub async fn set_removed_commit(
        &self,
        id: &str,
        commit: Option<&CommitSha>,
    ) -> Result<(), StoreError> {
        transaction!(
            self,
            "keep what was decided about the pull request",
            id,
            |tx| {
                let kept = sqlx::query("UPDATE pull_requests SET removed_sha = $2 WHERE id = $1")
                    .bind(id)
                    .bind(commit.map(CommitSha::as_str))
                    .execute(&mut *tx)
                    .await?;
                match kept.rows_affected() {
                    0 => Err(Trouble::NotFound),
                    _ => Ok(()),
                }
            }
        )
    }
}
