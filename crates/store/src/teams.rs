//! Teams, and who belongs to them.

use catalyst_model::state::Role;
use sqlx::QueryBuilder;
use uuid::Uuid;

use crate::Store;
use crate::error::{StoreError, Trouble};
use crate::listing::{Scope, push_names};
use crate::projects::ENSURE_TEAM;
use crate::values::{Word, new_id, now, text};

/// A team, with what it has.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Team {
    /// Its name.
    pub name: String,
    /// How many belong to it.
    #[sqlx(try_from = "i64")]
    pub members: u32,
    /// How many of those are owners.
    #[sqlx(try_from = "i64")]
    pub owners: u32,
    /// How many projects it has.
    #[sqlx(try_from = "i64")]
    pub projects: u32,
}

/// Somebody who belongs to a team.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Member {
    /// The user's id.
    #[sqlx(try_from = "Word")]
    pub user: Uuid,
    /// The user's login.
    pub login: String,
    /// The role in the team.
    #[sqlx(try_from = "Word")]
    pub role: Role,
}

const LAST_OWNER: &str = "a team keeps its last owner: make somebody else an owner first";

/// Locks a team against other changes of its members, and finds its id: `$1` the name.
const LOCK_TEAM: &str = "UPDATE teams SET name = name WHERE name = $1 RETURNING id";

const ROLE_OF: &str = "SELECT role FROM memberships WHERE user_id = $1 AND team_id = $2";

const OTHER_OWNERS: &str = "SELECT COUNT(*) FROM memberships
    WHERE team_id = $1 AND role = 'owner' AND user_id <> $2";

impl Store {
    /// The teams, by name.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn list_teams(&self, scope: Scope<'_>) -> Result<Vec<Team>, StoreError> {
        read!(self, "list", "the teams", |db| {
            let mut query = QueryBuilder::new(
                "SELECT t.name,
                     (SELECT COUNT(*) FROM memberships m WHERE m.team_id = t.id) AS members,
                     (SELECT COUNT(*) FROM memberships m
                      WHERE m.team_id = t.id AND m.role = 'owner') AS owners,
                     (SELECT COUNT(*) FROM projects p
                      WHERE p.team_id = t.id AND p.removed_at IS NULL) AS projects
                 FROM teams t",
            );
            if let Scope::Teams(names) = scope {
                query.push(" WHERE t.name IN ");
                push_names(&mut query, names);
            }
            query
                .push(" ORDER BY t.name")
                .build_query_as()
                .fetch_all(db)
                .await
        })
    }

    /// Makes a team; `false` where there is one of this name.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn create_team(&self, name: &str) -> Result<bool, StoreError> {
        transaction!(self, "make the team", name, |tx| {
            let made = sqlx::query(
                "INSERT INTO teams (id, name, created_at) VALUES ($1, $2, $3)
                 ON CONFLICT (name) DO NOTHING",
            )
            .bind(new_id())
            .bind(text(name))
            .bind(now())
            .execute(&mut *tx)
            .await?;
            Ok(made.rows_affected() == 1)
        })
    }

    /// Who belongs to the team: owners first, then admins, each by login. None for an unknown team
    /// as for one without members.
    ///
    /// # Errors
    /// As every method: see [`StoreError`].
    pub async fn members(&self, team: &str) -> Result<Vec<Member>, StoreError> {
        read!(self, "list the members of the team", team, |db| {
            sqlx::query_as(
                "SELECT u.id AS \"user\", u.login, m.role FROM memberships m
                 JOIN teams t ON t.id = m.team_id
                 JOIN users u ON u.id = m.user_id
                 WHERE t.name = $1
                 ORDER BY CASE m.role WHEN 'owner' THEN 0 WHEN 'admin' THEN 1 ELSE 2 END,
                     lower(u.login), u.id",
            )
            .bind(text(team))
            .fetch_all(db)
            .await
        })
    }

    /// Makes the user a member of the team in this role, or changes the role. The team is made
    /// where it is new.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown user; [`StoreError::Conflict`] where the team would
    /// lose its last owner.
    pub async fn set_membership(
        &self,
        user: Uuid,
        team: &str,
        role: Role,
    ) -> Result<(), StoreError> {
        transaction!(self, "change the membership of the user", user, |tx| {
            let team_id: String = sqlx::query_scalar(ENSURE_TEAM)
                .bind(new_id())
                .bind(text(team))
                .bind(now())
                .fetch_one(&mut *tx)
                .await?;
            let before: Option<String> = sqlx::query_scalar(ROLE_OF)
                .bind(user.to_string())
                .bind(&team_id)
                .fetch_optional(&mut *tx)
                .await?;
            if before.as_deref() == Some(Role::Owner.as_str()) && role != Role::Owner {
                let others: i64 = sqlx::query_scalar(OTHER_OWNERS)
                    .bind(&team_id)
                    .bind(user.to_string())
                    .fetch_one(&mut *tx)
                    .await?;
                if others == 0 {
                    return Err(Trouble::Conflict(LAST_OWNER.to_owned()));
                }
            }
            sqlx::query(
                "INSERT INTO memberships (team_id, user_id, role) VALUES ($1, $2, $3)
                 ON CONFLICT (user_id, team_id) DO UPDATE SET role = excluded.role",
            )
            .bind(team_id)
            .bind(user.to_string())
            .bind(role.as_str())
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// Ends the user's membership of the team.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none; [`StoreError::Conflict`] where the team would
    /// lose its last owner.
    pub async fn remove_membership(&self, user: Uuid, team: &str) -> Result<(), StoreError> {
        let object = format!("membership of {user} in {team}");
        transaction!(self, "end the membership", object, |tx| {
            let team_id: Option<String> = sqlx::query_scalar(LOCK_TEAM)
                .bind(text(team))
                .fetch_optional(&mut *tx)
                .await?;
            let Some(team_id) = team_id else {
                return Err(Trouble::NotFound);
            };
            let others: i64 = sqlx::query_scalar(OTHER_OWNERS)
                .bind(&team_id)
                .bind(user.to_string())
                .fetch_one(&mut *tx)
                .await?;
            let ended: Option<String> = sqlx::query_scalar(
                "DELETE FROM memberships WHERE user_id = $1 AND team_id = $2 RETURNING role",
            )
            .bind(user.to_string())
            .bind(&team_id)
            .fetch_optional(&mut *tx)
            .await?;
            match ended.as_deref() {
                None => Err(Trouble::NotFound),
                Some("owner") if others == 0 => Err(Trouble::Conflict(LAST_OWNER.to_owned())),
                Some(_) => Ok(()),
            }
        })
    }
}
