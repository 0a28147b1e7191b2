//! The repositories that projects name.

use catalyst_model::ids::RepositoryName;

use crate::Store;
use crate::error::StoreError;
use crate::values::{MaybeNumber, Word, int, now};

/// A repository as one project has it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Repository {
    /// Catalyst's id.
    pub id: String,
    /// The team's name.
    pub team: String,
    /// The project's name.
    pub project: String,
    /// GitHub's id, once a delivery told it.
    #[sqlx(try_from = "MaybeNumber")]
    pub github_id: Option<u64>,
    /// `owner/name`, as the project spells it.
    #[sqlx(try_from = "Word")]
    pub full_name: RepositoryName,
    /// The name of the project's source.
    pub source: String,
    /// Its place among the project's sources, from 0.
    #[sqlx(try_from = "i64")]
    pub position: u32,
    /// What `git clone` is given.
    pub clone_url: String,
    /// The branch that is run where no commit is named.
    pub branch: String,
}

pub(crate) const REPOSITORY: &str = "SELECT r.id, t.name AS team, p.name AS project, r.github_id,
        r.full_name, r.source, r.position, r.clone_url, r.branch
    FROM repositories r JOIN projects p ON p.id = r.project_id JOIN teams t ON t.id = r.team_id";

impl Store {
    /// The repositories of all teams that are the one with this id on GitHub or, where a
    /// repository's id is not known yet, with this full name.
    ///
    /// An id, once learned, wins: whoever takes over a name that a repository gave up does not
    /// take over its previews.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn find_repositories(
        &self,
        github_id: u64,
        full_name: &RepositoryName,
    ) -> Result<Vec<Repository>, StoreError> {
        let sql = format!(
            "{REPOSITORY} WHERE r.removed_at IS NULL
             AND (r.github_id = $1 OR (r.github_id IS NULL AND r.full_name_key = $2))
             ORDER BY t.name"
        );
        read!(self, "find the repository", full_name, |db| {
            sqlx::query_as(&sql)
                .bind(int(github_id))
                .bind(full_name.key())
                .fetch_all(db)
                .await
        })
    }

    /// The repository with this id, also where its project is gone.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn repository(&self, id: &str) -> Result<Option<Repository>, StoreError> {
        let sql = format!("{REPOSITORY} WHERE r.id = $1");
        read!(self, "find the repository", id, |db| {
            sqlx::query_as(&sql).bind(id).fetch_optional(db).await
        })
    }

    /// The project's repositories, in the order of its sources.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn project_repositories(
        &self,
        team: &str,
        project: &str,
    ) -> Result<Vec<Repository>, StoreError> {
        let sql = format!(
            "{REPOSITORY} WHERE t.name = $1 AND p.name = $2 AND r.removed_at IS NULL
             ORDER BY r.position"
        );
        read!(
            self,
            "find the repositories of",
            format!("{team}/{project}"),
            |db| {
                sqlx::query_as(&sql)
                    .bind(team)
                    .bind(project)
                    .fetch_all(db)
                    .await
            }
        )
    }

    /// Binds a repository to its id on GitHub, once; where it is bound already nothing changes. A
    /// removed repository of the team gives the id up: it was renamed on GitHub, and its project
    /// followed.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where another repository of the team has that id: it was renamed on
    /// GitHub, and two projects now name it.
    pub async fn learn_repository_id(&self, id: &str, github_id: u64) -> Result<(), StoreError> {
        transaction!(self, "learn the GitHub id of the repository", id, |tx| {
            sqlx::query(
                "UPDATE repositories SET github_id = NULL
                 WHERE github_id = $2 AND removed_at IS NOT NULL
                   AND team_id = (SELECT team_id FROM repositories WHERE id = $1)",
            )
            .bind(id)
            .bind(int(github_id))
            .execute(&mut *tx)
            .await?;
            sqlx::query(
                "UPDATE repositories SET github_id = $2, updated_at = $3
                 WHERE id = $1 AND github_id IS NULL",
            )
            .bind(id)
            .bind(int(github_id))
            .bind(now())
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }
}
