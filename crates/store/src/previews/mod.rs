//! Previews: those of pull requests, with one row a commit of which the current one is the preview,
//! and those that were made by hand, with one row.

mod manual;
mod removal;
mod report;
mod request;

use catalyst_model::ids::{CommitSha, RepositoryName};
use catalyst_model::state::{Phase, PreviewStatus};
use catalyst_model::views::{PreviewSource, PreviewSummary};
use chrono::{DateTime, Utc};

pub use self::manual::ManualPreview;
pub use self::report::{PreviewReport, Reported};
pub use self::request::{PreviewRequest, Request, Requested};
use crate::Store;
use crate::error::StoreError;
use crate::values::{MaybeNumber, MaybeWord, Word};

/// A preview: the current commit of a pull request, or what was asked for by hand, with the names
/// around it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Preview {
    /// Stable over pushes: the pull request's id in the store, where it belongs to one.
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
    /// The pull request's number; none for a preview that was made by hand.
    #[sqlx(try_from = "MaybeNumber")]
    pub number: Option<u64>,
    /// The pull request's title.
    pub title: Option<String>,
    /// The login of the one who opened the pull request, or made the preview by hand.
    pub author: Option<String>,
    /// The pull request's page on GitHub.
    pub pull_request_url: Option<String>,
    /// The head branch.
    pub branch: String,
    /// The newest commit asked for. None by hand, for the newest of the branch or an image.
    #[sqlx(rename = "commit_sha", try_from = "MaybeWord")]
    pub commit: Option<CommitSha>,
    /// The image that was asked for instead of a commit, by hand.
    pub image: Option<String>,
    /// The port that the image listens on, where that was said.
    #[sqlx(try_from = "MaybeNumber")]
    pub port: Option<u64>,
    /// The commit that the URL answers with now, where one does.
    #[sqlx(try_from = "MaybeWord")]
    pub serving_commit: Option<CommitSha>,
    /// The cluster that it was made in; none for the default one.
    pub cluster: Option<String>,
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
    /// The id of the HTTP request that asked for it last, where one did.
    pub request_id: Option<String>,
    /// Counted up from 1 by each retry of this commit; 0 while it has only ever been blocked.
    #[sqlx(try_from = "i64")]
    pub attempt: u32,
    /// When the pull request was first seen, or the preview made by hand.
    pub preview_created_at: DateTime<Utc>,
    /// When this commit was first asked for.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
    /// When this commit last became ready.
    pub last_deployed_at: Option<DateTime<Utc>>,
    /// Until when it is kept at least, where a person or its kind says so: a preview that was made
    /// by hand ends then.
    pub expires_at: Option<DateTime<Utc>>,
    /// When the preview was removed; its status is `Deleting` from then on.
    pub deleted_at: Option<DateTime<Utc>>,
}

impl Preview {
    /// Where it comes from.
    #[must_use]
    pub const fn source(&self) -> PreviewSource {
        match self.number {
            Some(_) => PreviewSource::PullRequest,
            None => PreviewSource::Manual,
        }
    }

    /// `owner/name#number`, or `owner/name` where it belongs to no pull request.
    #[must_use]
    pub fn origin(&self) -> String {
        match self.number {
            Some(number) => format!("{}#{number}", self.repository),
            None => self.repository.to_string(),
        }
    }

    /// What it is called: the pull request's title, or what was asked for by hand.
    #[must_use]
    pub fn title(&self) -> String {
        match (&self.title, &self.image, &self.commit) {
            (Some(title), ..) => title.clone(),
            (None, Some(image), _) => format!("Image {image}"),
            (None, None, Some(commit)) => {
                format!("Commit {} of {}", commit.short(), self.branch)
            }
            (None, None, None) => format!("Branch {}", self.branch),
        }
    }

    /// The commit that it is about: the one asked for, else the one that runs, once that is known.
    #[must_use]
    pub fn revision(&self) -> Option<&CommitSha> {
        self.commit.as_ref().or(self.serving_commit.as_ref())
    }

    /// The row of the list, without what only the use cases know: what it uses, and until when a
    /// pull request's preview is kept.
    #[must_use]
    pub fn summary(&self) -> PreviewSummary {
        let this = self.clone();
        PreviewSummary {
            title: self.title(),
            source: self.source(),
            commit: self.revision().map(ToString::to_string).unwrap_or_default(),
            id: this.id,
            team: this.team,
            project: this.project,
            repository: this.repository.into(),
            number: this.number,
            pull_request_url: this.pull_request_url,
            author: this.author,
            branch: this.branch,
            image: this.image,
            serving_commit: this.serving_commit.map(Into::into),
            namespace: this.namespace,
            status: this.status,
            phase: this.phase,
            blocked: this.blocked,
            message: this.message,
            url: this.url,
            created_at: this.preview_created_at,
            pushed_at: this.created_at,
            updated_at: this.updated_at,
            deleted_at: this.deleted_at,
            expires_at: this.expires_at,
            expiry_warning_at: None,
            usage: None,
        }
    }
}

/// Selects [`Preview`]s; a condition follows.
pub(crate) const PREVIEW: &str = "SELECT v.id, p.id AS row_id, t.name AS team, j.name AS project,
        r.id AS repository_id, r.full_name AS repository,
        (r.removed_at IS NOT NULL) AS repository_removed, q.number, q.title,
        COALESCE(q.author, u.login) AS author, q.url AS pull_request_url, p.branch,
        NULLIF(p.commit_sha, '') AS commit_sha, p.image_tag AS image, p.port, p.serving_commit,
        p.cluster, p.namespace, p.deployment_name AS environment, p.status, p.phase, p.blocked,
        p.error_message AS message, p.public_url AS url, p.attempt, p.request_id,
        v.created_at AS preview_created_at, p.created_at, p.updated_at, p.last_deployed_at,
        p.expires_at, p.deleted_at";

/// The tables that [`PREVIEW`] reads.
pub(crate) const PREVIEW_TABLES: &str = "FROM pull_request_pods p
    JOIN previews v ON v.id = p.preview_id
    JOIN repositories r ON r.id = v.repo_id
    JOIN projects j ON j.id = r.project_id
    JOIN teams t ON t.id = p.team_id
    LEFT JOIN pull_requests q ON q.id = v.pull_request_id
    LEFT JOIN users u ON u.id = p.created_by";

/// Makes everything else that changes this preview wait for the transaction.
const LOCK: &str = "UPDATE previews SET updated_at = $2 WHERE id = $1";

/// Asks for work in the cluster, at once and as if for the first time.
const WORK_NOW: &str = "UPDATE previews SET work_due_at = $2, work_tries = 0,
    work_error = NULL, work_given_up_at = NULL WHERE id = $1";

const START_DEPLOYMENT: &str = "INSERT INTO deployments (id, pod_id, attempt, result, started_at)
     VALUES ($1, $2, $3, 'deploying', $4)";

/// Ends whatever is under way of a preview: `$1` its id, `$2` the result, `$3` the message,
/// `$4` the time.
const END_DEPLOYMENTS: &str = "UPDATE deployments SET result = $2, message = $3, finished_at = $4
     WHERE result = 'deploying'
       AND pod_id IN (SELECT id FROM pull_request_pods WHERE preview_id = $1)";

fn current_of(condition: &str) -> String {
    format!("{PREVIEW} {PREVIEW_TABLES} WHERE p.is_current AND {condition}")
}

impl Store {
    /// The preview with this id, removed or not. The id of any of its rows finds it too.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn preview(&self, id: &str) -> Result<Option<Preview>, StoreError> {
        let sql = current_of(
            "v.id = COALESCE((SELECT preview_id FROM pull_request_pods WHERE id = $1), $1)",
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
