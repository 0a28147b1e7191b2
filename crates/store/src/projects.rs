//! Projects, brought in step with the Project objects of the cluster.

use std::collections::BTreeMap;

use catalyst_model::ids::RepositoryName;
use catalyst_model::views::ProjectView;
use sqlx::QueryBuilder;

use crate::Store;
use crate::error::{StoreError, Trouble};
use crate::listing::{Scope, push_names};
use crate::values::{int, new_id, now, text};

/// A project as its Project object has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectSync {
    /// The team's name; the team is made where it is new.
    pub team: String,
    /// The project's name.
    pub project: String,
    /// The cluster in which its Project object stands.
    pub cluster: String,
    /// What is wrong with the object, for its team to see.
    pub problem: Option<String>,
    /// Its repositories in the order of its sources. Of two entries for one repository the first
    /// counts.
    pub repositories: Vec<ProjectRepository>,
}

/// A source of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectRepository {
    /// The source's name.
    pub source: String,
    /// `owner/name`.
    pub full_name: RepositoryName,
    /// What `git clone` is given.
    pub clone_url: String,
    /// The branch that is run where no commit is named.
    pub branch: String,
}

/// Makes a team, or finds it: `$1` a new id, `$2` the name, `$3` the time.
pub(crate) const ENSURE_TEAM: &str = "INSERT INTO teams (id, name, created_at) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id";

impl Store {
    /// Makes the store's project equal to this one: its repositories are added, changed, or
    /// marked as removed. A removed repository keeps its previews, for the cleanup to end.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where another project of the team has one of the repositories;
    /// nothing is changed then.
    pub async fn sync_project(&self, sync: &ProjectSync) -> Result<(), StoreError> {
        let object = format!("{}/{}", sync.team, sync.project);
        let now = now();
        transaction!(self, "update the project", object, |tx| {
            let team_id: String = sqlx::query_scalar(ENSURE_TEAM)
                .bind(new_id())
                .bind(&sync.team)
                .bind(now)
                .fetch_one(&mut *tx)
                .await?;
            let project_id: String = sqlx::query_scalar(
                "INSERT INTO projects (id, team_id, name, problem, created_at, updated_at, cluster)
                 VALUES ($1, $2, $3, $4, $5, $5, $6)
                 ON CONFLICT (team_id, name) DO UPDATE
                 SET problem = excluded.problem, cluster = excluded.cluster, updated_at = excluded.updated_at, removed_at = NULL
                 RETURNING id",
            )
            .bind(new_id())
            .bind(&team_id)
            .bind(&sync.project)
            .bind(sync.problem.as_deref().map(text))
            .bind(now)
            .bind(text(&sync.cluster))
            .fetch_one(&mut *tx)
            .await?;

            sqlx::query(
                "UPDATE repositories SET removed_at = $2
                 WHERE project_id = $1 AND removed_at IS NULL",
            )
            .bind(&project_id)
            .bind(now)
            .execute(&mut *tx)
            .await?;
            let mut seen = std::collections::BTreeSet::new();
            let distinct = sync
                .repositories
                .iter()
                .filter(|repository| seen.insert(repository.full_name.key()));
            for (position, repository) in distinct.enumerate() {
                // A repository moves here only from a project that no longer has it.
                let added = sqlx::query(
                    "INSERT INTO repositories (id, team_id, project_id, full_name, full_name_key,
                         source, position, clone_url, branch, created_at, updated_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
                     ON CONFLICT (full_name_key, team_id) DO UPDATE
                     SET project_id = excluded.project_id, full_name = excluded.full_name,
                         source = excluded.source, position = excluded.position,
                         clone_url = excluded.clone_url, branch = excluded.branch,
                         updated_at = excluded.updated_at, removed_at = NULL
                     WHERE repositories.removed_at IS NOT NULL",
                )
                .bind(new_id())
                .bind(&team_id)
                .bind(&project_id)
                .bind(repository.full_name.as_str())
                .bind(repository.full_name.key())
                .bind(text(&repository.source))
                .bind(int(position as u64))
                .bind(text(&repository.clone_url))
                .bind(text(&repository.branch))
                .bind(now)
                .execute(&mut *tx)
                .await?;
                if added.rows_affected() == 0 {
                    return Err(Trouble::Conflict(format!(
                        "another project of the team has the repository {}; remove it there first",
                        repository.full_name
                    )));
                }
            }
            Ok(())
        })
    }

    /// Marks a project and its repositories as removed; `false` where there was none. Its previews
    /// stay, for the cleanup to end.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn remove_project(&self, team: &str, project: &str) -> Result<bool, StoreError> {
        let now = now();
        transaction!(
            self,
            "remove the project",
            format!("{team}/{project}"),
            |tx| {
                let id: Option<String> = sqlx::query_scalar(
                    "UPDATE projects SET removed_at = $3, updated_at = $3
                 WHERE name = $2 AND team_id = (SELECT id FROM teams WHERE name = $1)
                   AND removed_at IS NULL
                 RETURNING id",
                )
                .bind(team)
                .bind(project)
                .bind(now)
                .fetch_optional(&mut *tx)
                .await?;
                let Some(id) = id else { return Ok(false) };
                sqlx::query(
                    "UPDATE repositories SET removed_at = $2, updated_at = $2
                 WHERE project_id = $1 AND removed_at IS NULL",
                )
                .bind(id)
                .bind(now)
                .execute(&mut *tx)
                .await?;
                Ok(true)
            }
        )
    }

    /// The cluster in which a project lives that is not removed: none where there is no such
    /// project, and none within where it was made before clusters had names.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn project_cluster(
        &self,
        team: &str,
        project: &str,
    ) -> Result<Option<Option<String>>, StoreError> {
        let object = format!("{team}/{project}");
        read!(self, "find the project", object, |db| {
            sqlx::query_scalar(
                "SELECT p.cluster FROM projects p JOIN teams t ON t.id = p.team_id
                 WHERE t.name = $1 AND p.name = $2 AND p.removed_at IS NULL",
            )
            .bind(team)
            .bind(project)
            .fetch_optional(db)
            .await
        })
    }

    /// Moves a project, with all its previews, to the cluster of another name: for one whose cluster
    /// is not configured any more.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn move_project(
        &self,
        team: &str,
        project: &str,
        cluster: &str,
    ) -> Result<(), StoreError> {
        let object = format!("{team}/{project}");
        transaction!(self, "move the project", object, |tx| {
            let id: Option<String> = sqlx::query_scalar(
                "UPDATE projects SET cluster = $3, updated_at = $4
                 WHERE name = $2 AND team_id = (SELECT id FROM teams WHERE name = $1)
                 RETURNING id",
            )
            .bind(team)
            .bind(project)
            .bind(text(cluster))
            .bind(now())
            .fetch_optional(&mut *tx)
            .await?;
            sqlx::query(
                "UPDATE pull_request_pods SET cluster = $2
                 WHERE deleted_at IS NULL AND pull_request_id IN
                     (SELECT q.id FROM pull_requests q JOIN repositories r ON r.id = q.repo_id
                      WHERE r.project_id = $1)",
            )
            .bind(id)
            .bind(text(cluster))
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// The projects of these teams, by team and name, with the number of their present previews.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn list_projects(&self, scope: Scope<'_>) -> Result<Vec<ProjectView>, StoreError> {
        let rows: Vec<ProjectRow> = read!(self, "list", "the projects", |db| {
            let mut query = QueryBuilder::new(
                "SELECT t.name AS team, p.name, p.problem, p.cluster, r.full_name AS repository,
                     (SELECT COUNT(*) FROM previews v
                      JOIN pull_request_pods d ON d.preview_id = v.id
                      WHERE v.repo_id = r.id AND d.is_current AND d.deleted_at IS NULL) AS previews
                 FROM projects p JOIN teams t ON t.id = p.team_id
                 LEFT JOIN repositories r ON r.project_id = p.id AND r.removed_at IS NULL
                 WHERE p.removed_at IS NULL",
            );
            if let Scope::Teams(names) = scope {
                query.push(" AND t.name IN ");
                push_names(&mut query, names);
            }
            query
                .push(" ORDER BY t.name, p.name, r.position")
                .build_query_as()
                .fetch_all(db)
                .await
        })?;
        let mut projects: BTreeMap<(String, String), ProjectView> = BTreeMap::new();
        for row in rows {
            let project = projects
                .entry((row.team.clone(), row.name.clone()))
                .or_insert_with(|| ProjectView {
                    team: row.team,
                    name: row.name,
                    repositories: Vec::new(),
                    previews: 0,
                    problem: row.problem,
                    cluster: row.cluster,
                });
            project.repositories.extend(row.repository);
            project.previews += row.previews;
        }
        Ok(projects.into_values().collect())
    }
}

#[derive(sqlx::FromRow)]
struct ProjectRow {
    team: String,
    name: String,
    problem: Option<String>,
    cluster: Option<String>,
    repository: Option<String>,
    #[sqlx(try_from = "i64")]
    previews: u32,
}
