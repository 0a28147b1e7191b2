//! Secrets of previews, as Catalyst encrypted them: no value is ever here in the clear.

use catalyst_model::secrets::SecretLevel;
use chrono::{DateTime, Utc};

use crate::Store;
use crate::error::{StoreError, Trouble};
use crate::values::{new_id, now, text};

/// An encrypted value, each part in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The ciphertext.
    pub encrypted_value: String,
    /// The nonce.
    pub iv: String,
    /// The authentication tag.
    pub auth_tag: String,
    /// Which key it was encrypted with.
    pub key_id: String,
}

/// A secret to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSecret {
    /// The team's name.
    pub team: String,
    /// The project's name; of no meaning at the team's level.
    pub project: String,
    /// Where it belongs.
    pub level: SecretLevel,
    /// The environment variable.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its value.
    pub sealed: Sealed,
    /// The login of whoever writes it.
    pub updated_by: String,
}

/// A secret as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret {
    /// Its id, the same however often its value is replaced.
    pub id: String,
    /// The team's name.
    pub team: String,
    /// The project's name; none at the team's level.
    pub project: Option<String>,
    /// Where it belongs.
    pub level: SecretLevel,
    /// The environment variable.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its value.
    pub sealed: Sealed,
    /// When its value was last replaced by a person.
    pub updated_at: DateTime<Utc>,
    /// The login of whoever did that.
    pub updated_by: String,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    team: String,
    project: Option<String>,
    template: Option<String>,
    environment: Option<String>,
    name: String,
    description: Option<String>,
    encrypted_value: String,
    iv: String,
    auth_tag: String,
    key_id: String,
    updated_at: DateTime<Utc>,
    updated_by: String,
}

impl From<Row> for StoredSecret {
    fn from(row: Row) -> Self {
        let level = match (&row.project, row.template, row.environment) {
            (_, _, Some(environment)) => SecretLevel::Environment(environment),
            (_, Some(template), None) => SecretLevel::Template(template),
            (Some(_), None, None) => SecretLevel::Project,
            (None, None, None) => SecretLevel::Team,
        };
        Self {
            id: row.id,
            team: row.team,
            project: row.project,
            level,
            name: row.name,
            description: row.description,
            sealed: Sealed {
                encrypted_value: row.encrypted_value,
                iv: row.iv,
                auth_tag: row.auth_tag,
                key_id: row.key_id,
            },
            updated_at: row.updated_at,
            updated_by: row.updated_by,
        }
    }
}

const SECRET: &str = "SELECT s.id, t.name AS team, p.name AS project, s.template, s.environment,
        s.name, s.description, s.encrypted_value, s.iv, s.auth_tag, s.key_id, s.updated_at,
        s.updated_by
    FROM secrets s JOIN teams t ON t.id = s.team_id LEFT JOIN projects p ON p.id = s.project_id";

/// The unique index that a level's secrets are told apart by.
fn index(level: &SecretLevel) -> &'static str {
    match level {
        SecretLevel::Team => "(team_id, name) WHERE project_id IS NULL",
        SecretLevel::Project => {
            "(project_id, name)
             WHERE project_id IS NOT NULL AND template IS NULL AND environment IS NULL"
        }
        SecretLevel::Template(_) => "(project_id, template, name) WHERE template IS NOT NULL",
        SecretLevel::Environment(_) => {
            "(project_id, environment, name) WHERE environment IS NOT NULL"
        }
    }
}

/// The template and the Environment of a level.
fn columns(level: &SecretLevel) -> (Option<&str>, Option<&str>) {
    match level {
        SecretLevel::Team | SecretLevel::Project => (None, None),
        SecretLevel::Template(of) => (Some(of), None),
        SecretLevel::Environment(of) => (None, Some(of)),
    }
}

impl Store {
    /// Keeps a secret, in place of the one of this name at this level where there is one. Whether
    /// it is new.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is no such team or project.
    pub async fn put_secret(&self, secret: &NewSecret) -> Result<bool, StoreError> {
        let (now, id) = (now(), new_id());
        let (template, environment) = columns(&secret.level);
        let of_project = secret.level != SecretLevel::Team;
        let put = format!(
            "INSERT INTO secrets (id, team_id, project_id, template, environment, name, description,
                 encrypted_value, iv, auth_tag, key_id, created_at, updated_at, updated_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $13)
             ON CONFLICT {} DO UPDATE
             SET description = excluded.description, encrypted_value = excluded.encrypted_value,
                 iv = excluded.iv, auth_tag = excluded.auth_tag, key_id = excluded.key_id,
                 updated_at = excluded.updated_at, updated_by = excluded.updated_by
             RETURNING id",
            index(&secret.level)
        );
        transaction!(self, "keep the secret", &secret.name, |tx| {
            let ids: Option<(String, Option<String>)> = sqlx::query_as(
                "SELECT t.id, p.id FROM teams t
                 LEFT JOIN projects p ON p.team_id = t.id AND p.name = $2 AND p.removed_at IS NULL
                 WHERE t.name = $1",
            )
            .bind(&secret.team)
            .bind(&secret.project)
            .fetch_optional(&mut *tx)
            .await?;
            let Some((team_id, project_id)) = ids else {
                return Err(Trouble::NotFound);
            };
            if of_project && project_id.is_none() {
                return Err(Trouble::NotFound);
            }
            let kept: String = sqlx::query_scalar(&put)
                .bind(&id)
                .bind(team_id)
                .bind(project_id.filter(|_| of_project))
                .bind(template)
                .bind(environment)
                .bind(text(&secret.name))
                .bind(secret.description.as_deref().map(text))
                .bind(&secret.sealed.encrypted_value)
                .bind(&secret.sealed.iv)
                .bind(&secret.sealed.auth_tag)
                .bind(&secret.sealed.key_id)
                .bind(now)
                .bind(text(&secret.updated_by))
                .fetch_one(&mut *tx)
                .await?;
            Ok(kept == id)
        })
    }

    /// Removes a secret; whether there was one.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn remove_secret(
        &self,
        team: &str,
        project: &str,
        level: &SecretLevel,
        name: &str,
    ) -> Result<bool, StoreError> {
        let (template, environment) = columns(level);
        let project = Some(project).filter(|_| *level != SecretLevel::Team);
        transaction!(self, "remove the secret", name, |tx| {
            let removed = sqlx::query(
                "DELETE FROM secrets
                 WHERE team_id = (SELECT id FROM teams WHERE name = $1)
                   AND COALESCE(project_id, '') = COALESCE((SELECT p.id FROM projects p
                       JOIN teams t ON t.id = p.team_id WHERE t.name = $1 AND p.name = $2), '')
                   AND COALESCE(template, '') = $3 AND COALESCE(environment, '') = $4
                   AND name = $5",
            )
            .bind(team)
            .bind(project)
            .bind(template.unwrap_or_default())
            .bind(environment.unwrap_or_default())
            .bind(name)
            .execute(&mut *tx)
            .await?;
            Ok(removed.rows_affected() > 0)
        })
    }

    /// The secrets of a project at every level, those of its team included, by level and name.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn secrets(
        &self,
        team: &str,
        project: &str,
    ) -> Result<Vec<StoredSecret>, StoreError> {
        let sql = format!(
            "{SECRET} WHERE t.name = $1 AND (s.project_id IS NULL OR p.name = $2) ORDER BY s.name, s.id"
        );
        let rows: Vec<Row> = read!(
            self,
            "list the secrets of",
            format!("{team}/{project}"),
            |db| {
                sqlx::query_as(&sql)
                    .bind(team)
                    .bind(project)
                    .fetch_all(db)
                    .await
            }
        )?;
        let mut all: Vec<StoredSecret> = rows.into_iter().map(Into::into).collect();
        all.sort_by(|a, b| (&a.level, &a.name).cmp(&(&b.level, &b.name)));
        Ok(all)
    }

    /// Every secret there is: for the start, and for another key.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn all_secrets(&self) -> Result<Vec<StoredSecret>, StoreError> {
        let sql = format!("{SECRET} ORDER BY s.id");
        let rows: Vec<Row> = read!(self, "list", "all secrets", |db| {
            sqlx::query_as(&sql).fetch_all(db).await
        })?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Puts the same value, encrypted anew, in the place of the old one; `false` where somebody
    /// else has replaced the value meanwhile.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn reseal_secret(
        &self,
        id: &str,
        old: &Sealed,
        new: &Sealed,
    ) -> Result<bool, StoreError> {
        transaction!(self, "encrypt anew the secret", id, |tx| {
            let changed = sqlx::query(
                "UPDATE secrets SET encrypted_value = $3, iv = $4, auth_tag = $5, key_id = $6
                 WHERE id = $1 AND iv = $2",
            )
            .bind(id)
            .bind(&old.iv)
            .bind(&new.encrypted_value)
            .bind(&new.iv)
            .bind(&new.auth_tag)
            .bind(&new.key_id)
            .execute(&mut *tx)
            .await?;
            Ok(changed.rows_affected() > 0)
        })
    }

    /// Removes the secrets of one Environment, which is gone; how many there were.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn remove_environment_secrets(
        &self,
        team: &str,
        project: &str,
        environment: &str,
    ) -> Result<u64, StoreError> {
        transaction!(self, "remove the secrets of", environment, |tx| {
            let removed = sqlx::query(
                "DELETE FROM secrets WHERE environment = $3 AND project_id =
                     (SELECT p.id FROM projects p JOIN teams t ON t.id = p.team_id
                      WHERE t.name = $1 AND p.name = $2)",
            )
            .bind(team)
            .bind(project)
            .bind(environment)
            .execute(&mut *tx)
            .await?;
            Ok(removed.rows_affected())
        })
    }
}
