//! Previews that were made by hand, and until when any preview is kept.

use catalyst_model::ids::CommitSha;
use chrono::{DateTime, Utc};

use super::{Preview, START_DEPLOYMENT, WORK_NOW, current_of};
use crate::Store;
use crate::error::{StoreError, Trouble};
use crate::values::{new_id, now, text};

/// The wish for a preview that belongs to no pull request: of the newest commit of a branch, of a
/// commit, or of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManualPreview {
    /// The repository's id in the store; the preview is its team's.
    pub repository_id: String,
    /// The user who asks for it.
    pub created_by: uuid::Uuid,
    /// The branch.
    pub branch: String,
    /// The commit; none for the newest of the branch, or an image.
    pub commit: Option<CommitSha>,
    /// The image that is run instead of a commit.
    pub image: Option<String>,
    /// The port that the image listens on, where that is said.
    pub port: Option<u16>,
    /// Where its workloads are to run.
    pub namespace: String,
    /// The Environment's name.
    pub environment: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// The id of the HTTP request that asks for it, where one does.
    pub request_id: Option<String>,
}

impl Store {
    /// Keeps a preview that was made by hand, with its first deployment, and work due at once.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where its namespace is another present preview's;
    /// [`StoreError::NotFound`] for an unknown repository.
    pub async fn create_manual_preview(&self, new: &ManualPreview) -> Result<Preview, StoreError> {
        let now = now();
        let id = new_id();
        let current = current_of("v.id = $1");
        transaction!(self, "make the preview in", &new.namespace, |tx| {
            let made = sqlx::query(
                "INSERT INTO previews (id, repo_id, created_at, updated_at)
                 SELECT $1, id, $3, $3 FROM repositories WHERE id = $2 AND removed_at IS NULL",
            )
            .bind(&id)
            .bind(&new.repository_id)
            .bind(now)
            .execute(&mut *tx)
            .await?;
            if made.rows_affected() == 0 {
                return Err(Trouble::NotFound);
            }
            let taken: i64 = sqlx::query_scalar(
                "SELECT COUNT(*) FROM pull_request_pods
                 WHERE namespace = $1 AND is_current AND deleted_at IS NULL",
            )
            .bind(&new.namespace)
            .fetch_one(&mut *tx)
            .await?;
            let inserted = match taken {
                0 => sqlx::query(
                    "INSERT INTO pull_request_pods (id, preview_id, source, created_by, commit_sha,
                         image_tag, namespace, deployment_name, status, branch, attempt, expires_at,
                         created_at, updated_at, request_id, port, team_id, cluster)
                     SELECT $1, $1, 'manual', $3, $4, $5, $6, $7, 'pending', $8, 1, $9, $10, $10,
                         $11, $12, r.team_id, j.cluster
                     FROM repositories r JOIN projects j ON j.id = r.project_id WHERE r.id = $2
                     ON CONFLICT (namespace) WHERE source = 'manual' AND deleted_at IS NULL
                     DO NOTHING",
                )
                .bind(&id)
                .bind(&new.repository_id)
                .bind(new.created_by.to_string())
                .bind(new.commit.as_ref().map_or("", CommitSha::as_str))
                .bind(new.image.as_deref().map(text))
                .bind(&new.namespace)
                .bind(&new.environment)
                .bind(text(&new.branch))
                .bind(new.expires_at)
                .bind(now)
                .bind(new.request_id.as_deref().map(text))
                .bind(new.port.map(i64::from))
                .execute(&mut *tx)
                .await?
                .rows_affected(),
                _ => 0,
            };
            if inserted == 0 {
                return Err(Trouble::Conflict(
                    "another preview is there already; choose another name".to_owned(),
                ));
            }
            sqlx::query(START_DEPLOYMENT)
                .bind(new_id())
                .bind(&id)
                .bind(1_i64)
                .bind(now)
                .execute(&mut *tx)
                .await?;
            sqlx::query(WORK_NOW)
                .bind(&id)
                .bind(now)
                .execute(&mut *tx)
                .await?;
            Ok(sqlx::query_as(&current)
                .bind(&id)
                .fetch_one(&mut *tx)
                .await?)
        })
    }

    /// Keeps a preview until then at least. None where it is removed, or being removed.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn keep_preview_until(
        &self,
        id: &str,
        until: DateTime<Utc>,
    ) -> Result<Option<Preview>, StoreError> {
        let current = current_of("v.id = $1");
        transaction!(self, "prolong the preview", id, |tx| {
            let kept = sqlx::query(
                "UPDATE pull_request_pods SET expires_at = $2, updated_at = $3
                 WHERE preview_id = $1 AND is_current AND deleted_at IS NULL
                   AND status <> 'deleting'",
            )
            .bind(id)
            .bind(until)
            .bind(now())
            .execute(&mut *tx)
            .await?;
            if kept.rows_affected() == 0 {
                return Ok(None);
            }
            Ok(sqlx::query_as(&current)
                .bind(id)
                .fetch_optional(&mut *tx)
                .await?)
        })
    }

    /// Whether the commit is the head of a fork's pull request that nobody let run.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn waits_for_approval(
        &self,
        repository_id: &str,
        commit: &CommitSha,
    ) -> Result<bool, StoreError> {
        let waiting: i64 = read!(self, "look for a fork's commit in", repository_id, |db| {
            sqlx::query_scalar(
                "SELECT COUNT(*) FROM pull_requests
                 WHERE repo_id = $1 AND head_sha = $2 AND is_fork
                   AND (approved_sha IS NULL OR approved_sha <> head_sha)",
            )
            .bind(repository_id)
            .bind(commit.as_str())
            .fetch_one(db)
            .await
        })?;
        Ok(waiting > 0)
    }
}
